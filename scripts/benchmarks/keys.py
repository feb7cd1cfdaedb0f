"""A person who types, and a desktop that shows each letter: how long every one takes, there and back. In a process of
its own, so that nothing else this benchmark does delays it."""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from scripts.benchmarks.far_end import FarEnd
from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import Place

PACE = 0.04  # seconds between keys
KEY, PICTURE = 64, 256  # octets


class Echo:
    """The desktop's end: a picture for each key."""

    def __init__(self, place: Place, address: str, port: int) -> None:
        self._end = FarEnd(place, address, port, self._show)

    def close(self) -> None:
        self._end.close()

    def _show(self, channel: socket.socket) -> None:
        waiting = b""
        with channel:
            while True:
                try:
                    read = channel.recv(65536)
                    if not read:
                        return
                    waiting += read
                    while len(waiting) >= KEY:
                        channel.sendall(waiting[:8].ljust(PICTURE, b"."))
                        waiting = waiting[KEY:]
                except OSError:
                    return


class Keys:
    """The laptop's end, from outside: start it, and ask how long keys took."""

    def __init__(self, place: Place, machine: str, address: str, port: int) -> None:
        self._argv = [
            sys.executable,
            "-m",
            "scripts.benchmarks.keys",
            place.namespace(machine),
            address,
            str(port),
        ]
        self._process: subprocess.Popen[str] | None = None
        self._taken: list[tuple[float, float]] = []

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            pressed, seconds = json.loads(line)
            self._taken.append((pressed, seconds))

    def between(self, start: float, end: float) -> list[float]:
        """Milliseconds of every key pressed in this time; whoever still waits is waited for, ten seconds long."""
        deadline = time.monotonic() + 10.0
        while (not self._taken or self._taken[-1][0] < end - 0.2) and time.monotonic() < deadline:
            time.sleep(0.1)
        found = [seconds * 1000 for pressed, seconds in list(self._taken) if start <= pressed < end]
        pressed = max((x for x, _ in self._taken), default=start)
        if pressed < end - 0.2:  # no answer at all since: each key of that time has waited until now at least
            found += [(time.monotonic() - end) * 1000] * int((end - max(pressed, start)) / PACE)
        return found


def press(namespace: str, address: str, port: int) -> None:
    """Keys at their pace for ever; a line for each answer: when it was pressed, how long it took."""
    with socket_in(namespace) as channel:
        channel.settimeout(10)
        channel.connect((address, port))
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.setblocking(False)
        due, number, pressed, waiting, unsent = time.monotonic(), 0, dict[int, float](), b"", b""
        while True:
            select.select([channel], [channel] if unsent else [], [], max(0.0, due - time.monotonic()))
            if (now := time.monotonic()) >= due:
                due, number = due + PACE, number + 1
                pressed[number] = now
                unsent += struct.pack("!Q", number).ljust(KEY, b".")
            try:
                if unsent:
                    unsent = unsent[channel.send(unsent) :]
            except BlockingIOError:
                pass
            try:
                read = channel.recv(65536)
                if not read:
                    return
                waiting += read
            except BlockingIOError:
                continue
            while len(waiting) >= PICTURE:
                (shown,) = struct.unpack_from("!Q", waiting)
                waiting = waiting[PICTURE:]
                began = pressed.pop(shown)
                print(json.dumps([began, time.monotonic() - began]), flush=True)


if __name__ == "__main__":
    press(sys.argv[1], sys.argv[2], int(sys.argv[3]))
