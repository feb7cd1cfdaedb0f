"""The scout: asks the hub on each uplink by itself, outside the tunnel, with hellos that only the hub can answer.

One thread. Spare lines are asked now and then; in haste (the tunnel is suspected) every line several times a second.
It only measures; what it means is decided in core.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.core import scout
from appliance.core.line import Reading, Sample, read
from appliance.core.machine import LineProbe, LineState
from appliance.core.scout import Hello, Initiator
from appliance.core.uplinks import Lines
from appliance.host.uplink_sockets import UplinkSockets

HASTE = 0.1  # seconds between hellos on a line while the tunnel is suspected
DOUBT = 0.15  # and on a spare line whose last hello stays unanswered,
RARE = 10.0  # seconds; a line asked that rarely is asked so while it recovers, too
DOUBT_ENDS = 8  # for so many hellos: then it is asked at leisure again
KEPT = 30  # samples a line
APART = 0.025  # seconds between hellos of one key: the hub ignores what comes faster (50 a second)


@dataclass(slots=True)
class _Way:
    """One uplink as it is asked."""

    number: int
    link: str
    pace: float
    samples: deque[tuple[int, Sample]] = field(default_factory=lambda: deque(maxlen=KEPT))
    hellos: dict[int, Hello] = field(default_factory=dict)
    due: float = 0.0
    last: float = 0.0  # when it was asked
    usual: float = 0.0
    reading: Reading = field(default_factory=lambda: Reading(state=LineState.UNKNOWN))
    good_since: float = 0.0
    unanswered: int = 0


class Scout:
    """Start it once; read `lines` at any time."""

    def __init__(self, outside: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lines = Lines()
        self._keys: tuple[Initiator, ...] = ()
        self._ways: dict[str, _Way] = {}
        self._hasty_until = 0.0
        self._sockets: UplinkSockets[str] = UplinkSockets(outside)
        self._stamp = 0

    @property
    def lines(self) -> tuple[LineProbe, ...]:
        now = time.monotonic()
        return tuple(
            LineProbe(
                link=x.link,
                state=x.reading.state,
                round_trip=round(x.reading.round_trip, 4),
                loss=round(x.reading.loss, 3),
                good_for=now - x.good_since if x.good_since else 0.0,
                answered=x.reading.answered,
            )
            for x in list(self._ways.values())
        )

    def start(self) -> None:
        threading.Thread(target=self._run, name="scout", daemon=True).start()

    def aim(self, lines: Lines) -> None:
        """What to ask from now on."""
        if lines != self._lines:
            self._lines = lines
            self._sockets.rouse()

    def hasten(self) -> None:
        """The tunnel went quiet a moment ago: do not wait for the loop to say what to do."""
        if time.monotonic() > self._hasty_until:
            self._hasty_until = time.monotonic() + 1.0
            self._sockets.rouse()

    # ------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        taken, hasty = Lines(), False
        while True:
            if self._lines != taken:
                taken = self._take(self._lines, taken)
            now = time.monotonic()
            before, hasty = hasty, taken.haste or now < self._hasty_until
            if hasty and not before:
                self._begin_haste(taken.active, now)
            self._ask(taken, now, hasty)
            for link, packet in self._sockets.wait(self._next(hasty)):
                self._hear(self._ways[link], packet)
            self._look(hasty)

    def _take(self, lines: Lines, before: Lines) -> Lines:
        if _keys_of(lines) != _keys_of(before):
            self._keys = ()
            if lines.key is not None:
                made = [scout.initiator(lines.key, lines.hub_key, x) for x in range(scout.SCOUTS)]
                self._keys = tuple(made)
        wanted = dict(lines.ways) if self._keys else {}
        for link in set(self._ways) - set(wanted):
            del self._ways[link]
            self._sockets.close(link)
        for number, (link, pace) in enumerate(wanted.items()):
            way = self._ways.setdefault(link, _Way(number=number, link=link, pace=pace))
            way.number, way.pace = number, pace
            if way.due > time.monotonic() + pace:
                way.due = time.monotonic() + pace
        doors, doors_before = dict(lines.endpoints), dict(before.endpoints)
        for way in self._ways.values():
            if doors.get(way.link, lines.endpoint) != doors_before.get(way.link, before.endpoint):
                way.samples.clear()
                way.hellos.clear()
                way.reading = Reading(state=LineState.UNKNOWN)
                way.due = time.monotonic()
                # It is bound to its link, or to none where a relay on loopback is the door.
                self._sockets.close(way.link)
        return lines

    def _begin_haste(self, active: str, now: float) -> None:
        """The active line was not asked while the tunnel's own echoes came back: what is known of it is old."""
        for way in self._ways.values():
            if way.link == active:
                way.usual = way.reading.round_trip or way.usual
                way.samples.clear()
                way.hellos.clear()
                way.reading = Reading(state=LineState.UNKNOWN)
            way.due = now

    def _ask(self, lines: Lines, now: float, hasty: bool) -> None:
        for way in self._ways.values():
            pace = HASTE if hasty else way.pace
            if not pace or now < way.due:
                continue
            recovering = way.reading.state not in (LineState.GOOD, LineState.UNKNOWN) and pace < RARE
            if not hasty and (0 < way.unanswered < DOUBT_ENDS or (not way.unanswered and recovering)):
                pace = DOUBT
            way.last, way.due = now, now + max(pace, APART)
            self._say_hello(way, dict(lines.endpoints).get(way.link, lines.endpoint))

    def _say_hello(self, way: _Way, endpoint: str) -> None:
        self._stamp = max(time.time_ns(), self._stamp + 1)
        index = secrets.randbits(32)
        key = self._keys[way.number % len(self._keys)]
        hello = key.hello(index, self._stamp, X25519PrivateKey.generate())
        way.samples.append((index, Sample(time.monotonic())))
        way.unanswered += 1
        way.hellos[index] = hello
        while len(way.hellos) > KEPT:
            way.hellos.pop(next(iter(way.hellos)))
        if (
            way.unanswered > DOUBT_ENDS
        ):  # a router may remember the old port's way out, though it has a new one
            self._sockets.close(way.link)
        self._sockets.send(way.link, way.link, endpoint, hello.message)

    def _next(self, hasty: bool) -> float | None:
        """Seconds until something is due; None while there is nothing to do."""
        now = time.monotonic()
        moments = [x.due for x in self._ways.values() if x.pace or hasty]
        if any(x.reading.waiting or x.unanswered for x in self._ways.values()):
            moments.append(now + 0.05)
        return max(0.0, min(moments) - now) if moments else None

    def _hear(self, way: _Way, packet: bytes) -> None:
        index = scout.receiver(packet)
        hello = way.hellos.get(index)
        key = self._keys[way.number % len(self._keys)]
        if hello is None or not key.is_answer(hello, packet):
            return
        way.hellos.pop(index)
        now = time.monotonic()
        for place, (number, sample) in enumerate(way.samples):
            if number == index:
                way.samples[place] = (number, Sample(sample.sent, now))
                way.unanswered = 0
        if (
            way.reading.state is not LineState.GOOD and 0 < way.pace < RARE
        ):  # it recovers: see how well, at once
            way.due = min(way.due, now + DOUBT)

    def _look(self, hasty: bool) -> None:
        """Read every line anew; the loop is woken where one became better or worse."""
        now, news = time.monotonic(), False
        for way in self._ways.values():
            before = way.reading
            way.reading = read([x for _, x in way.samples], now, way.usual)
            state = way.reading.state
            if state is LineState.GOOD:
                way.good_since = way.good_since or now
            elif state is not LineState.UNKNOWN:
                way.good_since = 0.0
            if 0 < way.unanswered < DOUBT_ENDS and not way.reading.waiting and 0 < way.pace < RARE:
                way.due = min(way.due, way.last + DOUBT)  # no answer in time: ask again without waiting
            told = hasty or state in (LineState.GOOD, LineState.LOST)
            news = news or (state is not before.state and told)
        if news:
            self._wake()


def _keys_of(lines: Lines) -> tuple[str, str]:
    return (lines.key.reveal() if lines.key is not None else "", lines.hub_key)
