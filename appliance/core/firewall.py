"""Phase → the whole nft ruleset of a namespace. Every base chain drops; each ruleset is safe by itself and is
loaded in one transaction. docs/security.md says in words what each phase lets through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.core.machine import Hole
from appliance.core.marks import CHECK_MARK, LOOKUP_MARK, MARK, PLACED_MARK, SCOUT_MARK, SIGN_IN_MARK
from appliance.core.model import OPEN_PHASES, Phase
from appliance.core.ruleset import (
    BACK,
    CLAMP,
    REJECT,
    TOWARDS,
    Pinhole,
    answers,
    chain,
    family,
    hole_of,
    host,
    literal,
    mac,
    set_of,
    table,
    towards,
    untracked,
)

SIGN_IN_PORT, SIGN_IN_DNS_PORT = 8480, 8453  # where the relay waits for it in the field namespace
SIGN_IN_LASTS = "10m"  # the rules close by themselves, whoever has died
CHECK_PORT = 80
WEB_PORT = 80
INTAKE_PORT = 8470


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
    return table(
        [
            chain("input", ['iifname "lo" accept', "udp sport 67 udp dport 68 accept", *_NEIGHBOURS]),
            chain("forward", []),
            chain("output", ['oifname "lo" accept', "udp sport 68 udp dport 67 accept", *_NEIGHBOURS]),
        ]
    )


_NEIGHBOURS = ("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",)


def field(rules: FieldRules) -> str:
    """The field office's world: the LAN side, the tunnel, and between them named desktops only."""
    chains = [_field_input(rules), _field_forward(rules), _field_output(rules)]
    return table([*_sign_in(rules, rules.hole), *chains] if rules.hole else chains)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRules:
    """The relay's way out: TCP to HQ for one user, and on loopback from the tunnel and the scout alone."""

    uid: int
    far: Sequence[tuple[str, int]]  # HQ's addresses and TCP port
    mouths: Sequence[int]  # UDP ports on loopback


def _sign_in(r: FieldRules, hole: Hole) -> list[str]:
    """One phone, by hardware address and seat: its packets to the web and its name questions go to the relay."""
    own = set_of(map(literal, r.box_addresses))
    phone = f'iifname "{r.lan}" ether saddr . ip saddr @sign-in'
    to_relay = f"dnat ip to {literal(r.box_addresses[0])}"
    return [
        "  set sign-in {",
        "    type ether_addr . ipv4_addr; flags timeout;",
        f"    elements = {{ {mac(hole.mac)} . {literal(hole.address)} timeout {SIGN_IN_LASTS} }}",
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
            f'meta mark {CHECK_MARK:#x} oifname "{link}" ip daddr {literal(address)} tcp dport {CHECK_PORT} accept'
        )
    if hole:
        way = f'meta mark {SIGN_IN_MARK:#x} oifname "{hole.link}" oifname @sign-in'
        found.append(f"{way} tcp dport {{ 80, 443 }} accept")
        if hole.dns:
            found.append(f"{way} ip daddr {set_of(map(literal, hole.dns))} udp dport 53 accept")
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
    tunnel and the scout has a UDP socket here, and both believe nobody without a key. As long as nothing else is asked
    here, nothing asks for a packet's connection, and the kernel tracks none."""
    uplinks, lookups = list(uplinks), sorted(set(lookups))
    links = [f'"{x}"' for x in uplinks]
    ways = set_of(links) if links else ""
    ports: dict[str, set[int]] = {}
    for address, port in hub_endpoints:
        ports.setdefault(literal(address), set()).add(int(port))
    numbered = (
        [(x, set_of(map(str, sorted(numbers)))) for x, numbers in sorted(ports.items())] if ways else []
    )
    tracks = bool(relay or check or hole or lookups)
    pass_by = "notrack accept" if tracks else "accept"
    to_hub = [f"{family(x)} daddr {x} udp dport {port} oifname {ways} {pass_by}" for x, port in numbered]
    from_hub = [f"udp sport {port} {family(x)} saddr {x}" for x, port in numbered]
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
    return table(
        [
            *timed,
            chain(
                "input",
                [
                    *(f"{x} iifname {ways} udp dport 1024-65535 accept" for x in from_hub),
                    "ct state established,related accept" if tracks else "",
                    'iifname "lo" accept',
                    "udp sport 67 udp dport 68 accept",
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    *(routers if ways else []),
                    *(errors if numbered else []),
                ],
            ),
            chain("forward", []),
            chain(
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
                        f'meta mark {LOOKUP_MARK:#x} oifname "{link}" {family(x)} daddr {literal(x)} udp dport 53 accept'
                        for link, x in lookups
                        if link in uplinks
                    ),
                    *portal_ways(check, hole),
                ],
                priority="raw",  # before connection tracking, which the tunnel's packets pass by
            ),
            *([untracked("outer-in", "prerouting", from_hub)] if tracks else []),
        ]
    )


