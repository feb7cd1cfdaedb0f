"""The finder: asks at every one of HQ's doors that it is told to, on each uplink, with the scout's kind of hello.

One thread, asleep while there is nothing to find. It only measures; which door is taken is decided in core.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.core import scout
from appliance.core.firewall import SCOUT_MARK
from appliance.core.ladder import Ask, Search, SearchLine, split
from appliance.core.machine import DoorProbe
from appliance.core.scout import Hello, Initiator
from appliance.host.namespaces import inside

APART = 0.1  # seconds between two doors of a line, best first
PATIENCE = 2.5  # seconds until a hello counts as unanswered
LOOPBACK = "127.0.0.1"


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
        self._outside, self._wake = outside, wake
        self._search = Search()
        self._key: Initiator | None = None
        self._doors: dict[tuple[str, str], _Door] = {}
        self._channels: dict[tuple[str, str], socket.socket] = {}
        self._poke, self._poked = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
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
            with contextlib.suppress(BlockingIOError):
                self._poke.send(b"!", socket.MSG_DONTWAIT)

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
            self._wait(max(0.0, min(due) - time.monotonic()) if due else None)

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
            for channel in self._channels.values():
                channel.close()
            self._channels = {}
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
        host, port = split(door.ask.endpoint)
        place = (
            door.link,
            door.ask.label,
        )  # a port of its own: HQ answers by the door that the last packet came to
        try:
            if place not in self._channels:
                self._channels[place] = self._open(door.link, host)
            self._channels[place].sendto(hello.message, (host, port))
        except OSError:
            self._close(place)

    def _open(self, link: str, host: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with inside(self._outside):
            channel = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if host != LOOPBACK:  # the relay there binds its own way out
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, SCOUT_MARK)
        except OSError:
            channel.close()
            raise
        return channel

    def _close(self, place: tuple[str, str]) -> None:
        channel = self._channels.pop(place, None)
        if channel is not None:
            channel.close()

    def _give_up(self, now: float) -> None:
        for door in self._doors.values():
            late = [x for x, (sent, _) in door.hellos.items() if now - sent > PATIENCE]
            for index in late:
                del door.hellos[index]
            if late and now - door.heard > PATIENCE:
                door.answered = 0

    def _wait(self, seconds: float | None) -> None:
        places = {channel: place for place, channel in self._channels.items()}
        ready, _, _ = select.select([self._poked, *places], [], [], seconds)
        for channel in ready:
            try:
                packet = channel.recv(2048)
            except OSError:  # an ICMP error about one of the doors; the next question opens anew
                if channel in places:
                    self._close(places[channel])
                continue
            if channel in places:
                self._hear(packet)

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
