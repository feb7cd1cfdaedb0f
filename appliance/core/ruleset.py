"""The words of an nft ruleset: one table, chains, sets, and the last wall before nft reads a value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from appliance.core.model import Protocol

TABLE = "inet noroshi"
REJECT = "reject with icmpx type admin-prohibited"
Pinhole = tuple[str, Protocol, int]  # a desktop's address, TCP or UDP, its port

CLAMP = "tcp flags syn / syn,rst tcp option maxseg size set rt mtu"
# A packet of a desktop's picture meets few rules, and in each one look into a set: whatever a rule reads of a packet,
# names of interfaces above all, costs throughput (docs/performance.md).
TOWARDS = "ip daddr . meta l4proto . th dport"
BACK = "ip saddr . meta l4proto . th sport"


def towards(pinholes: Iterable[Pinhole]) -> str:
    return f"{TOWARDS} {set_of(map(hole_of, sorted(set(pinholes))))}"


def answers(pinholes: Iterable[Pinhole]) -> str:
    return f"{BACK} {set_of(map(hole_of, sorted(set(pinholes))))}"


def hole_of(pinhole: Pinhole) -> str:
    address, protocol, port = pinhole
    return f"{host(address)} . {Protocol(protocol).value} . {int(port)}"


def host(address: str) -> str:
    """One address: a network in a set of pairs would be another kind of set."""
    if "/" in address:
        raise ValueError(address[:60])
    return literal(address)


def literal(address: str) -> str:
    """The last wall before nft reads it: raises ValueError for anything but one address or one network."""
    text = str(ipaddress.ip_network(address))
    return address if "/" in address else text.partition("/")[0]


def mac(text: str) -> str:
    """The same wall for hardware addresses."""
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise ValueError(text[:60])
    return text


def family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def set_of(values: Iterable[str]) -> str:
    """A single value is compared, not looked up."""
    found = list(values)
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"


def chain(hook: str, rules: Iterable[str], policy: str = "drop", priority: str = "0") -> str:
    lines = [f"  chain {hook} {{", f"    type filter hook {hook} priority {priority}; policy {policy};"]
    return "\n".join([*lines, *(f"    {x}" for x in rules if x), "  }"])


def untracked(name: str, hook: str, matches: Iterable[str]) -> str:
    """The tunnel's outer packets need no connection tracking: WireGuard itself knows its peers. It costs a
    tenth of the throughput."""
    return raw(name, hook, (f"{x} notrack" for x in matches))


def jumped(name: str, rules: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {x}" for x in rules), "  }"])


def raw(name: str, hook: str, rules: Iterable[str]) -> str:
    lines = [f"  chain {name} {{", f"    type filter hook {hook} priority raw; policy accept;"]
    return "\n".join([*lines, *(f"    {x}" for x in rules), "  }"])


def table(parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}\n}}\n"
