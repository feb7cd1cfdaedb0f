"""Who sits where: the registered laptops behind this box, kept through a power cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from appliance.core import devices
from appliance.core.firewall import Seat
from appliance.core.machine import LaptopLease
from appliance.core.model import Assignment, Desktop, Device
from appliance.host import laptops


class Seating:
    """`known` are the registered devices by hardware address, `seats` the addresses they have. Both are replaced
    as a whole at every turn, so that other threads may hold on to them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._devices: tuple[Device, ...] = ()
        self.known: Mapping[str, Device] = {}
        self.seats: Mapping[str, str] = laptops.read_seats(path)

    def look(self, assignment: Assignment | None, leases: Iterable[LaptopLease]) -> None:
        """What the leases and HQ's register say now."""
        if assignment is None:
            self._devices, self.known = (), {}
            return
        if self._devices is not assignment.devices:
            self._devices, self.known = assignment.devices, devices.by_mac(assignment.devices)
        seats = devices.seats(self.seats, leases, self.known, assignment.lan)
        if seats != self.seats:
            laptops.write_seats(self._path, seats)
        self.seats = seats

    def rules(self, allowed: Sequence[Desktop]) -> tuple[Seat, ...]:
        return devices.seats_of(self.seats, self.known, allowed) if self.known else ()

    def hosts(self) -> str:
        return devices.hosts_file(self.seats) if self.known else ""
