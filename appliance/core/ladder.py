"""By which of HQ's doors each line reaches it. UDP at the usual port, then at other ports, then TCP through the relay.

Every line (uplink) stands on one rung of the ladder. When nothing answers there, all rungs are asked at once and the
best one that answers is taken; while it stands below the top, the better ones are asked now and then. What worked is
remembered for each line, known by its router's hardware address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from appliance.core.machine import DoorProbe, FileContent, Observed, Uplink
from appliance.core.model import Config, Entrance, JoinStage, LineKind, Secret
from appliance.core.policy import entrances
from appliance.core.router_advert import through

MOST_RUNGS = 24
PATIENCE = 1.5  # seconds of silence until another rung is taken
ASKED_AFTER = 0.7  # seconds of silence until every rung is asked
FRESH = 3.0  # seconds that an answer counts
CONFIRMED = 3  # answers in a row before a better rung is taken while this one works
OPEN_BUT_SILENT = 20.0  # seconds a door may answer hellos while the tunnel through it stays silent
ALONE, ALONE_AT_MOST = 1.5, 6.0  # seconds on a rung where nobody can be asked: before HQ knows the box's key
LAST_RESORT = 30.0  # seconds of silence after which rungs are tried although none of them answers
HOLD, HOLD_AT_MOST = 60.0, 3600.0  # seconds a rung that fell silent is not gone back to; doubled each time
PROVEN = 5.0  # seconds on a rung that works until it is remembered
REMEMBERED = 32  # lines
LOOK_UP_AFTER = 10.0  # seconds of silence at every door until HQ's name is looked up
RELAY_STAYS = 60.0  # seconds after it was wanted last
NO_ENTRANCE = Entrance()
HURRY, HURRY_ENDS = 1.0, 15.0  # seconds between questions at first, and for how long
SLOW, SLOW_METERED = 5.0, 60.0  # after that
BETTER = (2.0, 5.0, 15.0, 30.0)  # seconds between questions about better rungs: rarer the longer we stand
BETTER_METERED = 300.0
RELAY_PORTS = 51900  # on the box's loopback: eight for each uplink
RELAYS_EACH = 8


class Way(StrEnum):
    UDP = "udp"
    RELAY = "relay"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rung:
    way: Way
    address: str  # literal
    port: int
    number: int = 0  # its place among the relays

    @property
    def label(self) -> str:
        return f"{self.way}/{_at(self.address, self.port)}"

    @property
    def door(self) -> str:
        """Without the address: what people compare."""
        return f"{self.way}/{self.port}"


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def rungs(endpoints: Sequence[str], entrance: Entrance, found: Iterable[str] = ()) -> tuple[Rung, ...]:
    """Best first. `found` are addresses that HQ's name had lately; they come behind the pinned ones."""
    pairs = [split(x) for x in endpoints]
    pairs += [(x, pairs[0][1]) for x in found] if pairs else []
    addresses = list(dict.fromkeys(x for x, _ in pairs))
    ladder = [Rung(way=Way.UDP, address=x, port=port) for x, port in pairs]
    ladder += [Rung(way=Way.UDP, address=x, port=port) for port in entrance.ports for x in addresses]
    if entrance.relay_port:
        port = entrance.relay_port
        ladder += [
            Rung(way=Way.RELAY, address=x, port=port, number=i) for i, x in enumerate(addresses[:RELAYS_EACH])
        ]
    return tuple(dict.fromkeys(ladder))[:MOST_RUNGS]


def is_usual(rung: Rung, ladder: Sequence[Rung]) -> bool:
    """Whether the line lets the tunnel's own packets through to the port that HQ prefers."""
    return not ladder or rung.door == ladder[0].door


