"""Phase → the whole nft ruleset of a namespace. Every base chain drops; each ruleset is safe by itself and is
loaded in one transaction. docs/security.md says in words what each phase lets through."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.core.model import OPEN_PHASES, Phase, Protocol

TABLE = "inet noroshi"
MARK = 0x4E52  # "NR": the tunnel's own UDP packets carry it
SCOUT_MARK = 0x4E53  # and the scout's this: they are bound to one uplink and never copied
PLACED_MARK = 0x4E54  # a packet of the tunnel whose line was decided (steer.py)
WEB_PORT = 80
INTAKE_PORT = 8470
REJECT = "reject with icmpx type admin-prohibited"

Pinhole = tuple[str, Protocol, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A laptop: its hardware address together with its address on the LAN, and what it reaches."""

    mac: str
    address: str
    pinholes: Sequence[Pinhole]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """What the field namespace's ruleset depends on."""

    phase: Phase
    lan: str = "lan0"
    tunnel: str = "wg0"
    box_addresses: tuple[str, ...] = ()  # the box's own addresses on the LAN
    lan_network: str = ""  # HQ's prefix; laptops with other addresses pass nothing
    hub_address: str = ""
    pinholes: Sequence[Pinhole] = ()  # what is open at all
    seats: Sequence[Seat] = ()
    any_laptop: bool = False  # HQ's emergency: whoever is on the LAN reaches what is open
    dns: tuple[str, ...] = ()
    courier_uid: int = 0
    segment: int = 0  # the largest of TCP that the line in use carries; 0: as the tunnel's route says


def boot() -> str:
    """Before the daemon knows anything, and whenever nothing else is loaded: nothing passes, nothing answers."""
    return _table(
        [
            _chain("input", ['iifname "lo" accept', "udp sport 67 udp dport 68 accept", *_NEIGHBOURS]),
            _chain("forward", []),
            _chain("output", ['oifname "lo" accept', "udp sport 68 udp dport 67 accept", *_NEIGHBOURS]),
        ]
    )


_NEIGHBOURS = ("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",)


def field(rules: FieldRules) -> str:
    """The field office's world: the LAN side, the tunnel, and between them named desktops only."""
    return _table([_field_input(rules), _field_forward(rules), _field_output(rules)])


def outside(uplinks: Iterable[str], hub_endpoints: Iterable[tuple[str, int]]) -> str:
    """The machine's own namespace: DHCP, and the tunnel's marked packets to HQ. It never forwards.

    The tunnel's packets go untracked, so what comes from HQ's very address and port is its answer; nothing but the
    tunnel and the scout has a UDP socket here, and both believe nobody without a key."""
    ways = _set(f'"{x}"' for x in uplinks)
    ports: dict[str, set[int]] = {}
    for address, port in hub_endpoints:
        ports.setdefault(_literal(address), set()).add(int(port))
    to_hub = [
        f"oifname {ways} {_family(address)} daddr {address} "
        f"udp dport {_set(str(x) for x in sorted(numbers))} accept"
        for address, numbers in sorted(ports.items())
        if ways != "{  }"
    ]
    from_hub = [
        f"iifname {ways} {_family(address)} saddr {address} udp sport {_set(str(x) for x in sorted(numbers))}"
        for address, numbers in sorted(ports.items())
        if ways != "{  }"
    ]
    answers = [f"{x} udp dport 1024-65535 accept" for x in from_hub]
    # Errors about untracked packets are nobody's "related"; the kernel itself asks which socket sent the packet.
    errors = (
        [f"iifname {ways} icmp type destination-unreachable limit rate 10/second accept"] if from_hub else []
    )
    return _table(
        [
            _chain(
                "input",
                [
                    *answers,
                    "ct state established,related accept",
                    'iifname "lo" accept',
                    "udp sport 67 udp dport 68 accept",
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    *errors,
                ],
            ),
            _chain("forward", []),
            _chain(
                "output",
                [
                    # First what every packet of a desktop's picture meets: each rule before it costs throughput.
                    *(f"meta mark {MARK:#x} {x}" for x in to_hub),
                    'oifname "lo" accept',
                    "udp sport 68 udp dport 67 accept",
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    *(f"meta mark {mark:#x} {x}" for mark in (PLACED_MARK, SCOUT_MARK) for x in to_hub),
                ],
            ),
            _untracked("outer-in", "prerouting", from_hub),
            _untracked("outer-out", "output", [f"meta mark {x:#x}" for x in (MARK, PLACED_MARK, SCOUT_MARK)]),
        ]
    )