def _to_mouths(relay: RelayRules) -> list[str]:
    mouths = set_of(str(int(x)) for x in sorted(relay.mouths))
    return [f'oifname "lo" udp dport {mouths} meta mark != {{ {MARK:#x}, {SCOUT_MARK:#x} }} drop']


def _from_relay(ways: str, relay: RelayRules) -> list[str]:
    return [
        f"meta skuid {int(relay.uid)} oifname {ways} {family(address)} daddr {literal(address)} "
        f"tcp dport {int(port)} accept"
        for address, port in sorted(set(relay.far))
    ]


def _field_input(r: FieldRules) -> str:
    own = set_of([*map(literal, r.box_addresses), "255.255.255.255"])
    return chain(
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
                [f'iifname "{r.tunnel}" ip saddr {literal(r.hub_address)} icmp type echo-request accept']
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
                f"{back} established {answers(r.pinholes)} accept",
                f"{inward} ip saddr {literal(r.lan_network)} {towards(r.pinholes)} accept",
            ]
        elif pairs := _pairs(r.seats):
            rules = [
                f"{back} established {BACK} . ip daddr {set_of(f'{hole} . {seat}' for _, seat, hole in pairs)} accept",
                f"{inward} ether saddr . ip saddr . {TOWARDS} "
                f"{set_of(f'{mac} . {seat} . {hole}' for mac, seat, hole in pairs)} accept",
            ]
        rules.append(f"{back} related accept")
    else:
        # A session that failover may yet save is dropped in silence; a rejection would end it.
        rules.append("ct state established drop")
    rules += [f'iifname "{r.lan}" {REJECT}']
    # A route's size counts towards the tunnel only; the answer to it is what the laptop's own segments go by.
    clamp = f"tcp flags syn / syn,rst tcp option maxseg size set {r.segment}" if r.segment else CLAMP
    return chain("forward", [clamp, *rules])


def _field_output(r: FieldRules) -> str:
    rules = [
        'oifname "lo" accept',
        f'oifname "{r.lan}" udp sport 67 udp dport 68 accept',
        f'oifname "{r.lan}" ct state established,related accept',
        f'oifname "{r.lan}" icmp type {{ echo-request, destination-unreachable, time-exceeded }} accept',
    ]
    if r.hub_address:
        to_hub = f'oifname "{r.tunnel}" ip daddr {literal(r.hub_address)}'
        rules += [
            f"{to_hub} icmp type {{ echo-request, echo-reply, timestamp-request }} accept",
            f"{to_hub} meta skuid {r.courier_uid} tcp dport {INTAKE_PORT} accept",
        ]
    if r.phase in OPEN_PHASES:
        rules += [f'oifname "{r.tunnel}" meta skuid 0 {towards(r.pinholes)} accept'] if r.pinholes else []
        rules += [f'oifname "{r.tunnel}" ip daddr {literal(x)} udp dport 53 accept' for x in r.dns]
    rules += [REJECT]
    return chain("output", rules)


def _pairs(seats: Sequence[Seat]) -> list[tuple[str, str, str]]:
    """Which laptop, by hardware address and address together, reaches what."""
    return sorted({(mac(x.mac), host(x.address), hole_of(hole)) for x in seats for hole in x.pinholes})
