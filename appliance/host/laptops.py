"""Who is on the LAN: dnsmasq's lease file, a bell for when it changes, and the seats that outlive a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path

from appliance.core.devices import is_mac
from appliance.core.machine import LaptopLease
from appliance.host import files

MOST_OCTETS = 65536
MOST_HOST = 64
IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO = 0x2, 0x8, 0x80  # inotify(7)
_libc = ctypes.CDLL(None, use_errno=True)


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


class Watch:
    """Readable whenever something in a folder was written; reads like a socket, for the loop."""

    def __init__(self, folder: Path) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        wanted = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO
        if self._fd < 0 or _libc.inotify_add_watch(self._fd, os.fsencode(folder), wanted) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))

    def fileno(self) -> int:
        return int(self._fd)

    def recv(self, size: int) -> bytes:
        return os.read(self._fd, size)
