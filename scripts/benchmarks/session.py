"""A session like a remote desktop's: 50 small messages a second up, 50 frames a second and bursts down, on one TCP
connection from the laptop to the desktop machine. It keeps when what arrived, as the laptop sees it."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from scripts.benchmarks.far_end import FarEnd
from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import Place

PACE = 0.02  # seconds between messages, each way
MESSAGE, FRAME = 32, 200  # bytes
BURST_EVERY, BURST = 25, 40  # frames: twice a second 8 kB at once
LOST_AFTER = 100.0  # seconds without anything: nobody waits longer than that for a picture


class Desk:
    """The far end: answers with how far it has read, and pushes frames whether anything comes or not."""

    def __init__(self, place: Place, address: str, port: int) -> None:
        self._end = FarEnd(place, address, port, self._push)

    def close(self) -> None:
        self._end.close()

    def _push(self, channel: socket.socket) -> None:
        seen, number, queued = 0, 0, b""
        channel.setblocking(False)
        due = time.monotonic()
        with channel:
            while True:
                ready, _, _ = select.select([channel], [], [], max(0.0, due - time.monotonic()))
                try:
                    if ready:
                        data = channel.recv(65536)
                        if not data:
                            return
                        seen += len(data)
                    if time.monotonic() >= due:
                        due, number = due + PACE, number + 1
                        count = BURST if number % BURST_EVERY == 0 else 1
                        if len(queued) < 100 * FRAME:  # a picture that is late is not painted twice
                            queued += struct.pack("!Q", seen // MESSAGE).ljust(FRAME, b".") * count
                    if queued:
                        queued = queued[channel.send(queued) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return


@dataclass(slots=True)
class Session:
    """The laptop's end. `frames`: when something came; `answers`: when it showed that something had got there."""

    place: Place
    address: str
    port: int
    frames: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    lost: int = 0
    stopping: bool = False

    def start(self) -> None:
        threading.Thread(target=self._keep, daemon=True).start()

    def stop(self) -> None:
        self.stopping = True

    def flows(self, seconds: float = 0.15) -> bool:
        return bool(self.answers) and time.monotonic() - self.answers[-1] < seconds

    def stall(self, start: float, end: float) -> float:
        """The longest time within which nothing came, or nothing got there; seconds."""
        return max(longest_gap(self.frames, start, end), longest_gap(self.answers, start, end))

    def _keep(self) -> None:
        while not self.stopping:
            try:
                with socket_in(self.place.namespace("laptop")) as channel:
                    channel.settimeout(5)
                    channel.connect((self.address, self.port))
                    self._talk(channel)
            except OSError:
                time.sleep(0.2)

    def _talk(self, channel: socket.socket) -> None:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.setblocking(False)
        due = heard = time.monotonic()
        buffer, reached = b"", 0
        try:
            while not self.stopping:
                now = time.monotonic()
                if now - heard > LOST_AFTER:
                    raise TimeoutError
                ready, _, _ = select.select([channel], [], [], max(0.0, due - now))
                if ready:
                    data = channel.recv(65536)
                    if not data:
                        raise ConnectionResetError
                    heard = time.monotonic()
                    self.frames.append(heard)
                    buffer += data
                    whole = len(buffer) // FRAME
                    if whole:
                        told = struct.unpack_from("!Q", buffer, (whole - 1) * FRAME)[0]
                        buffer = buffer[whole * FRAME :]
                        if told > reached:
                            reached = told
                            self.answers.append(heard)
                if time.monotonic() >= due:
                    due += PACE
                    try:
                        channel.send(bytes(MESSAGE))
                    except BlockingIOError:
                        continue
        except OSError:
            self.lost += not self.stopping
            raise


def longest_gap(moments: list[float], start: float, end: float) -> float:
    """Between two of `moments`, of the gaps that touch start..end; one that still lasts ends at `end`."""
    first = max(0, bisect_right(moments, start) - 1)
    inside = [x for x in moments[first:] if x <= end]
    after = bisect_right(moments, end)
    inside += moments[after : after + 1] or [end]
    return max((b - a for a, b in pairwise(inside)), default=end - start)
