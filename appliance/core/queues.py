"""How fast the line carries, measured, and to what the box slows the tunnel down so that no queue grows on the way.

A router's queue delays a keystroke by seconds while somebody downloads. So the tunnel is held a little below what
the line was seen to carry while a queue stood on it; then the queue stands in the box, where every laptop has a place
of its own and small packets go first. Nothing is held before a queue was seen. What is measured: questions that HQ
answers with the time it received and sent them (RFC 792, timestamp), and the tunnel's counters of octets.
"""

from __future__ import annotations

import ipaddress
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from appliance.core.machine import Load, Machine, Observed, Route, Shaper, Stream
from appliance.core.model import Assignment, Part

OVERHEAD = 60  # octets that WireGuard, UDP and IPv4 add to a packet
LEAST = 96_000  # bit/s; nothing is held to less, whatever is measured
STEP = 8_000  # bit/s: rates are whole numbers of these
STANDING = 0.012  # seconds of added delay that do not go away within a window: a queue
PACKET = 1400 * 8  # bits of the longest one: on a slow line its own time is no queue
BUSY = 100_000  # bit/s below which nothing is judged
ENOUGH, WINDOW = (
    4,
    2.0,
)  # answers that one judgement is read from, the last ones; seconds that they stay fresh
OVER, LEAST_TIME = 1.0, 0.2  # seconds of answers that a rate is read from; and between the first and the last
KEPT = 60.0  # seconds that answers count for the least delay: an older one may have been on another path
QUIETEST, MOST_NOISE = 5, 0.05  # answers on an idle line that its noise is read from; seconds
PAUSE = 1.0  # seconds between two changes of one rate at least
BELOW = 0.9  # of what the line carried: where a rate rests
LOWEST, DRAIN = 0.4, 1.5  # of what it carried, while a queue drains; seconds that it may take
FULL = 0.85  # of the rate: so much is carried, and the line may carry more
CLOSE = 0.93  # of what the line carried: beyond it, a queue is near, and its first sign counts
SURE_FOR, SUREST = 30.0, 3  # seconds until it is tried again, doubled each time that it proved the same
TRY_AFTER, TRY, LEAP = 2.0, 1.02, 1.25  # seconds without a queue; careful steps up, and bold ones beyond
ENDLESS = 100_000_000  # bit/s; what carries that much is not held: its queues are short, and our own processor may be one
IN_VAIN, LEFT_ALONE = 4.0, 30.0  # seconds besides twice the delay that a queue may outlive us; and its reward
MOST_LAPTOPS = 64
# A key waits for the packet that is leaving: 1,280 octets hold up a line of 1 Mbit/s for 11 ms, and the next router's
# queue once more. On a slow way up packets are short (576: what every host takes, RFC 791).
SLOW, SHORT = 2_000_000, 576


