"""The tunnel's packets on two uplinks at once: what leaves by one of the pair also leaves by the other one, with that
line's own source address. WireGuard drops the second copy (its counter is known), so nothing is doubled but bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from appliance.core.firewall import MARK
from appliance.core.machine import Uplink

TABLE, EGRESS = "ip noroshi-twice", "netdev noroshi-twice"


def ruleset(pair: Sequence[Uplink]) -> str:
    """Complete; for anything but two usable uplinks it only takes the tables away."""
    clear = "".join(f"table {x}\ndelete table {x}\n" for x in (TABLE, EGRESS))
    leased = [(x, x.lease) for x in pair if x.lease is not None]
    if len(leased) != 2:
        return clear
    copies, sources = [], []
    for number, ((here, own), (there, other)) in enumerate((leased, leased[::-1])):
        gateway = ipaddress.IPv4Address(other.gateway)
        copies.append(f'    meta mark {MARK:#x} oifname "{here.link}" dup to {gateway} device "{there.link}"')
        address = ipaddress.IPv4Interface(own.address).ip
        sources.append(
            f"  chain from{number} {{\n"
            f'    type filter hook egress device "{here.link}" priority 0; policy accept;\n'
            f"    meta mark {MARK:#x} ip saddr != {address} ip saddr set {address}\n  }}"
        )
    # Behind the filter: what it drops is not copied, and every copy passes it once more.
    chain = "  chain copy {\n    type filter hook output priority 10; policy accept;\n"
    return clear + (
        f"table {TABLE} {{\n{chain}" + "\n".join(copies) + "\n  }\n}\n"
        f"table {EGRESS} {{\n" + "\n".join(sources) + "\n}\n"
    )