def ladder_of(config: Config, kind: str = "", found: Iterable[str] = ()) -> tuple[Rung, ...]:
    """The ladder that the box's papers name for a kind of line; empty before there are any."""
    joining, assignment = config.joining, config.assignment
    if joining and joining.stage is JoinStage.INVITED:
        return rungs(joining.ticket.endpoints, joining.ticket.entrance, found)
    if assignment is None:
        return ()
    own = entrances(assignment.policy, LineKind(kind), assignment.endpoints) if kind else assignment.endpoints
    return rungs(own, assignment.entrance, found if own == assignment.endpoints else ())


def entrance_of(config: Config) -> Entrance:
    joining, assignment = config.joining, config.assignment
    if joining and joining.stage is JoinStage.INVITED:
        return joining.ticket.entrance
    return assignment.entrance if assignment else Entrance()


def within_reach(ladder: Sequence[Rung], uplink: Uplink) -> tuple[Rung, ...]:
    """The rungs of this line's own address family, behind them on an IPv6 line the others by way of its NAT64; all of
    them where none is."""
    own = tuple(x for x in ladder if (":" in x.address) is uplink.six)
    prefix = uplink.lease.nat64 if uplink.lease else ""
    led = (
        [replace(x, address=through(prefix, x.address)) for x in ladder if ":" not in x.address]
        if prefix
        else []
    )
    return (*own, *led) or tuple(ladder)


