"""The phone: takes an address and walks the wizard in its browser, as the field leader would."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.exercise.browser import Browser, PageStuck
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place

WIZARD = "http://10.86.86.1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One entry for each page the phone met: {"step", "phase", "at", "screenshot"}."""

    pages: tuple[dict[str, Any], ...]
    phase: str

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(page["step"] for page in self.pages)


@dataclass(slots=True)
class Phone:
    place: Place
    dhcp: Client = field(init=False)
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.dhcp = Client(self.place, "phone")
        self.browser = Browser(self.place, "phone", "phone")

    def walk(self, ticket: str, shots: Path, *, until: str = "PROTECTED", patience: float = 90.0) -> Walk:
        """Walk the wizard until the box's phase is `until`. Screenshots of every page go to `shots`.
        PageStuck if it ends elsewhere."""
        shots.mkdir(parents=True, exist_ok=True)
        ended = self.browser.order(
            "walked", patience, do="walk", url=WIZARD, ticket=ticket, shots=str(shots), until=until
        )
        walk = Walk(pages=tuple(ended["pages"]), phase=ended["phase"])
        if ended["phase"] != until:
            raise PageStuck(f"the wizard ended at {' → '.join(walk.steps) or 'no page'}: {ended['why']}")
        return walk