@dataclass(frozen=True, slots=True)
class Answer:
    """A question and HQ's answer. `sent` and `back` by our clock, `up` and `down` the ways' times by two clocks: only
    their differences mean anything. `out`: octets that had left when it was asked; `got`: that had come when it was
    answered. `idle`: nothing else was on the line."""

    sent: float
    back: float
    up: float
    down: float
    out: int
    got: int
    idle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe:
    """One way of one line. `rate`: what it is held to, 0 for nothing; `edge`: what it carried with a queue on it."""

    rate: int = 0
    edge: int = 0
    changed: float = 0.0
    step: float = TRY
    queued: float = 0.0  # when a queue stood last
    sure: int = 0  # how often `edge` proved the same
    since: float = 0.0  # a queue has been standing since; 0 for none
    worst: float = 0.0  # seconds that it delayed at first


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What is known of each line while the box runs: (up, down)."""

    lines: Mapping[str, tuple[Pipe, Pipe]] = field(default_factory=dict)
    link: str = ""  # the one in use
    read: float = 0.0  # the moment of the last load that was judged

    def of(self, link: str) -> tuple[Pipe, Pipe]:
        return self.lines.get(link, (Pipe(), Pipe()))


# ------------------------------------------------------------------------------------------ measuring


def load_of(answers: Sequence[Answer], now: float, sent: float, received: float) -> Load:
    """What the line does now. `answers` in the order they came; `sent`, `received`: bit/s of the last second."""
    recent = [x for x in answers[-ENOUGH:] if now - x.back <= WINDOW]
    kept = [x for x in answers if now - x.back <= KEPT]
    if len(recent) < ENOUGH:
        return Load(at=now, up=Stream(rate=sent), down=Stream(rate=received))
    idle = [x for x in kept if x.idle]
    ups, downs = [x.up for x in kept], [x.down for x in kept]
    around = [x.up + x.down for x in kept]
    added = min(x.up + x.down for x in recent) - min(around)  # what two clocks cannot feign
    longer = [x for x in kept if now - x.back <= OVER]
    first, last = (longer if len(longer) > ENOUGH else recent)[0], recent[-1]
    left = (
        last.sent + last.up - first.sent - first.up
    )  # seconds in which the far end got what was sent between
    came = last.back - first.back
    return Load(
        at=now,
        up=Stream(
            rate=sent,
            carried=(last.out - first.out) * 8 / left if left > LEAST_TIME else 0.0,
            delay=min(added, min(x.up for x in recent) - min(ups)),
            noise=_noise([x.up for x in idle], min(ups)),
        ),
        down=Stream(
            rate=received,
            carried=(last.got - first.got) * 8 / came if came > LEAST_TIME else 0.0,
            delay=min(added, min(x.down for x in recent) - min(downs)),
            noise=_noise([x.down for x in idle], min(downs)),
        ),
    )


def _noise(idle: Sequence[float], least: float) -> float:
    if len(idle) < QUIETEST:
        return 0.0
    return min(statistics.median(idle) - least, MOST_NOISE)


def stands(stream: Stream, keen: bool = False) -> bool:
    """Whether a queue stands on this way of the line, and what the line carries is known."""
    if not stream.carried or stream.carried > ENDLESS:
        return False
    of_one_packet = PACKET / max(stream.carried, LEAST)
    return (
        stream.rate >= BUSY / 2
        and stream.delay > STANDING * (0.5 if keen else 1.0) + of_one_packet + stream.noise
    )


# ------------------------------------------------------------------------------------------- deciding


def decide(before: Queues, link: str, observed: Observed) -> Queues:
    """What is known after another look. `link` is the uplink in use, "" for none."""
    if not link:
        return before
    load = observed.load
    if link != before.link:  # what was measured until now was another line
        lines = before.lines
        if not before.link:  # a daemon's first turn: what is in force was measured by the one before it
            held = {x.down: x.rate for x in observed.shapers}
            lines = {**lines, link: (_taken_over(held.get(False, 0)), _taken_over(held.get(True, 0)))}
        return Queues(lines=lines, link=link, read=load.at if load else before.read)
    if load is None or load.at <= before.read:
        return before
    up, down = before.of(link)
    pair = (adjust(up, load.up, load.at), adjust(down, load.down, load.at))
    return Queues(lines={**before.lines, link: pair}, link=link, read=load.at)


def _taken_over(rate: int) -> Pipe:
    return Pipe(rate=rate, edge=whole(rate / BELOW)) if rate else Pipe()


def adjust(pipe: Pipe, stream: Stream, now: float) -> Pipe:
    """The next rate of one way: down at once where a queue stands, back to rest where it is gone, then up slowly."""
    if pipe.changed and now - pipe.changed < PAUSE:
        return pipe
    close = pipe.rate > pipe.edge * CLOSE
    if stands(stream, keen=bool(pipe.rate) and close and not pipe.since):
        return _lower(pipe, stream, now)
    if not pipe.rate:
        return pipe if not pipe.since else replace(pipe, since=0.0)
    rest = whole(pipe.edge * BELOW)
    if pipe.rate < rest:
        return replace(pipe, rate=rest, changed=now, since=0.0)
    if pipe.since:
        return replace(pipe, since=0.0)
    if stream.rate < pipe.rate * FULL or not stream.carried or now - pipe.changed < TRY_AFTER:
        return pipe
    if close and pipe.rate <= pipe.edge and now - pipe.queued < SURE_FOR * 2**pipe.sure:
        return pipe
    step = min(1 + 2 * (pipe.step - 1), LEAP) if pipe.rate > pipe.edge * 1.1 else TRY
    rate = max(whole(pipe.rate * step), pipe.rate + STEP)
    if rate > ENDLESS:
        return Pipe(changed=now)
    return replace(pipe, rate=rate, changed=now, step=step)


def _lower(pipe: Pipe, stream: Stream, now: float) -> Pipe:
    """Below what the line carries, the more so the longer the queue. Where that does not help, the queue is somebody
    else's, and holding ourselves back would only give them our part."""
    since = pipe.since or now
    worst = stream.delay if not pipe.since else pipe.worst
    if now - since > IN_VAIN + 2 * worst and stream.delay > worst / 2:
        return Pipe(changed=now + LEFT_ALONE)
    edge = whole(max(stream.carried, pipe.edge / 2 if pipe.since else 0))
    rate = whole(edge * max(LOWEST, BELOW - stream.delay / DRAIN))
    same = not pipe.since and abs(edge - pipe.edge) < edge * 0.15
    sure = min(pipe.sure + 1, SUREST) if same else pipe.sure if pipe.since else 0
    return Pipe(rate=rate, edge=edge, changed=now, queued=now, since=since, worst=worst, sure=sure)


def whole(rate: float) -> int:
    """A rate that the kernel keeps as it is told, within the bounds."""
    return max(LEAST, int(rate) // STEP * STEP)


# --------------------------------------------------------------------------------------- what is wished


def shapers(
    queues: Queues, link: str, observed: Observed, machine: Machine, assignment: Assignment | None
) -> frozenset[Shaper]:
    """What the tunnel is held to on this uplink, and how it is shared out."""
    if assignment is None or not link or not (observed.shapes and machine.keeps_rates):
        return frozenset()
    network = ipaddress.IPv4Network(assignment.lan)
    lan = assignment.lan if network.num_addresses <= MOST_LAPTOPS else ""
    ports = sorted({x.port for d in assignment.desktops for x in d.endpoints if x.part is Part.SCREEN})
    return frozenset(
        Shaper(
            namespace=machine.field,
            link=machine.tunnel,
            down=down,
            rate=pipe.rate,
            overhead=OVERHEAD,
            lan=lan,
            screens=tuple(ports[:16]),
        )
        for down, pipe in zip((False, True), queues.of(link), strict=True)
        if pipe.rate
    )


def shortened(routes: frozenset[Route], held: frozenset[Shaper]) -> frozenset[Route]:
    """The routes with no long packets into a tunnel that is slow on its way up; laptops are told so by the route
    itself (RFC 1191), in the middle of a connection, too."""
    slow = {(x.namespace, x.link) for x in held if not x.down and x.rate < SLOW}
    return frozenset(
        replace(x, mtu=min(x.mtu or SHORT, SHORT)) if (x.namespace, x.link) in slow else x for x in routes
    )
