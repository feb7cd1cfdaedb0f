"""The field web as it runs on a box: gunicorn with its real settings, on a port of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from webui import HERE


class FieldServer:
    """Context manager; `address` is where it answers, `pid` the master's."""

    def __init__(self, run: Path) -> None:
        with socket.socket() as finder:
            finder.bind(("127.0.0.1", 0))
            self.port = int(finder.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}/"
        self._run = run
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> FieldServer:
        environment = {
            **os.environ,
            "NOROSHI_RUN_DIR": str(self._run),
            "NOROSHI_WEB_HOSTS": "127.0.0.1",
            "NOROSHI_WEB_BIND": f"127.0.0.1:{self.port}",
            "PYTHONPATH": str(HERE.parent),
        }
        command = (
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:webui.gunicorn_field",
            "webui.field.wsgi:app",
        )
        log = (self._run / "web.log").open("wb")
        self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        log.close()
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return (self._run / "web.log").read_text()

    def get(self, path: str = "", timeout: float = 10) -> str:
        with urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
            text: str = answer.read().decode()
        return text

    def _wait(self) -> None:
        for _ in range(100):
            try:
                self.get("live", 2)
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(self.log())