# -------------------------------------------------------------------------------------- where a line stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A rung that was left because it fell silent."""

    rung: Rung
    at: float
    times: int

    def held(self, now: float) -> bool:
        return now - self.at < min(HOLD * float(2 ** min(self.times - 1, 10)), HOLD_AT_MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """`line` says which router is behind the uplink ("" = not known yet); `quiet` since when nothing answers
    (0 = it does); `tries` counts rungs taken without having been asked."""

    link: str
    line: str = ""
    rung: Rung
    since: float
    quiet: float = 0.0
    tries: int = 0
    fallen: tuple[Fallen, ...] = ()

    def moved(self, seconds: float) -> Foot:
        """The same by a clock that was set by so much."""
        return replace(
            self,
            since=self.since + seconds,
            quiet=self.quiet + seconds if self.quiet else 0.0,
            fallen=tuple(replace(x, at=x.at + seconds) for x in self.fallen),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one line now. `silent`: seconds without an answer on its rung, 0 where it answers, None where
    it does not answer since nobody knows when. `alone`: nobody can be asked with the box's own key yet."""

    line: str = ""
    silent: float | None = 0.0
    alone: bool = False
    doors: Mapping[str, DoorProbe] = field(default_factory=dict)


def stand(
    before: Foot | None, link: str, ladder: Sequence[Rung], remembered: str, seen: Seen, now: float
) -> Foot:
    """The rung for a line from now on. `remembered` is the label of what worked last at this router."""
    foot = _arrive(before, link, ladder, remembered, seen, now)
    quiet = 0.0 if seen.silent == 0.0 else foot.quiet or now if seen.silent is None else now - seen.silent
    foot = replace(foot, quiet=quiet)
    return _climb_down(foot, ladder, seen, now) if foot.quiet else _climb_up(foot, ladder, seen, now)


def _arrive(
    before: Foot | None, link: str, ladder: Sequence[Rung], remembered: str, seen: Seen, now: float
) -> Foot:
    known = next((x for x in ladder if x.label == remembered), None)
    if before is None or before.rung not in ladder:
        return Foot(link=link, line=seen.line, rung=known or ladder[0], since=now)
    if not seen.line or seen.line == before.line:
        return before
    if not before.line:  # the same line; only now its router is known
        if known and known != before.rung and seen.silent != 0.0:
            return replace(before, line=seen.line, rung=known, since=now)
        return replace(before, line=seen.line)
    return Foot(link=link, line=seen.line, rung=known or ladder[0], since=now)


def _climb_down(foot: Foot, ladder: Sequence[Rung], seen: Seen, now: float) -> Foot:
    silence, here = now - foot.quiet, now - foot.since
    if min(silence, here) < (ALONE if seen.alone else PATIENCE):
        return foot
    answering = [x for x in ladder if _answers(seen, x, 1)]
    if foot.rung in answering and silence < OPEN_BUT_SILENT:
        return foot  # the door is open: the session takes its time
    others = sorted((x for x in answering if x != foot.rung), key=lambda x: _held(foot, x, now))
    if others:
        return _step(foot, others[0], now, fell=True)
    patience = min(ALONE * (1 + foot.tries // len(ladder)), ALONE_AT_MOST)
    if (seen.alone and here > patience) or (silence > LAST_RESORT and here > ALONE_AT_MOST):
        following = ladder[(ladder.index(foot.rung) + 1) % len(ladder)]
        return replace(_step(foot, following, now, fell=False), tries=foot.tries + 1)
    return foot


def _climb_up(foot: Foot, ladder: Sequence[Rung], seen: Seen, now: float) -> Foot:
    for x in ladder[: ladder.index(foot.rung)]:
        if _answers(seen, x, CONFIRMED) and not _held(foot, x, now):
            return _step(foot, x, now, fell=False)
    return foot


def _answers(seen: Seen, rung: Rung, times: int) -> bool:
    door = seen.doors.get(rung.label)
    return door is not None and door.answered >= times and door.age < FRESH


def _held(foot: Foot, rung: Rung, now: float) -> bool:
    return any(x.rung == rung and x.held(now) for x in foot.fallen)


def _step(foot: Foot, rung: Rung, now: float, *, fell: bool) -> Foot:
    if rung == foot.rung:
        return foot
    fallen = foot.fallen
    if fell:
        last = next((x for x in fallen if x.rung == foot.rung), None)
        times = last.times + 1 if last is not None and now - last.at < 2 * HOLD_AT_MOST else 1
        others = tuple(x for x in fallen if x.rung != foot.rung)
        fallen = (*others, Fallen(rung=foot.rung, at=now, times=times))
    return replace(foot, rung=rung, since=now, quiet=0.0, fallen=fallen)


# ------------------------------------------------------------------------------------------- whom to ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question: `endpoint` is where the packet goes, which for a relay is this box's own loopback."""

    label: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLine:
    link: str
    pace: float  # seconds between two rounds of questions
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What the finder has to ask; replaced as a whole."""

    key: Secret | None = None
    hub_key: str = ""
    lines: tuple[SearchLine, ...] = ()


NOTHING = Search()


def search_line(
    foot: Foot, ladder: Sequence[Rung], doors: Mapping[str, DoorProbe], uplink: Uplink, now: float
) -> SearchLine | None:
    """Everything at once while the line is silent; better rungs now and then while it stands below the top."""
    silence = now - foot.quiet if foot.quiet else 0.0
    if silence > ASKED_AFTER and len(ladder) > 1:
        slow = SLOW_METERED if uplink.metered and not uplink.active else SLOW
        return _questions(foot.link, uplink, ladder, HURRY if silence < HURRY_ENDS else slow)
    better = tuple(ladder[: ladder.index(foot.rung)])
    if foot.quiet or not better:
        return None
    stood = now - foot.since
    pace = next((x for x in BETTER if stood < 4 * x), BETTER_METERED if uplink.metered else BETTER[-1])
    if any(x.label in doors and doors[x.label].answered and doors[x.label].age < FRESH for x in better):
        pace = HURRY
    return _questions(foot.link, uplink, better, pace)


def _questions(link: str, uplink: Uplink, ladder: Sequence[Rung], pace: float) -> SearchLine:
    asks = tuple(Ask(label=x.label, endpoint=endpoint(x, uplink)) for x in ladder)
    return SearchLine(link=link, pace=pace, asks=asks)


def endpoint(rung: Rung, uplink: Uplink) -> str:
    """Where the tunnel's packets go on this rung."""
    if rung.way is Way.UDP:
        return _at(rung.address, rung.port)
    return f"127.0.0.1:{relay_port(rung, uplink)}"


def relay_port(rung: Rung, uplink: Uplink) -> int:
    return RELAY_PORTS + RELAYS_EACH * uplink.number + rung.number


# ------------------------------------------------------------------------------------------ what worked


Memories = tuple[tuple[str, str], ...]  # line, label of the rung that worked there; the newest first


def line_of(uplink: Uplink, observed: Observed) -> str:
    """Which line this is, as far as the box can tell: its kind and its router's hardware address."""
    mac = dict(observed.routers).get(uplink.link, "")
    return f"{uplink.kind} {mac}" if mac else ""


def remember(memories: Memories, foot: Foot, ladder: Sequence[Rung], now: float) -> Memories:
    """A line where the best rung works needs no memory, unless another one is remembered."""
    if not foot.line or foot.quiet or now - foot.since < PROVEN or foot.rung not in ladder:
        return memories
    known = dict(memories).get(foot.line, "")
    if known == foot.rung.label or (not known and foot.rung == ladder[0]):
        return memories
    rest = tuple(x for x in memories if x[0] != foot.line)
    first = () if foot.rung == ladder[0] else ((foot.line, foot.rung.label),)
    return (*first, *rest)[:REMEMBERED]


# ----------------------------------------------------------------------------- what the machine has to be


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayWay:
    """Datagrams to `port` on this box's loopback leave by `device`, over TLS, for HQ's relay."""

    port: int
    device: str
    address: str
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`endpoint` is where the tunnel sends, `doors` every UDP door it may have to send to, `first` the usual one:
    what the network says of packets to it tells more than what it says of others. `relaying`: the relay runs."""

    endpoint: str
    first: str
    doors: tuple[tuple[str, int], ...]
    relays: tuple[RelayWay, ...] = ()
    relaying: bool = False
    entrance: Entrance = NO_ENTRANCE
    lookups: tuple[tuple[str, str], ...] = ()  # uplink, its name server: HQ's name is looked up there now

    def relay_file(self, run: str) -> FileContent:
        """What the relay is told."""
        told = {
            "pin": self.entrance.relay_pin,
            "name": self.entrance.relay_name,
            "ways": [
                {"port": x.port, "device": x.device, "address": x.address, "to": x.to} for x in self.relays
            ],
        }
        return FileContent(path=f"{run}/relay.json", content=json.dumps(told))


def standing(
    ladders: Mapping[str, Sequence[Rung]],
    usual: Sequence[Rung],
    foot: Foot | None = None,
    uplinks: Mapping[str, Uplink] = MappingProxyType({}),
    entrance: Entrance = NO_ENTRANCE,
    *,
    relaying: bool = False,
    lookups: tuple[tuple[str, str], ...] = (),
) -> Standing | None:
    """`ladders`: of each line; `usual`: where nothing is known of a line; `foot`: of the line in use."""
    own = ladders.get(foot.link, ()) if foot else ()
    every = tuple(dict.fromkeys((*own, *(x for y in ladders.values() for x in y), *usual)))
    if not every:
        return None
    first = _at(every[0].address, every[0].port)
    return Standing(
        endpoint=endpoint(foot.rung, uplinks[foot.link]) if foot else first,
        first=first,
        doors=tuple((x.address, x.port) for x in every if x.way is Way.UDP),
        relays=tuple(
            RelayWay(port=relay_port(x, uplinks[link]), device=link, address=x.address, to=x.port)
            for link, ladder in ladders.items()
            for x in ladder
            if x.way is Way.RELAY
        ),
        relaying=relaying,
        entrance=entrance,
        lookups=lookups,
    )


def wants_relay(feet: Iterable[Foot], ladders: Mapping[str, Sequence[Rung]], now: float) -> bool:
    """Whether a line stands there, or is silent and asks everywhere. It costs a process, so only then."""
    return any(
        x.rung.way is Way.RELAY
        or (
            x.quiet > 0
            and now - x.quiet > ASKED_AFTER
            and any(y.way is Way.RELAY for y in ladders.get(x.link, ()))
        )
        for x in feet
    )
