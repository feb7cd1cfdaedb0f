"""HQ's whole nft ruleset: which box reaches which desktop, and the doors by which boxes come in. docs/security.md says
it in words; the box's own wall is core/firewall.py."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.firewall import INTAKE_PORT
from appliance.core.ruleset import (
    CLAMP,
    REJECT,
    Pinhole,
    answers,
    chain,
    jumped,
    literal,
    raw,
    set_of,
    table,
    towards,
)

_DOOR_SET = "timeout 5m; size 65535;"
_SMALL = 256  # octets: handshakes, keepalives and pings in the tunnel's UDP (WireGuard's whitepaper, 5.4)


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
        inward = f'iifname "{tunnel}" oifname != "{tunnel}" {towards(pinholes)}'
        forward.append(f"{inward} ip saddr {set_of(map(literal, sources))} accept")
    if forward:
        every = {x for sources, pinholes in openings if sources for x in pinholes}
        back = f'oifname "{tunnel}" iifname != "{tunnel}" ct state'
        forward += [f"{back} established {answers(every)} accept", f"{back} related accept"]
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
    return table(
        [
            chain("input", received, policy="accept"),
            chain("forward", [CLAMP, *forward]),
            chain("output", [], policy="accept"),
            *_entrance(tunnel, listen_port, further_ports, relay),
        ]
    )


def hub_closed(*, tunnel: str, staff_address: str, staff_port: int) -> str:
    """HQ without a configuration: no box reaches anything, whoever mends it reaches the machine."""
    received = [f'iifname "{tunnel}" drop', *_staff_only(staff_address, staff_port)]
    return table(
        [
            chain("input", received, policy="accept"),
            chain("forward", []),
            chain("output", [], policy="accept"),
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
        *([jumped("usual-again", leave), jumped("by-further", goes)] if ports else []),
        raw("outer-in", "prerouting", [*first, *large, *back, f"{usual} notrack return", *came]),
        raw("outer-out", "output", [*first, *by_further, f"{sent} notrack"]),
    ]
    if relay:
        lines = ["  chain relay {", "    type nat hook prerouting priority dstnat; policy accept;"]
        lines.append(f"    {outer} fib daddr type local tcp dport {relay[0]} redirect to :{relay[1]}")
        found.append("\n".join([*lines, "  }"]))
    return found


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


def _who(family: str) -> str:
    return f"{family} saddr . udp sport"


def _dynamic(name: str, kind: str) -> str:
    return f"  set {name} {{ type {kind} . inet_service; flags dynamic,timeout; {_DOOR_SET} }}"
