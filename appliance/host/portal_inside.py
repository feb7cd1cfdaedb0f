#!/usr/bin/python3 -IS
"""Asks one question over the connection that it finds as standard input, and tells what came back: `code` (0 for what
is no HTTP, -1 for nothing) and `body`. Runs as nobody in particular, without the project; every size and time is
bounded."""

import json
import re
import socket
import sys
import time


def answer(channel: socket.socket, seconds: float, most: int) -> bytes:
    deadline, found = time.monotonic() + seconds, b""
    while len(found) < most:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        channel.settimeout(left)
        try:
            part = channel.recv(min(2048, most - len(found)))
        except OSError:
            break
        if not part:
            break
        found += part
        head, gap, body = found.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *([0-9]{1,6})\r?$", head)
        if gap and length and len(body) >= int(length[1]):
            break
    return found


def main() -> None:
    path, host, seconds, most = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    channel = socket.socket(fileno=0)
    channel.settimeout(seconds)
    try:
        channel.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        found = answer(channel, seconds, most)
    except OSError:
        found = b""
    status = re.match(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]", found)
    body = found.partition(b"\r\n\r\n")[2].decode("ascii", "replace")
    sys.stdout.write(json.dumps({"code": int(status[1]) if status else 0 if found else -1, "body": body}))


if __name__ == "__main__":
    main()
