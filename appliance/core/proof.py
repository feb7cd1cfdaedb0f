"""`noroshi prove`: what to try as a laptop, and what the outcomes mean. Evidence for one activation."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.core.desktop_profiles import Profile
from appliance.core.desktops import must_stay_closed, pinholes
from appliance.core.machine import Uplink
from appliance.core.model import Assignment, Desktop, Protocol

OPEN, CLOSED, UNCLEAR = "open", "closed", "unclear"
MOST_ROWS = 60
_SMB, _PRINT, _DNS, _RDP = 445, 9100, 53, 3389
# TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849): stand for the whole internet, belong to nobody.
INTERNET, INTERNET_V6 = "192.0.2.80", "2001:db8::80"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One packet to try. `what` is a short name that pages translate."""

    what: str
    host: str
    protocol: Protocol
    port: int
    expected: str  # OPEN or CLOSED
    registered: bool = True  # tried from a laptop that may open every desktop, or from a stranger's


def trials(
    assignment: Assignment,
    allowed: Sequence[Desktop],
    profiles: Mapping[str, Profile],
    uplinks: Iterable[Uplink],
    *,
    emergency: bool = False,
) -> tuple[Trial, ...]:
    """Everything this activation has to show: for a registered laptop the named endpoints pass and nothing else
    does, for a stranger's nothing at all does (unless HQ's emergency runs)."""
    named = pinholes(allowed)
    opened = set(named)
    found = [
        Trial(what="desktop", host=x.host, protocol=x.protocol, port=x.port, expected=OPEN)
        for x in named
        if x.protocol is Protocol.TCP  # nobody has to answer a lone UDP packet
    ][: MOST_ROWS // 3]
    found += [
        replace(x, what="unregistered", expected=OPEN if emergency else CLOSED, registered=False)
        for x in found[: MOST_ROWS // 6]
    ]
    hosts = sorted({x.host for x in named}) or [_last(assignment.desktops_network)]
    closed: list[tuple[str, str, Protocol, int]] = []
    closed += [
        ("other-host", _last(assignment.desktops_network), Protocol.TCP, _RDP),
        ("hub", assignment.hub_address, Protocol.TCP, 22),
        ("hub", assignment.hub_address, Protocol.TCP, 8470),
        ("internet", INTERNET, Protocol.TCP, 80),
        ("internet-names", INTERNET, Protocol.UDP, _DNS),
        ("ipv6", INTERNET_V6, Protocol.TCP, 80),
    ]
    for uplink in uplinks:
        if uplink.lease:
            closed += [
                ("line-device", uplink.lease.gateway, Protocol.TCP, 80),
                ("line-names", uplink.lease.gateway, Protocol.UDP, _DNS),
            ]
    for host in hosts:
        closed += [
            ("files", host, Protocol.TCP, _SMB),
            ("print", host, Protocol.TCP, _PRINT),
            ("names", host, Protocol.UDP, _DNS),
        ]
    closed += [("closed-port", x.host, x.protocol, x.port) for x in must_stay_closed(allowed, profiles)]
    known = {(x.host, x.protocol, x.port) for x in found} | {(x.host, x.protocol, x.port) for x in opened}
    for what, host, protocol, port in closed:
        if (host, protocol, port) not in known:
            known.add((host, protocol, port))
            found.append(Trial(what=what, host=host, protocol=protocol, port=port, expected=CLOSED))
    return tuple(found[:MOST_ROWS])


def evidence(results: Iterable[tuple[Trial, str]], at: float) -> dict[str, Any]:
    """The result as it goes to HQ. An unclear outcome proves nothing and is counted as a failure."""
    rows = [
        {
            "what": trial.what,
            "target": f"{trial.host} {trial.protocol.value}/{trial.port}",
            "expected": trial.expected,
            "outcome": outcome,
            "ok": outcome == trial.expected,
        }
        for trial, outcome in results
    ]
    return {"at": at, "ok": bool(rows) and all(x["ok"] for x in rows), "running": False, "rows": rows}


def _last(network: str) -> str:
    """The last host of the desktops' network: stands for every host that is not named."""
    return str(ipaddress.IPv4Network(network).broadcast_address - 1)
