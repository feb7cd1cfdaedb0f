"""Which uplink carries the tunnel. Links and leases in, ranked uplinks and one choice out; no clock of its own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from appliance.core.model import Lease, Machine, Observed, Uplink

TUNNEL_TABLE = 5000  # the table that the tunnel's mark looks up
FIRST_UPLINK_TABLE = 5001
SILENCE_BEFORE_SWITCH = 4.0  # seconds without an answer inside the tunnel
RECLAIM_AFTER = 120.0  # seconds a spare uplink is kept before the first one is tried again

_KINDS = (
    ("wwan", "lte"),
    ("usb", "usb"),
    ("enx", "usb"),
    ("wl", "wifi"),
    ("eth", "ethernet"),
    ("en", "ethernet"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The uplink in use and since when; `turns` counts switches and hub endpoints tried."""

    link: str = ""
    since: float = 0.0
    turns: int = 0


def kind_of(link: str) -> str:
    return next((kind for prefix, kind in _KINDS if link.startswith(prefix)), "ethernet")


def uplinks_of(machine: Machine, observed: Observed) -> tuple[Uplink, ...]:
    """Every uplink socket of this machine in its order of rank, present or not."""
    leases = {x.link: x for x in observed.leases}
    found = []
    for index, name in enumerate(machine.uplinks):
        link = observed.link(machine.outside, name)
        carrier = link is not None and link.up and link.carrier
        found.append(
            Uplink(
                link=name,
                kind=kind_of(name),
                carrier=carrier,
                lease=leases.get(name) if carrier else None,
                table=FIRST_UPLINK_TABLE + index,
            )
        )
    return tuple(found)


def choose(uplinks: tuple[Uplink, ...], before: Choice, silence: float, now: float) -> Choice:
    """The uplink for the tunnel from now on. `silence` is how long the hub has not answered, in seconds."""
    usable = [x.link for x in uplinks if x.usable]
    if not usable:
        return replace(before, link="", since=now) if before.link else before
    if before.link not in usable:
        return Choice(link=usable[0], since=now, turns=before.turns + 1)
    held = now - before.since
    if silence > SILENCE_BEFORE_SWITCH and held > SILENCE_BEFORE_SWITCH:
        following = usable[(usable.index(before.link) + 1) % len(usable)]
        return Choice(link=following, since=now, turns=before.turns + 1)
    if before.link != usable[0] and silence < 1.0 and held > RECLAIM_AFTER:
        return Choice(link=usable[0], since=now, turns=before.turns)
    return before


def mark_active(uplinks: tuple[Uplink, ...], choice: Choice) -> tuple[Uplink, ...]:
    return tuple(replace(x, active=x.link == choice.link and x.usable) for x in uplinks)


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
        obtained=now,
        seconds=min(int(seconds), MAX_LEASE_SECONDS) if re.fullmatch(r"[0-9]{1,10}", seconds) else 0,
    )


def _unusable(address: ipaddress.IPv4Address) -> bool:
    here = int(address) >> 24 == 0  # 0.0.0.0/8, "this network" (RFC 791)
    return here or address.is_loopback or address.is_multicast or address.is_reserved


def _is_ipv4(text: str) -> bool:
    try:
        return not _unusable(ipaddress.IPv4Address(text))
    except ValueError:
        return False
