"""Phase → the whole nft ruleset of a namespace. Every base chain drops; each ruleset is safe by itself and is
loaded in one transaction. docs/security.md says in words what each phase lets through."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.core.machine import Hole
from appliance.core.model import OPEN_PHASES, Phase, Protocol

TABLE = "inet noroshi"
MARK = 0x4E52  # "NR": the tunnel's own UDP packets carry it
SCOUT_MARK = 0x4E53  # and the scout's this: they are bound to one uplink and never copied
PLACED_MARK = 0x4E54  # a packet of the tunnel whose line was decided (steer.py)
LOOKUP_MARK = 0x4E55  # questions to a line's own name server: HQ's name, the NAT64's prefix
CHECK_MARK = 0x4E56  # HQ's check of a line, outside the tunnel
SIGN_IN_MARK = 0x4E57  # one phone on its way to a line's sign-in page
SIGN_IN_PORT, SIGN_IN_DNS_PORT = 8480, 8453  # where the relay waits for it in the field namespace
SIGN_IN_LASTS = "10m"  # the rules close by themselves, whoever has died
CHECK_PORT = 80
WEB_PORT = 80
INTAKE_PORT = 8470
_DOOR_SET = "timeout 5m; size 65535;"
_SMALL = 256  # octets: handshakes, keepalives and pings in the tunnel's UDP (WireGuard's whitepaper, 5.4)
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
    hole: Hole | None = None
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
    chains = [_field_input(rules), _field_forward(rules), _field_output(rules)]
    return _table([*_sign_in(rules, rules.hole), *chains] if rules.hole else chains)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRules:
    """The relay's way out: TCP to HQ for one user, and on loopback from the tunnel and the scout alone."""

    uid: int
    far: Sequence[tuple[str, int]]  # HQ's addresses and TCP port
    mouths: Sequence[int]  # UDP ports on loopback


def _sign_in(r: FieldRules, hole: Hole) -> list[str]:
    """One phone, by hardware address and seat: its packets to the web and its name questions go to the relay."""
    own = _set(map(_literal, r.box_addresses))
    phone = f'iifname "{r.lan}" ether saddr . ip saddr @sign-in'
    to_relay = f"dnat ip to {_literal(r.box_addresses[0])}"
    return [
        "  set sign-in {",
        "    type ether_addr . ipv4_addr; flags timeout;",
        f"    elements = {{ {_mac(hole.mac)} . {_literal(hole.address)} timeout {SIGN_IN_LASTS} }}",
        "  }",
        "  chain sign-in {",
        "    type nat hook prerouting priority dstnat; policy accept;",
        f"    {phone} ip daddr != {own} tcp dport {{ 80, 443 }} {to_relay}:{SIGN_IN_PORT}",
        f"    {phone} udp dport 53 {to_relay}:{SIGN_IN_DNS_PORT}",
        "  }",
    ]


def portal_ways(check: tuple[str, str] | None, hole: Hole | None) -> tuple[str, ...]:
    """For `outside`: what may leave besides the tunnel's packets. `check`: the line that is asked, HQ's address."""
    found = []
    if check:
        link, address = check
        found.append(
            f'meta mark {CHECK_MARK:#x} oifname "{link}" ip daddr {_literal(address)} tcp dport {CHECK_PORT} accept'
        )
    if hole:
        way = f'meta mark {SIGN_IN_MARK:#x} oifname "{hole.link}" oifname @sign-in'
        found.append(f"{way} tcp dport {{ 80, 443 }} accept")
        if hole.dns:
            found.append(f"{way} ip daddr {_set(map(_literal, hole.dns))} udp dport 53 accept")
    return tuple(found)


