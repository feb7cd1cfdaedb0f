"""Which uplink carries the tunnel. Links, leases and what was measured in, ranked uplinks and one choice out.

Two steps. Suspected (the tunnel's own echoes stay away): the tunnel's packets also go out on the best spare, and the
scout asks on every uplink. Confirmed (the scout gets no answer here, and one there): the spare becomes the active one.
A line that was left is not taken back before it was good for a while.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.core.lease import Lease
from appliance.core.machine import HubProbe, LineProbe, LineState, Link, Machine, Observed, Tunnel, Uplink
from appliance.core.model import Config, LineWishes, Policy, Secret
from appliance.core.modem import Way

TUNNEL_TABLE = 5000  # the table that the tunnel's mark looks up
FIRST_UPLINK_TABLE = 5001
SPARE_METRIC = 100  # of the spares' routes in the tunnel's table, for packets bound to their link
SILENCE_BEFORE_SWITCH = 4.0  # seconds without an answer inside the tunnel, whatever the scout says
CLEARED_AFTER = 2.0  # seconds of the scout's answers until a suspicion is over
CLEARED_BY = 10  # of them
RECLAIM_AFTER = 30.0  # seconds that the better line must have been good, and this one in use
HOLD_DOWN, HOLD_DOWN_AT_MOST = (
    60.0,
    600.0,
)  # seconds that a line just left is not taken back; doubled each time
SLOW = 0.5  # seconds of round trip beyond which a line is only better than none

_KINDS = (
    ("ww", "lte"),
    ("usb", "usb"),
    ("enx", "usb"),
    ("wl", "wifi"),
    ("eth", "ethernet"),
    ("en", "ethernet"),
)
_TROUBLE = frozenset({LineState.SUSPECTED, LineState.LOSING, LineState.LOST})
_FAILED = frozenset({LineState.LOSING, LineState.LOST})
_WORTH = {
    LineState.GOOD: 0,
    LineState.UNKNOWN: 1,
    LineState.SUSPECTED: 1,
    LineState.LOSING: 2,
    LineState.LOST: 3,
}
_NOTHING = LineProbe(link="", state=LineState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A line that was left because it failed."""

    link: str
    at: float
    times: int

    def held(self, now: float) -> bool:
        return now - self.at < min(HOLD_DOWN * float(2 ** (self.times - 1)), HOLD_DOWN_AT_MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The uplink in use and since when; `turns` counts switches and hub endpoints tried. `suspected` is when the
    doubt about it began (0 = none), `double` the spare that carries copies."""

    link: str = ""
    since: float = 0.0
    turns: int = 0
    double: str = ""
    suspected: float = 0.0
    left: tuple[Left, ...] = ()
    eager: bool = False  # somebody just wished for another order: it counts at once

    def moved(self, seconds: float) -> Choice:
        """The same choice by a clock that was set by so much."""
        return replace(
            self,
            since=self.since + seconds,
            suspected=self.suspected + seconds if self.suspected else 0.0,
            left=tuple(replace(x, at=x.at + seconds) for x in self.left),
        )


def kind_of(link: str) -> str:
    return next((kind for prefix, kind in _KINDS if link.startswith(prefix)), "ethernet")


NO_WISHES, NO_POLICY = LineWishes(), Policy()


def uplinks_of(
    machine: Machine, observed: Observed, wishes: LineWishes = NO_WISHES, policy: Policy = NO_POLICY
) -> tuple[Uplink, ...]:
    """Every uplink socket of this machine in its order of rank, present or not: what people on site wish, then HQ's
    order of kinds, then the machine's own."""
    # Of two leases on one line IPv4's counts.
    leases = {x.link: x for x in sorted(observed.leases, key=lambda x: ":" not in x.address)}
    bearers = {x.bearer.link: x.bearer for x in observed.mobile.modems if x.bearer}
    found = []
    for index, name in enumerate(machine.uplinks):
        link = observed.link(machine.outside, name)
        carrier = link is not None and link.up and link.carrier
        kind, bearer = _kind(name, link), bearers.get(name)
        modem = link is not None and link.modem
        found.append(
            Uplink(
                link=name,
                kind="closed" if name in machine.closed else kind,
                carrier=carrier,
                drops=link.drops if link is not None else 0,
                ssid=link.ssid if link is not None else "",
                lease=leases.get(name) if carrier else None,
                table=FIRST_UPLINK_TABLE + index,
                metered=_in_need(name, kind, machine, wishes, policy),
                number=index,
                dialled=bearer is not None or not modem,
                asks=bearer.way is Way.DHCP if bearer is not None else not modem,
            )
        )
    ranks = {x.value: n for n, x in enumerate(policy.prefer)}
    return tuple(sorted(found, key=lambda x: (x.link != wishes.first, ranks.get(x.kind, len(ranks)))))


def _kind(name: str, link: Link | None) -> str:
    if link is not None and link.modem:
        return "lte"
    return "usb" if link is not None and link.plugged and not link.wireless else kind_of(name)


def _in_need(link: str, kind: str, machine: Machine, wishes: LineWishes, policy: Policy) -> bool:
    """Whether a line is used only where no other one works."""
    if link in wishes.in_need or link in wishes.freely:
        return link in wishes.in_need
    return link in machine.metered or kind in policy.in_need


def choose(
    uplinks: tuple[Uplink, ...],
    before: Choice,
    hub: HubProbe,
    lines: Sequence[LineProbe],
    silence: float,
    now: float,
    *,
    both: bool = False,
) -> Choice:
    """The uplink for the tunnel from now on. `silence` is how long the hub has not answered, in seconds. `both`: HQ
    wants everything to leave by two lines; lines that are used only in need are spared that."""
    usable = [x for x in uplinks if x.usable]
    if not usable:
        return replace(before, link="", double="", suspected=0.0, since=now) if before.link else before
    known = {x.link: x for x in lines}
    ranked = [x.link for x in _ranked(usable, known, before, now)]
    if before.link not in ranked:
        return _move(before, ranked[0], now, failed=bool(before.link))
    spares = [x for x in ranked if x != before.link]
    if silence > SILENCE_BEFORE_SWITCH and now - before.since > SILENCE_BEFORE_SWITCH:
        return _move(before, spares[0] if spares else before.link, now, failed=True)
    if not spares:
        return replace(before, double="", suspected=0.0)
    # The tunnel's echoes say nothing of the active line while copies come through: the scout's word counts, too.
    failing = both and known.get(before.link, _NOTHING).state in _FAILED
    if before.suspected or hub.state in _TROUBLE or failing:
        return _doubt(before, hub, known, spares[0], now)
    better = _better(usable, before, known, now)
    if better and hub.state is LineState.GOOD:
        return _move(before, better, now, failed=False)
    return replace(before, double=_second(usable, known, spares[0]) if both else "")


def _second(usable: Sequence[Uplink], known: Mapping[str, LineProbe], spare: str) -> str:
    """The line that carries copies without any doubt."""
    found = next(x for x in usable if x.link == spare)
    lost = known.get(spare, _NOTHING).state is LineState.LOST
    return "" if found.metered or lost else spare


def _doubt(before: Choice, hub: HubProbe, known: Mapping[str, LineProbe], spare: str, now: float) -> Choice:
    """The active line is suspected. Its echoes say nothing while copies go out elsewhere: the scout decides."""
    here, there = known.get(before.link, _NOTHING), known.get(spare, _NOTHING)
    since = before.suspected or now
    if here.state in _FAILED and there.state is LineState.GOOD:
        return _move(before, spare, now, failed=True)
    scouted = here.state is LineState.GOOD and here.answered >= CLEARED_BY
    quiet = here.state is LineState.UNKNOWN  # there is no scout: the echoes have the last word
    if now - since > CLEARED_AFTER and hub.state is LineState.GOOD and (scouted or quiet):
        return replace(before, double="", suspected=0.0)
    return replace(before, suspected=since, double="" if there.state is LineState.LOST else spare)


def _move(before: Choice, link: str, now: float, *, failed: bool) -> Choice:
    """`failed`: the line that is left shall not be taken back soon."""
    left = before.left
    if failed and before.link != link:
        last = next((x for x in left if x.link == before.link), None)
        again = last.times if last is not None and now - last.at < 2 * HOLD_DOWN_AT_MOST else 0
        others = tuple(x for x in left if x.link != before.link)
        left = (*others, Left(link=before.link, at=now, times=again + 1))
    return Choice(link=link, since=now, turns=before.turns + failed, left=left)


def _ranked(
    usable: Sequence[Uplink], known: Mapping[str, LineProbe], before: Choice, now: float
) -> list[Uplink]:
    """Best first: what is measured, then what it costs, then the machine's own order."""
    held = {x.link for x in before.left if x.held(now)}

    def order(x: Uplink) -> tuple[int, int, bool, bool, bool]:
        line = known.get(x.link, _NOTHING)
        return _WORTH[line.state], len(x.lacks), line.round_trip > SLOW, x.metered, x.link in held

    return sorted(usable, key=order)


def _better(usable: Sequence[Uplink], before: Choice, known: Mapping[str, LineProbe], now: float) -> str:
    """A line to go back to: preferred to the one in use, and good for a while. "" where there is none."""
    while_good = 0.0 if before.eager else RECLAIM_AFTER
    if now - before.since < while_good:
        return ""
    held = {x.link for x in before.left if x.held(now) and not before.eager}
    for x in sorted(usable, key=lambda x: (len(x.lacks), x.metered)):
        if x.link == before.link:
            return ""
        line = known.get(x.link, _NOTHING)
        good = line.state is LineState.GOOD and line.good_for >= while_good and line.round_trip <= SLOW
        if good and x.link not in held:
            return x.link
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two questions. An echo is 108 bytes each way on an uplink, a hello 176 and 120."""

    echo: float
    spare: float
    metered_spare: float


def pace_of(*, in_use: bool, metered: bool) -> Pace:
    """`metered`: the active line is. Nobody waits for an unused box, and every byte of such a line is paid for."""
    if in_use:
        return Pace(echo=0.2 if metered else 0.1, spare=2.0, metered_spare=20.0)
    return Pace(echo=2.0 if metered else 1.0, spare=5.0, metered_spare=60.0)


def pace_for(uplinks: Sequence[Uplink], *, in_use: bool) -> Pace:
    return pace_of(in_use=in_use, metered=any(x.active and x.metered for x in uplinks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What to ask; replaced as a whole by the daemon. `ways`: uplink → seconds between hellos, 0 for none."""

    key: Secret | None = None
    hub_key: str = ""
    endpoint: str = ""
    ways: tuple[tuple[str, float], ...] = ()
    active: str = ""
    haste: bool = False
    endpoints: tuple[tuple[str, str], ...] = ()  # uplink → HQ's door there, where it is not `endpoint`


def lines_to_ask(
    config: Config,
    tunnel: Tunnel | None,
    uplinks: Sequence[Uplink],
    choice: Choice,
    pace: Pace,
    endpoints: tuple[tuple[str, str], ...] = (),
) -> Lines | None:
    """What the scout has to ask: nothing before the box has its own key at HQ, nor where there is no choice."""
    keys, assignment = config.keys, config.assignment
    if keys is None or assignment is None or tunnel is None or not tunnel.peers:
        return None
    if tunnel.public_key != keys.tunnel_public:
        return None
    both = any(x.doubled for x in uplinks)  # then the tunnel's own echoes do not tell of the active line
    ways = tuple(
        (x.link, 0.0 if x.active and not both else pace.metered_spare if x.metered else pace.spare)
        for x in uplinks
        if x.usable
    )
    return Lines(
        key=keys.tunnel_private,
        hub_key=assignment.hub_key,
        endpoint=tunnel.peers[0].endpoint,
        ways=ways if len(ways) > 1 else (),
        active=choice.link,
        haste=bool(choice.suspected),
        endpoints=endpoints,
    )


def mark_active(uplinks: tuple[Uplink, ...], choice: Choice) -> tuple[Uplink, ...]:
    """Copies never leave on a line that may carry less than the one in use."""
    lacks = next((x.lacks for x in uplinks if x.link == choice.link), frozenset())
    return tuple(
        replace(
            x,
            active=x.link == choice.link and x.usable,
            doubled=x.link == choice.double and x.usable and x.lacks <= lacks,
        )
        for x in uplinks
    )


# ------------------------------------------------------------------------- what a mobile router may say

_INTERFACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}")
MAX_LEASE_SECONDS = 7 * 86400