def hub(
    *,
    tunnel: str,
    listen_port: int,
    hub_address: str,
    staff_address: str,
    staff_port: int,
    openings: Sequence[tuple[Sequence[str], Sequence[Pinhole]]],
) -> str:
    """HQ's side of the same wall: a box with a running mission reaches named desktops, and nothing else.
    `openings`: LAN prefixes and tunnel addresses of such boxes, and what they may reach."""
    forward = []
    for open_sources, pinholes in openings:
        if not (open_sources and pinholes):
            continue
        sources = _set(_literal(x) for x in sorted(open_sources))
        forward += [
            f'iifname "{tunnel}" oifname != "{tunnel}" {match} ip saddr {sources} accept'
            for match in _towards(pinholes)
        ]
        forward += [
            f'iifname != "{tunnel}" oifname "{tunnel}" ct state established {match} accept'
            for match in _back(pinholes)
        ]
    if forward:
        forward.append(f'oifname "{tunnel}" ct state related accept')
    forward += [f'iifname "{tunnel}" {REJECT}']
    received = [
        'iifname "lo" accept',
        f'iifname "{tunnel}" ip daddr {hub_address} tcp dport {INTAKE_PORT} accept',
        f'iifname "{tunnel}" ip daddr {hub_address} icmp type echo-request accept',
        f'iifname "{tunnel}" ct state established,related accept',
        f'iifname "{tunnel}" {REJECT}',
        f'iifname != {{ "{tunnel}", "lo" }} tcp dport {INTAKE_PORT} drop',
    ]
    if staff_address:  # the staff's pages are reached from inside HQ, never through another socket
        received.append(f"ip daddr {staff_address} tcp dport {staff_port} fib daddr . iif type != local drop")
    return _table(
        [
            _chain("input", received, policy="accept"),
            _chain("forward", [_CLAMP, *forward]),
            _chain("output", [], policy="accept"),
            _untracked("outer-in", "prerouting", [f'iifname != "{tunnel}" udp dport {listen_port}']),
            _untracked("outer-out", "output", [f'oifname != "{tunnel}" udp sport {listen_port}']),
        ]
    )


_CLAMP = "tcp flags syn / syn,rst tcp option maxseg size set rt mtu"


def _field_input(r: FieldRules) -> str:
    own = _set([*map(_literal, r.box_addresses), "255.255.255.255"])
    return _chain(
        "input",
        [
            'iifname "lo" accept',
            f'iifname "{r.lan}" udp sport 68 udp dport 67 accept',
            # Anything else from the LAN must be meant for the LAN's own address: a probe for the tunnel's
            # address stays unanswered (CVE-2019-14899).
            f'iifname "{r.lan}" ip daddr != {own} drop',
            "ct state invalid drop",
            "ct state established,related accept",
            f'iifname "{r.lan}" udp dport 53 accept',
            f'iifname "{r.lan}" tcp dport {{ 53, {WEB_PORT} }} accept',
            f'iifname "{r.lan}" icmp type echo-request limit rate 20/second accept',
            *(
                [f'iifname "{r.tunnel}" ip saddr {_literal(r.hub_address)} icmp type echo-request accept']
                if r.hub_address
                else []
            ),
            f'iifname "{r.lan}" {REJECT}',
        ],
    )


def _field_forward(r: FieldRules) -> str:
    rules = []
    if r.phase in OPEN_PHASES and r.pinholes and r.lan_network:
        # No rule says "established" towards HQ: a desktop that is taken away closes for running sessions, too.
        inward = f'iifname "{r.lan}" oifname "{r.tunnel}" ip saddr {_literal(r.lan_network)}'
        outward = f'iifname "{r.tunnel}" oifname "{r.lan}" ct state established'
        if r.any_laptop:
            rules += [f"{inward} {match} accept" for match in _towards(r.pinholes)]
            rules += [f"{outward} {match} accept" for match in _back(r.pinholes)]
        else:
            shared = _shared(r.seats)
            for seats, holes in shared:
                pairs = _set(f"{_mac(x.mac)} . {_literal(x.address)}" for x in seats)
                rules += [
                    f"{inward} {match} ether saddr . ip saddr {pairs} accept" for match in _towards(holes)
                ]
            for seats, holes in shared:
                laptops = _set(_literal(x.address) for x in seats)
                rules += [f"{outward} {match} ip daddr {laptops} accept" for match in _back(holes)]
        rules.append(f'iifname "{r.tunnel}" oifname "{r.lan}" ct state related accept')
    else:
        # A session that failover may yet save is dropped in silence; a rejection would end it.
        rules.append("ct state established drop")
    rules += [f'iifname "{r.lan}" {REJECT}']
    # A route's size counts towards the tunnel only; the answer to it is what the laptop's own segments go by.
    clamp = f"tcp flags syn / syn,rst tcp option maxseg size set {r.segment}" if r.segment else _CLAMP
    return _chain("forward", [clamp, *rules])