def outside(
    uplinks: Iterable[str],
    hub_endpoints: Iterable[tuple[str, int]],
    relay: RelayRules | None = None,
    lookups: Iterable[tuple[str, str]] = (),
    check: tuple[str, str] | None = None,
    hole: Hole | None = None,
) -> str:
    """The machine's own namespace: DHCP, and the tunnel's marked packets to HQ. It never forwards.

    The tunnel's packets go untracked, so what comes from HQ's very address and port is its answer; nothing but the
    tunnel and the scout has a UDP socket here, and both believe nobody without a key."""
    uplinks = list(uplinks)
    links = [f'"{x}"' for x in uplinks]
    ways = _set(links) if links else ""
    ports: dict[str, set[int]] = {}
    for address, port in hub_endpoints:
        ports.setdefault(_literal(address), set()).add(int(port))
    numbered = [(x, _set(map(str, sorted(numbers)))) for x, numbers in sorted(ports.items())] if ways else []
    to_hub = [
        f"{_family(x)} daddr {x} udp dport {port} oifname {ways} notrack accept" for x, port in numbered
    ]
    # Errors about untracked packets are nobody's "related"; the kernel itself asks which socket sent the packet.
    errors = [
        f"iifname {ways} icmp type destination-unreachable limit rate 10/second accept",
        f"iifname {ways} icmpv6 type {{ destination-unreachable, packet-too-big }} limit rate 10/second accept",
    ]
    # Only who is on the very link can send with a hop limit of 255 (RFC 4861).
    routers = [
        f"iifname {ways} icmpv6 type nd-router-advert ip6 hoplimit 255 ip6 saddr fe80::/10 "
        "limit rate 10/second accept"
    ]
    timed = (
        [
            f'  set sign-in {{ type ifname; flags timeout; elements = {{ "{hole.link}" timeout {SIGN_IN_LASTS} }}; }}'
        ]
        if hole
        else []
    )
    return _table(
        [
            *timed,
            _chain(
                "input",
                [
                    f"ct state untracked iifname {ways} udp dport 1024-65535 accept" if numbered else "",
                    "ct state established,related accept",
                    'iifname "lo" accept',
                    "udp sport 67 udp dport 68 accept",
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    *(routers if ways else []),
                    *(errors if numbered else []),
                ],
            ),
            _chain("forward", []),
            _chain(
                "output",
                [
                    # First what every packet of a desktop's picture meets: each rule before it costs throughput.
                    *(f"meta mark {MARK:#x} {x}" for x in to_hub),
                    *(_to_mouths(relay) if relay else []),
                    'oifname "lo" accept',
                    "udp sport 68 udp dport 67 accept",
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    *([f"oifname {ways} icmpv6 type nd-router-solicit accept"] if ways else []),
                    *(f"meta mark {mark:#x} {x}" for mark in (PLACED_MARK, SCOUT_MARK) for x in to_hub),
                    *(_from_relay(ways, relay) if relay and uplinks else []),
                    *(
                        f'meta mark {LOOKUP_MARK:#x} oifname "{link}" {_family(x)} daddr {_literal(x)} udp dport 53 accept'
                        for link, x in sorted(set(lookups))
                        if link in uplinks
                    ),
                    *portal_ways(check, hole),
                ],
                priority="raw",  # before connection tracking, which the tunnel's packets pass by
            ),
            _untracked(
                "outer-in", "prerouting", [f"udp sport {port} {_family(x)} saddr {x}" for x, port in numbered]
            ),
        ]
    )


def _to_mouths(relay: RelayRules) -> list[str]:
    mouths = _set(str(int(x)) for x in sorted(relay.mouths))
    return [f'oifname "lo" udp dport {mouths} meta mark != {{ {MARK:#x}, {SCOUT_MARK:#x} }} drop']


def _from_relay(ways: str, relay: RelayRules) -> list[str]:
    return [
        f"meta skuid {int(relay.uid)} oifname {ways} {_family(address)} daddr {_literal(address)} "
        f"tcp dport {int(port)} accept"
        for address, port in sorted(set(relay.far))
    ]


def hub(
    *,
    tunnel: str,
    listen_port: int,
    further_ports: Sequence[int] = (),
    relay: tuple[int, int] | None = None,
    hub_address: str,
    staff_address: str,
    staff_port: int,
    openings: Sequence[tuple[Sequence[str], Sequence[Pinhole]]],
) -> str:
    """HQ's side of the same wall: a box with a running mission reaches named desktops, and nothing else.
    `openings`: LAN prefixes and tunnel addresses of such boxes, and what they may reach."""
    forward = []
    for sources, pinholes in _by_sources(openings):
        inward = f'iifname "{tunnel}" oifname != "{tunnel}" {_towards(pinholes)}'
        forward.append(f"{inward} ip saddr {_set(map(_literal, sources))} accept")
    if forward:
        every = {x for sources, pinholes in openings if sources for x in pinholes}
        back = f'oifname "{tunnel}" iifname != "{tunnel}" ct state'
        forward += [f"{back} established {_back(every)} accept", f"{back} related accept"]
    forward += [f'iifname "{tunnel}" {REJECT}']
    received = [
        "ct state untracked meta l4proto udp accept",  # the tunnel's outer packets, below
        'iifname "lo" accept',
        f'iifname "{tunnel}" ip daddr {hub_address} tcp dport {INTAKE_PORT} accept',
        f'iifname "{tunnel}" ip daddr {hub_address} icmp type {{ echo-request, timestamp-request }} accept',
        f'iifname "{tunnel}" ct state established,related accept',
        f'iifname "{tunnel}" {REJECT}',
        f'iifname != {{ "{tunnel}", "lo" }} tcp dport {INTAKE_PORT} drop',
    ]
    if relay:  # by its door only
        received.append(f"tcp dport {relay[1]} ct original proto-dst != {relay[0]} drop")
    received += _staff_only(staff_address, staff_port)
    return _table(
        [
            _chain("input", received, policy="accept"),
            _chain("forward", [_CLAMP, *forward]),
            _chain("output", [], policy="accept"),
            *_entrance(tunnel, listen_port, further_ports, relay),
        ]
    )


