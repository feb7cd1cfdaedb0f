"""Measures how large a packet the tunnel carries on the line in use: rounds of padded echoes with a small one beside
them, so that a lost line is not taken for a narrow one. One thread; what the answers mean is core's."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.core import path_mtu
from appliance.core.machine import PathProbe
from appliance.core.path_mtu import Search
from appliance.host import echo

AT_ONCE = 3  # large ones a round
PATIENCE = 1.5  # seconds for the small one
AFTERWARDS = 0.25  # seconds, or a round trip, that the large ones may come later than it
PAUSE = 2.0  # seconds after a round that said nothing


@dataclass(slots=True)
class _Line:
    search: Search = field(default_factory=Search)
    size: int = 0  # 0: not known yet
    looked: float = 0.0
    begun: float = 0.0


class PathMtu:
    """Start it once; read `sizes` at any time."""

    def __init__(self, namespace: str, wake: Callable[[], None]) -> None:
        self._namespace, self._wake = namespace, wake
        self._target = ("", "")
        self._lines: dict[str, _Line] = {}
        self._changed = threading.Event()
        self._identity = (os.getpid() ^ 0x4D54) & 0xFFFF
        self._sequence = 0
        self._channel: socket.socket | None = None

    @property
    def sizes(self) -> tuple[PathProbe, ...]:
        return tuple(PathProbe(line=k, size=x.size) for k, x in list(self._lines.items()) if x.size)

    def start(self) -> None:
        threading.Thread(target=self._run, name="path-mtu", daemon=True).start()

    def aim(self, hub: str, line: str) -> None:
        """`hub`: its address inside the tunnel; `line`: what the size is remembered by, "" for not now."""
        if (hub, line) != self._target:
            self._target = (hub, line)
            self._changed.set()

    # ------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            self._changed.clear()
            target = self._target
            pause = self._turn(*target) if all(target) else None
            if self._target == target:
                self._changed.wait(pause)

    def _turn(self, hub: str, line: str) -> float:
        """One round at most; seconds until the next one."""
        now = time.monotonic()
        here = self._lines.setdefault(line, _Line(begun=now))
        if here.size and now - here.looked < path_mtu.LOOK_AGAIN and here.search.over:
            return here.looked + path_mtu.LOOK_AGAIN - now
        if (
            here.size
            and here.search.over
            and here.size < path_mtu.TOP
            and now - here.begun > path_mtu.BEGIN_AGAIN
        ):
            here.search, here.begun = Search(), now
        size = here.search.asks or here.size
        passed = self._round(hub, size)
        if passed is None or self._target != (hub, line):
            return PAUSE
        self._note(here, size, passed)
        return 0.0

    def _note(self, here: _Line, size: int, passed: bool) -> None:
        before = here.size
        if here.search.over:  # the size in use was looked at again
            if passed:
                here.looked, here.search = time.monotonic(), path_mtu.answered(here.search, size)
                return
            seen = path_mtu.missed(here.search, size)
            here.search = path_mtu.shrunk(size) if seen.misses == 0 else seen
            return
        here.search = (path_mtu.answered if passed else path_mtu.missed)(here.search, size)
        if here.search.telling:
            here.size, here.looked = here.search.found, time.monotonic()
            if here.size != before:
                self._wake()

    def _round(self, hub: str, size: int) -> bool | None:
        """Whether packets of that size pass; None where not even a small one does."""
        large = {self._send(hub, size) for _ in range(AT_ONCE)}
        small, asked = self._send(hub), time.monotonic()
        if small < 0:
            return None
        until, small_passed = asked + PATIENCE, False
        while (left := until - time.monotonic()) > 0:
            for number in self._heard(hub, left):
                if number in large:
                    return True
                if number == small:
                    small_passed = True
                    until = time.monotonic() + max(AFTERWARDS, time.monotonic() - asked)
        return False if small_passed else None

    def _send(self, hub: str, size: int = 0) -> int:
        """The number of the question; -1 where it could not even be asked."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = echo.request(self._identity, self._sequence, *([size] if size else []))
        try:
            if self._channel is None:
                self._channel = echo.channel(self._namespace, whole=True)
            self._channel.sendto(packet, (hub, 0))
        except OSError:
            if not size:
                self._close()
            return -1
        return self._sequence

    def _heard(self, hub: str, seconds: float) -> list[int]:
        if self._channel is None:
            return []
        select.select([self._channel], [], [], seconds)
        found: list[int] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, source = self._channel.recvfrom(2048)
                number = echo.reply(packet, self._identity)
                if source[0] == hub and number is not None:
                    found.append(number)
        return found

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