def _field_output(r: FieldRules) -> str:
    rules = [
        'oifname "lo" accept',
        f'oifname "{r.lan}" udp sport 67 udp dport 68 accept',
        f'oifname "{r.lan}" ct state established,related accept',
        f'oifname "{r.lan}" icmp type {{ echo-request, destination-unreachable, time-exceeded }} accept',
    ]
    if r.hub_address:
        to_hub = f'oifname "{r.tunnel}" ip daddr {_literal(r.hub_address)}'
        rules += [
            f"{to_hub} icmp type {{ echo-request, echo-reply }} accept",
            f"{to_hub} meta skuid {r.courier_uid} tcp dport {INTAKE_PORT} accept",
        ]
    if r.phase in OPEN_PHASES:
        rules += [f'oifname "{r.tunnel}" meta skuid 0 {match} accept' for match in _towards(r.pinholes)]
        rules += [f'oifname "{r.tunnel}" ip daddr {_literal(x)} udp dport 53 accept' for x in r.dns]
    rules += [REJECT]
    return _chain("output", rules)


def _shared(seats: Sequence[Seat]) -> list[tuple[tuple[Seat, ...], tuple[Pinhole, ...]]]:
    """Seats that reach the same pinholes share their rules."""
    who: dict[Pinhole, list[Seat]] = {}
    for seat in sorted(seats, key=lambda x: (x.mac, x.address)):
        for hole in seat.pinholes:
            who.setdefault(hole, []).append(seat)
    groups: dict[tuple[tuple[str, str], ...], tuple[tuple[Seat, ...], list[Pinhole]]] = {}
    for hole, found in sorted(who.items()):
        key = tuple((x.mac, x.address) for x in found)
        groups.setdefault(key, (tuple(found), []))[1].append(hole)
    return [(x, tuple(holes)) for x, holes in groups.values()]


def _towards(pinholes: Sequence[Pinhole]) -> list[str]:
    return [f"ip daddr {host} {proto} dport {ports}" for host, proto, ports in _grouped(pinholes)]


def _back(pinholes: Sequence[Pinhole]) -> list[str]:
    return [f"ip saddr {host} {proto} sport {ports}" for host, proto, ports in _grouped(pinholes)]


def _grouped(pinholes: Sequence[Pinhole]) -> list[tuple[str, str, str]]:
    groups: dict[tuple[str, str], set[int]] = {}
    for host, protocol, port in pinholes:
        groups.setdefault((_literal(host), protocol.value), set()).add(int(port))
    return [(h, p, _set(str(x) for x in sorted(ports))) for (h, p), ports in sorted(groups.items())]


def _literal(address: str) -> str:
    """The last wall before nft reads it: raises ValueError for anything but one address or one network."""
    text = str(ipaddress.ip_network(address))
    return address if "/" in address else text.partition("/")[0]


def _mac(text: str) -> str:
    """The same wall for hardware addresses."""
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise ValueError(text[:60])
    return text


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _set(values: Iterable[str]) -> str:
    return "{ " + ", ".join(values) + " }"


def _chain(hook: str, rules: Iterable[str], policy: str = "drop") -> str:
    lines = [f"  chain {hook} {{", f"    type filter hook {hook} priority 0; policy {policy};"]
    return "\n".join([*lines, *(f"    {x}" for x in rules), "  }"])


def _untracked(name: str, hook: str, matches: Iterable[str]) -> str:
    """The tunnel's outer packets need no connection tracking: WireGuard itself knows its peers. It costs a
    tenth of the throughput."""
    lines = [f"  chain {name} {{", f"    type filter hook {hook} priority raw; policy accept;"]
    return "\n".join([*lines, *(f"    {x} notrack" for x in matches), "  }"])


def _table(parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}\n}}\n"