def hub_closed(*, tunnel: str, staff_address: str, staff_port: int) -> str:
    """HQ without a configuration: no box reaches anything, whoever mends it reaches the machine."""
    received = [f'iifname "{tunnel}" drop', *_staff_only(staff_address, staff_port)]
    return _table(
        [
            _chain("input", received, policy="accept"),
            _chain("forward", []),
            _chain("output", [], policy="accept"),
        ]
    )


def _staff_only(address: str, port: int) -> list[str]:
    """The staff's pages are reached from inside HQ, never through another socket."""
    return [f"ip daddr {address} tcp dport {port} fib daddr . iif type != local drop"] if address else []


_FAMILIES = (("ip", "ipv4_addr"), ("ip6", "ipv6_addr"))


def _entrance(
    tunnel: str, listen_port: int, further_ports: Sequence[int], relay: tuple[int, int] | None
) -> list[str]:
    """One socket serves every UDP door, without connection tracking: who came in by a further one is noted by address
    and port, and answered by the same one. `relay`: the TCP port of that door, and where its process listens."""
    outer = f'iifname != "{tunnel}"'
    ports = sorted({int(x) for x in further_ports} - {listen_port})
    sets, came, leave, goes = [], [], [], []
    for family, kind in _FAMILIES if ports else ():
        sets.append(_dynamic(f"further-{family}", kind))
        leave.append(f"delete @further-{family} {{ {_who(family)} }}")
    for port in ports:
        for family, kind in _FAMILIES:
            who, name = _who(family), f"door-{port}-{family}"
            sets.append(_dynamic(name, kind))
            leave.append(f"delete @{name} {{ {who} }}")
            here = f"udp dport {port} {outer} fib daddr type local"
            came += [f"{here} delete @door-{x}-{family} {{ {who} }}" for x in ports if x != port]
            noted = f"update @further-{family} {{ {who} }} update @{name} {{ {who} }}"
            came.append(f"{here} notrack {noted} udp dport set {listen_port} return")
            goes.append(f"{family} daddr . udp dport @{name} notrack udp sport set {port} return")
    # One look tells whether a packet has to do with another door than the usual one: most have not.
    usual, sent = f"udp dport {listen_port} {outer}", f'udp sport {listen_port} oifname != "{tunnel}"'
    # Whoever came back to it is noticed by his next small packet: pings and keepalives never cease.
    first = ["meta l4proto != udp return"]
    large = [f"{usual} udp length > {_SMALL} notrack return"] if ports else []
    back = [f"{usual} {_who(x)} @further-{x} jump usual-again" for x, _ in _FAMILIES if ports]
    by_further = [f"{sent} {x} daddr . udp dport @further-{x} jump by-further" for x, _ in _FAMILIES if ports]
    found = [
        *sets,
        *([_jumped("usual-again", leave), _jumped("by-further", goes)] if ports else []),
        _raw("outer-in", "prerouting", [*first, *large, *back, f"{usual} notrack return", *came]),
        _raw("outer-out", "output", [*first, *by_further, f"{sent} notrack"]),
    ]
    if relay:
        lines = ["  chain relay {", "    type nat hook prerouting priority dstnat; policy accept;"]
        lines.append(f"    {outer} fib daddr type local tcp dport {relay[0]} redirect to :{relay[1]}")
        found.append("\n".join([*lines, "  }"]))
    return found


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
            *_to_relay(r),
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


def _to_relay(r: FieldRules) -> list[str]:
    """Only what the rules above turned this way: the relay's own ports are nobody's."""
    if r.hole is None:
        return []
    phone = f'iifname "{r.lan}" ether saddr . ip saddr @sign-in ct status dnat'
    return [
        f"{phone} tcp dport {SIGN_IN_PORT} accept",
        f"{phone} udp dport {SIGN_IN_DNS_PORT} accept",
    ]


