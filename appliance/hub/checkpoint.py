"""HQ's answer to boxes on lines that may have somebody in between: `GET /noroshi-check?NONCE` on TCP 80 of HQ's public
address, answered with that number signed by HQ. It knows nobody and remembers nothing.

Started as root for its port, and an unprivileged process from then on. Whoever asks too often hears 503.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import time
from pathlib import Path

from appliance import control
from appliance.core.portal import CHECK_PATH, CHECK_PORT

MOST_OCTETS = 1024  # of a question
ASKED_WITHIN = 3.0  # seconds
AT_ONCE = 64  # connections
EACH_SECOND, BURST = 20.0, 40.0  # answers that cost a signature
TRY_AGAIN = 30.0  # seconds, where something else has the port
_QUESTION = re.compile(rb"GET " + re.escape(CHECK_PATH.encode()) + rb"\?([0-9a-f]{32}) HTTP/1\.[01]\r\n")


class Allowance:
    """A bucket that fills with time."""

    def __init__(self, now: float) -> None:
        self._left, self._at = BURST, now

    def take(self, now: float) -> bool:
        self._left = min(BURST, self._left + (now - self._at) * EACH_SECOND)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Checkpoint:
    def __init__(self, door: Path) -> None:
        self._door = door
        self._allowance = Allowance(time.monotonic())
        self._here = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._here += 1
        try:
            if self._here <= AT_ONCE:
                writer.write(await self._answer(reader))
                await asyncio.wait_for(writer.drain(), ASKED_WITHIN)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._here -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ASKED_WITHIN)
        found = _QUESTION.match(head)
        if found is None:
            return _http("404 Not Found", "")
        if not self._allowance.take(time.monotonic()):
            return _http("503 Service Unavailable", "")
        question = {"ask": "sign-check", "nonce": found[1].decode()}
        try:
            paper = (await asyncio.to_thread(control.ask, self._door, question, 3.0))["paper"]
        except (control.Refused, control.Unreachable):
            return _http("503 Service Unavailable", "")
        return _http("200 OK", str(paper))


def _http(status: str, body: str) -> bytes:
    raw = body.encode()
    return (
        f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + raw


def listening() -> socket.socket:
    """Waits for its port: HQ works without it."""
    while True:
        channel = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            channel.bind(("", CHECK_PORT))
        except OSError as error:
            sys.stderr.write(f"noroshi: no check for lines on port {CHECK_PORT}: {error}\n")
            channel.close()
            time.sleep(TRY_AGAIN)
            continue
        return channel


def drop(user: int) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(os.environ["NOROSHI_GROUP"]))
        os.setuid(user)


async def serve(door: Path, channel: socket.socket) -> None:
    server = await asyncio.start_server(Checkpoint(door).meet, sock=channel, limit=MOST_OCTETS)
    async with server:
        await server.serve_forever()


def main() -> None:
    channel = listening()
    drop(int(os.environ["NOROSHI_USER"]))
    asyncio.run(serve(Path(os.environ["NOROSHI_RUN_DIR"]) / "door", channel))


if __name__ == "__main__":
    main()
