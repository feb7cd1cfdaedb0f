"""The field exercise around a booted image: HQ, routers, laptop and phone in namespaces, the box a virtual machine.

The box's namespace is a panel of cables here. All else is the exercise as demo, tests and benchmarks have it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.exercise import topology
from scripts.exercise.place import Place
from scripts.exercise.whole import Exercise
from tests.net.leaks.watch import Leak, Watch
from tests.vm import taps
from tests.vm.guest import Guest
from tests.vm.hardware import Hardware, Socket

# The box's end of each cable, in the order of its sockets: blue (the line) and two yellow ones. A tethered phone ("usb0") is
# plugged in by who needs it: without an address it costs an emulated processor dear.
CABLES = ("eth0", "port1", "port2")
TETHERED = frozenset({"usb0"})
FAR_SIDES = (("router-a", "lan0"), ("router-b", "lan0"))
GLANCE = 1.0  # seconds between two looks at the box: each costs an emulated processor dear
PREFIX = os.environ.get("NOROSHI_EXERCISE", "vm")


@dataclass(slots=True)
class Site(Exercise):
    """An exercise whose box is `guest`. The taps on the far side of the uplinks listen before it has power."""

    guest: Guest = field(init=False)
    watch: Watch | None = field(default=None, init=False)
    cables: tuple[str, ...] = CABLES
    plugged: tuple[str, ...] = ("a",)
    once_started: Callable[[], None] = lambda: None

    def prepare_box(self, hardware: Hardware, *more: str) -> None:
        """Which machine it is; `more` are lines of the script that is handed in."""
        self.guest = Guest(place=self.place, hardware=hardware, more=more)

    def power_on(self) -> float:
        for router in self.plugged:
            topology.plug(self.place, router)
        if self.watch is None:
            self.watch = Watch([(self.place.namespace(machine), link) for machine, link in FAR_SIDES])
        descriptors = [taps.wire(self.place, link) for link in self.cables]
        sockets = tuple(
            Socket(fd=fd, usb=link in TETHERED) for fd, link in zip(descriptors, self.cables, strict=True)
        )
        self.guest.hardware = replace(self.guest.hardware, sockets=sockets)
        at = self.guest.start(*descriptors)
        self.once_started()
        return at

    def power_off(self) -> None:
        """The plug is pulled."""
        self.guest.end()
        for link in self.cables:
            taps.unwire(self.place, link)

    def leaks(self) -> list[Leak]:
        """What left by the uplinks since this was asked last, and should not have."""
        assert self.watch is not None, "nobody listened"
        return self.watch.leaks()

    def down(self) -> None:
        if self.watch is not None:
            self.watch.close()
            self.watch = None
        Exercise.down(self)


def place(prefix: str = PREFIX) -> Place:
    return Place(prefix)


def image_of(architecture: str, cache: Path = Path("/var/cache/noroshi/image")) -> Path:
    """The raw image that the last build left for tests."""
    return cache / f"{architecture}.img"
