"""The finder: asks at every one of HQ's doors that it is told to, on each uplink, with the scout's kind of hello.

One thread, asleep while there is nothing to find. It only measures; which door is taken is decided in core.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.core import scout
from appliance.core.ladder import Ask, Search, SearchLine
from appliance.core.machine import DoorProbe
from appliance.core.scout import Hello, Initiator
from appliance.host.uplink_sockets import UplinkSockets

APART = 0.1  # seconds between two doors of a line, best first
PATIENCE = 2.5  # seconds until a hello counts as unanswered


@dataclass(slots=True)
class _Door:
    """One door on one uplink, and what came back."""

    link: str
    ask: Ask
    due: float
    pace: float
    hellos: dict[int, tuple[float, Hello]] = field(default_factory=dict)
    answered: int = 0
    heard: float = 0.0


class Finder:
    """Start it once; read `doors` at any time."""

    def __init__(self, outside: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._search = Search()
        self._key: Initiator | None = None
        self._doors: dict[tuple[str, str], _Door] = {}
        # For each door a port of its own: HQ answers by the door that the last packet came to.
        self._sockets: UplinkSockets[tuple[str, str]] = UplinkSockets(outside)
        self._stamp = 0

    @property
    def doors(self) -> tuple[DoorProbe, ...]:
        now = time.monotonic()
        return tuple(
            DoorProbe(link=x.link, label=x.ask.label, answered=x.answered, age=round(now - x.heard, 2))
            for x in list(self._doors.values())
            if x.answered
        )

    def start(self) -> None:
        threading.Thread(target=self._run, name="finder", daemon=True).start()

    def aim(self, search: Search) -> None:
        """What to ask from now on."""
        if search != self._search:
            self._search = search
            self._sockets.rouse()

    # ------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        taken = Search()
        while True:
            if self._search != taken:
                taken = self._take(self._search, taken)
            now = time.monotonic()
            for door in self._doors.values():
                if door.due <= now and self._key is not None:
                    door.due = now + door.pace
                    self._say_hello(door, self._key, now)
            self._give_up(now)
            due = [x.due for x in self._doors.values()]
            for _place, packet in self._sockets.wait(max(0.0, min(due) - time.monotonic()) if due else None):
                self._hear(packet)

    def _take(self, search: Search, before: Search) -> Search:
        if (search.key, search.hub_key) != (before.key, before.hub_key):
            self._key = scout.initiator(search.key, search.hub_key, scout.FINDER) if search.key else None
        doors: dict[tuple[str, str], _Door] = {}
        now = time.monotonic()
        for line in search.lines if self._key else ():
            for number, ask in enumerate(line.asks):
                doors[line.link, ask.label] = self._door(line, ask, now + number * APART)
        self._doors = doors
        if not doors:
            self._sockets.close_all()
        return search

    def _door(self, line: SearchLine, ask: Ask, due: float) -> _Door:
        known = self._doors.get((line.link, ask.label))
        if known is None or known.ask != ask:
            return _Door(link=line.link, ask=ask, due=due, pace=line.pace)
        known.due, known.pace = min(known.due, due + line.pace), line.pace
        return known

    def _say_hello(self, door: _Door, key: Initiator, now: float) -> None:
        self._stamp = max(time.time_ns(), self._stamp + 1)
        index = secrets.randbits(32)
        hello = key.hello(index, self._stamp, X25519PrivateKey.generate())
        door.hellos[index] = (now, hello)
        self._sockets.send((door.link, door.ask.label), door.link, door.ask.endpoint, hello.message)

    def _give_up(self, now: float) -> None:
        for door in self._doors.values():
            late = [x for x, (sent, _) in door.hellos.items() if now - sent > PATIENCE]
            for index in late:
                del door.hellos[index]
            if late and now - door.heard > PATIENCE:
                door.answered = 0

    def _hear(self, packet: bytes) -> None:
        index = scout.receiver(packet)
        for door in self._doors.values():
            if index in door.hellos and self._key is not None:
                _, hello = door.hellos[index]
                if self._key.is_answer(hello, packet):
                    del door.hellos[index]
                    door.answered, door.heard = door.answered + 1, time.monotonic()
                    self._wake()
                return
