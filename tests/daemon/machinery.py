"""The slots of a box in memory: what RAUC and the boot loader would do, without either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.core.software import Slots
from appliance.core.words import Refused


@dataclass
class Slotted:
    """`bundles`: what a file's octets are, and the signature of whom; `now` is the world's time."""

    now: Callable[[], float]
    here: Slots = field(default_factory=Slots)
    bundles: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    other: str = ""  # the version in the slot that does not run
    trial: bool = False
    started: float = 0.0
    writes: bool = True  # whether a bundle can be written
    log: list[str] = field(default_factory=list)

    def slots(self, *, tried: bool) -> Slots:
        return self.here if tried else replace(self.here, good=self.here.slot)

    def up(self) -> float:
        return self.now() - self.started

    def check(self, bundle: Path) -> tuple[str, str]:
        known = self.bundles.get(bundle.read_bytes())
        if known is None:
            raise Refused("update-unsigned")
        return known

    def install(self, bundle: Path, tell: Callable[[int], None]) -> None:
        self.log.append("install")
        if not self.writes:
            raise Refused("update-not-written")
        tell(50)
        self.other = self.check(bundle)[1]

    def try_other(self) -> None:
        self.log.append("try")
        self.trial = True

    def confirm(self) -> None:
        self.log.append("confirm")
        self.here = replace(self.here, good=self.here.slot)

    def restart(self) -> None:
        self.log.append("restart")

    def boot(self) -> None:
        """The boot loader: a slot on trial gets one start."""
        self.started = self.now()
        good = self.here.slot == self.here.good
        swap = self.trial if good else True
        if swap:
            slot = "B" if self.here.slot == "A" else "A"
            self.here, self.other = replace(self.here, slot=slot, version=self.other), self.here.version
        self.trial = False
