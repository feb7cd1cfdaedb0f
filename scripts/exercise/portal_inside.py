"""The sign-in page itself, in the router's namespace: everything asked on port 80 is sent to it."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS, LOG = sys.argv[1], Path(sys.argv[2])
PAGE = '<html><form method="post" action="/agree"><button>同意して使う</button></form></html>'


class Portal(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("Host", "") == ADDRESS and self.path == "/portal":
            self._say(200, PAGE)
        else:
            self._say(302, "", f"http://{ADDRESS}/portal")

    def do_POST(self) -> None:
        self.rfile.read(min(4096, int(self.headers.get("Content-Length") or 0)))
        element = ("add", "element", "ip", "portal", "agreed", f"{{ {self.client_address[0]} }}")
        subprocess.run(("nft", *element), check=True, timeout=5)
        self._say(200, "<html>agreed</html>")

    def _say(self, code: int, body: str, location: str = "") -> None:
        raw = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *said: object) -> None:
        with LOG.open("a") as file:
            file.write(" ".join(map(str, said)) + "\n")


server = ThreadingHTTPServer((ADDRESS, 80), Portal)
LOG.touch()
server.serve_forever()