def _field_forward(r: FieldRules) -> str:
    rules = []
    if r.phase in OPEN_PHASES and r.pinholes and r.lan_network:
        # No rule says "established" towards HQ: a desktop that is taken away closes for running sessions, too.
        back = f'iifname "{r.tunnel}" oifname "{r.lan}" ct state'
        inward = f'iifname "{r.lan}" oifname "{r.tunnel}"'
        if r.any_laptop:
            rules = [
                f"{back} established {_back(r.pinholes)} accept",
                f"{inward} ip saddr {_literal(r.lan_network)} {_towards(r.pinholes)} accept",
            ]
        elif pairs := _pairs(r.seats):
            rules = [
                f"{back} established {_BACK} . ip daddr {_set(f'{hole} . {seat}' for _, seat, hole in pairs)} accept",
                f"{inward} ether saddr . ip saddr . {_TOWARDS} "
                f"{_set(f'{mac} . {seat} . {hole}' for mac, seat, hole in pairs)} accept",
            ]
        rules.append(f"{back} related accept")
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
            f"{to_hub} icmp type {{ echo-request, echo-reply, timestamp-request }} accept",
            f"{to_hub} meta skuid {r.courier_uid} tcp dport {INTAKE_PORT} accept",
        ]
    if r.phase in OPEN_PHASES:
        rules += [f'oifname "{r.tunnel}" meta skuid 0 {_towards(r.pinholes)} accept'] if r.pinholes else []
        rules += [f'oifname "{r.tunnel}" ip daddr {_literal(x)} udp dport 53 accept' for x in r.dns]
    rules += [REJECT]
    return _chain("output", rules)


# A packet of a desktop's picture meets few rules, and in each one look into a set: whatever a rule reads of a packet,
# names of interfaces above all, costs throughput (docs/performance.md).
_TOWARDS = "ip daddr . meta l4proto . th dport"
_BACK = "ip saddr . meta l4proto . th sport"


def _towards(pinholes: Iterable[Pinhole]) -> str:
    return f"{_TOWARDS} {_set(map(_hole, sorted(set(pinholes))))}"


def _back(pinholes: Iterable[Pinhole]) -> str:
    return f"{_BACK} {_set(map(_hole, sorted(set(pinholes))))}"


def _hole(pinhole: Pinhole) -> str:
    host, protocol, port = pinhole
    return f"{_host(host)} . {Protocol(protocol).value} . {int(port)}"


def _pairs(seats: Sequence[Seat]) -> list[tuple[str, str, str]]:
    """Which laptop, by hardware address and address together, reaches what."""
    return sorted({(_mac(x.mac), _host(x.address), _hole(hole)) for x in seats for hole in x.pinholes})


def _by_sources(
    openings: Sequence[tuple[Sequence[str], Sequence[Pinhole]]],
) -> list[tuple[tuple[str, ...], tuple[Pinhole, ...]]]:
    """Pinholes that the same sources reach share a rule."""
    who: dict[Pinhole, set[str]] = {}
    for sources, pinholes in openings:
        for hole in pinholes:
            who.setdefault(hole, set()).update(sources)
    groups: dict[tuple[str, ...], list[Pinhole]] = {}
    for hole, found in sorted(who.items()):
        if found:
            groups.setdefault(tuple(sorted(found)), []).append(hole)
    return [(sources, tuple(holes)) for sources, holes in sorted(groups.items())]


def _host(address: str) -> str:
    """One address: a network in a set of pairs would be another kind of set."""
    if "/" in address:
        raise ValueError(address[:60])
    return _literal(address)


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
    """A single value is compared, not looked up."""
    found = list(values)
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"


def _chain(hook: str, rules: Iterable[str], policy: str = "drop", priority: str = "0") -> str:
    lines = [f"  chain {hook} {{", f"    type filter hook {hook} priority {priority}; policy {policy};"]
    return "\n".join([*lines, *(f"    {x}" for x in rules if x), "  }"])


def _untracked(name: str, hook: str, matches: Iterable[str]) -> str:
    """The tunnel's outer packets need no connection tracking: WireGuard itself knows its peers. It costs a
    tenth of the throughput."""
    return _raw(name, hook, (f"{x} notrack" for x in matches))


def _who(family: str) -> str:
    return f"{family} saddr . udp sport"


def _dynamic(name: str, kind: str) -> str:
    return f"  set {name} {{ type {kind} . inet_service; flags dynamic,timeout; {_DOOR_SET} }}"


def _jumped(name: str, rules: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {x}" for x in rules), "  }"])


def _raw(name: str, hook: str, rules: Iterable[str]) -> str:
    lines = [f"  chain {name} {{", f"    type filter hook {hook} priority raw; policy accept;"]
    return "\n".join([*lines, *(f"    {x}" for x in rules), "  }"])


def _table(parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}\n}}\n"
