"""Which line the tunnel's packets leave by: the one we chose, whatever WireGuard remembers, and in doubt a second one.

wireguard-go answers on the line where the hub's last packet came in, bound to it: late packets on a line that was left
would keep it there. Where there is a choice of lines every packet is routed once more by its mark alone. Copies leave
by the spare with that line's own source address; WireGuard drops the second copy (its counter is known), so nothing is
doubled but bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from appliance.core.machine import Uplink
from appliance.core.marks import MARK, PLACED_MARK

TABLE, EGRESS = "ip noroshi-steer", "netdev noroshi-steer"
_TUNNEL = f"meta mark {{ {MARK:#x}, {PLACED_MARK:#x} }}"


def ruleset(uplinks: Sequence[Uplink]) -> str:
    """Complete; without an active uplink of IPv4 and another one it only takes the tables away."""
    clear = "".join(f"table {x}\ndelete table {x}\n" for x in (TABLE, EGRESS))
    leased = [(x, x.lease) for x in uplinks if x.lease is not None and not x.six]
    active = next((x for x, _ in leased if x.active), None)
    if active is None or len(leased) < 2:
        return clear
    # A new mark makes the kernel look the route up again, without the line that the packet was bound to.
    rules = [
        _chain(
            "steer",
            "type route hook output priority mangle",
            f'meta mark {MARK:#x} oifname != {{ "{active.link}", "lo" }} meta mark set {PLACED_MARK:#x}',
        )
    ]
    for spare, lease in leased:
        if spare.doubled and spare is not active:
            gateway = ipaddress.IPv4Address(lease.gateway)
            # Behind the filter: what it drops is not copied, and every copy passes it once more.
            rules.append(
                _chain(
                    "copy",
                    "type filter hook output priority 10",
                    f'{_TUNNEL} oifname != "lo" meta mark set {PLACED_MARK:#x} dup to {gateway} device "{spare.link}"',
                )
            )
    sources = []
    for number, (uplink, lease) in enumerate(leased):
        address = ipaddress.IPv4Interface(lease.address).ip
        sources.append(
            _chain(
                f"from{number}",
                f'type filter hook egress device "{uplink.link}" priority 0',
                f"{_TUNNEL} ip saddr != {address} ip saddr set {address}",
            )
        )
    return clear + _table(TABLE, rules) + _table(EGRESS, sources)


def _chain(name: str, hook: str, rule: str) -> str:
    return f"  chain {name} {{\n    {hook}; policy accept;\n    {rule}\n  }}"


def _table(name: str, chains: Sequence[str]) -> str:
    return f"table {name} {{\n" + "\n".join(chains) + "\n}\n"
