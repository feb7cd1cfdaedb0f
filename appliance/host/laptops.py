"""Who is on the LAN: dnsmasq's lease file, and the seats that outlive a power cut."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path

from appliance.core.devices import is_mac
from appliance.core.machine import LaptopLease
from appliance.host import files

MOST_OCTETS = 65536
MOST_HOST = 64


def leases(path: Path) -> tuple[LaptopLease, ...]:
    """One line each: expiry, hardware address, address, name, client id. The name is whatever the laptop says."""
    raw = files.read_foreign(path, MOST_OCTETS)
    found = []
    for line in (raw or b"").decode(errors="replace").splitlines():
        cells = line.split(" ")
        if len(cells) == 5 and is_mac(cells[1]) and _is_ipv4(cells[2]):
            host = "" if cells[3] == "*" else cells[3][:MOST_HOST]
            found.append(LaptopLease(mac=cells[1], address=cells[2], host=host))
    return tuple(found)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def read_seats(path: Path) -> dict[str, str]:
    """What was kept; anything that cannot be read is as if nobody had ever sat here."""
    raw = files.read_foreign(path, MOST_OCTETS)
    try:
        data = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {m: a for m, a in data.items() if is_mac(m) and isinstance(a, str) and _is_ipv4(a)}


def write_seats(path: Path, seats: Mapping[str, str]) -> None:
    """In the order in which they were seen."""
    with contextlib.suppress(OSError):  # a full disk costs the next power-on a moment, nothing else
        files.write_atomically(path, json.dumps(seats), 0o600)