def read_lease(environment: Mapping[str, object], now: float) -> Lease | None:
    """udhcpc's environment → a lease, or None where anything in it is not what RFC 2131 lets a server say.
    Only the address, the first router and the name servers are read: routes (options 33, 121) never are."""
    link, address = str(environment.get("interface", "")), str(environment.get("ip", ""))
    if not _INTERFACE.fullmatch(link):
        return None
    prefix = str(environment.get("mask", "") or "24")
    gateway = str(environment.get("router", "")).split(" ")[0]
    try:
        interface = ipaddress.IPv4Interface(f"{address}/{prefix}")
        router = ipaddress.IPv4Address(gateway)
    except ValueError:
        return None
    if (
        not 1 <= interface.network.prefixlen <= 30
        or router not in interface.network
        or router == interface.ip
        or interface.ip in (interface.network.network_address, interface.network.broadcast_address)
    ):
        return None
    if _unusable(interface.ip) or _unusable(router):
        return None
    seconds = str(environment.get("lease", "0"))
    return Lease(
        link=link,
        address=str(interface),
        gateway=str(router),
        dns=tuple(x for x in str(environment.get("dns", "")).split(" ")[:3] if _is_ipv4(x)),
        portal=_names_portal(str(environment.get("opt114", ""))),
        obtained=now,
        seconds=min(int(seconds), MAX_LEASE_SECONDS) if re.fullmatch(r"[0-9]{1,10}", seconds) else 0,
    )


def _names_portal(option: str) -> bool:
    """DHCP option 114 as udhcpc hands it on, in hex: the address of a sign-in page (RFC 8910). What it names is
    never opened; that it is there is a hint. `urn:…unrestricted` says that there is none."""
    try:
        return bytes.fromhex(option[:512]).startswith((b"http://", b"https://"))
    except ValueError:
        return False


def _unusable(address: ipaddress.IPv4Address) -> bool:
    here = int(address) >> 24 == 0  # 0.0.0.0/8, "this network" (RFC 791)
    return here or address.is_loopback or address.is_multicast or address.is_reserved


def _is_ipv4(text: str) -> bool:
    try:
        return not _unusable(ipaddress.IPv4Address(text))
    except ValueError:
        return False
