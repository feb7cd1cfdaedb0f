"""Who is tested: a box with a LAN and an uplink, in one of its phases, under fire all the time a row lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from scripts.exercise.place import Place
from tests.net.leaks import volley
from tests.net.leaks.volley import Station
from tests.net.leaks.watch import Watch

BETWEEN = 0.25  # seconds from one volley to the next


class Subject(ABC):
    """Noroshi, or what is used today. Cables, routers and laptops are alike."""

    name: str
    phases: tuple[str, ...]  # in the order in which a box meets them
    ways: Mapping[str, str] = MappingProxyType({})  # how a phase is reached, where its name does not say so

    def __init__(self, place: Place) -> None:
        self.place = place
        self.phase = ""  # "" = nobody knows
        self.seen: list[str] = []  # what the box said of itself, in order
        self.spared: tuple[str, ...] = ()  # namespaces whose own people do not fire now

    @property
    @abstractmethod
    def watch(self) -> Watch: ...

    @abstractmethod
    def stations(self) -> tuple[Station, ...]:
        """Who fires now."""

    @abstractmethod
    def restart(self) -> None:
        """As it left the factory, in the phase before the first."""

    @abstractmethod
    def step(self, phase: str) -> None:
        """From the phase before it to this one."""

    @abstractmethod
    def flush(self, which: str) -> None:
        """Take away every rule: "field", "box", or "" for all there are."""

    @abstractmethod
    def delete_tunnel(self) -> None: ...

    @abstractmethod
    def kill_tunnel(self) -> None: ...

    @abstractmethod
    def renew(self) -> None:
        """Ask the mobile router for an address again."""

    @abstractmethod
    def mended(self) -> None:
        """Waits until the box is in its phase again with everything in place."""

    @property
    @abstractmethod
    def lan_mac(self) -> str:
        """Where the laptop's packets go."""

    @property
    @abstractmethod
    def deaf_mac(self) -> str:
        """The hardware address of the socket's or the bridge's own side."""

    @property
    @abstractmethod
    def tunnel_address(self) -> str: ...

    @property
    @abstractmethod
    def uplink_address(self) -> str: ...

    def has_field(self) -> bool:
        return Path("/run/netns", self.place.namespace("field")).exists()

    def fire(self) -> None:
        volley.fire([x for x in self.stations() if x.namespace not in self.spared])

    def look(self) -> None:  # noqa: B027 - what is used today says nothing
        """Note what the box says of itself, where it says anything."""

    def enter(self, phase: str) -> None:
        """Be in this phase, from wherever; forward step by step, backward through the factory."""
        if self.phase == phase:
            return
        if self.phase not in self.phases or self.phases.index(self.phase) > self.phases.index(phase):
            self.restart()
            self.phase = ""
        start = self.phases.index(self.phase) + 1 if self.phase else 0
        for each in self.phases[start : self.phases.index(phase) + 1]:
            self.phase = ""
            self.step(each)
            self.phase = each

    def under_fire(self, act: Callable[[], None]) -> int:
        """`act` while volley follows volley, and one more after it. How many there were."""
        over, fired = threading.Event(), [0]

        def barrage() -> None:
            while not over.is_set():
                self.fire()
                fired[0] += 1
                self.look()
                over.wait(BETWEEN)

        thread = threading.Thread(target=barrage, name="barrage", daemon=True)
        thread.start()
        try:
            act()
        finally:
            over.set()
            thread.join()
        self.fire()
        return fired[0] + 1
