"""The whole exercise as one object: everything that is up, and how it gets up and down again."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.exercise import desk, machines, relay, topology
from scripts.exercise.browser import Browser
from scripts.exercise.desk import Desk
from scripts.exercise.laptop import Laptop
from scripts.exercise.phone import Phone
from scripts.exercise.place import Place
from scripts.exercise.progress import Progress


@dataclass(slots=True)
class Exercise:
    """HQ and its desktop are running, the box is in its cupboard, laptop and phone are switched on."""

    place: Place
    laptop: Laptop = field(init=False)
    phone: Phone = field(init=False)
    officer: Browser = field(init=False)
    access: Desk = field(init=False)
    over: threading.Event = field(default_factory=threading.Event)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def __post_init__(self) -> None:
        self.laptop = Laptop(self.place)
        self.phone = Phone(self.place)
        self.officer = Browser(self.place, "desk", "desk")

    def up(self, tell: Progress, *, browser: bool) -> None:
        """All that is there before the box has power. `browser`: with the phone's own Chromium."""
        topology.up(self.place)
        tell("the internet, two mobile routers and all cables are there")
        with ThreadPoolExecutor(max_workers=2) as workers:
            opening = workers.submit(self.phone.browser.start) if browser else None
            self.access = desk.start(self.place)
            tell("the desktop at HQ is logged on")
            machines.found_hq(self.place, self.password, self.access.fingerprint)
            tell(f"HQ is running: {machines.HQ_NAME}")
            self.laptop.start()
            machines.prepare(self.place, "box")
            if opening is not None:
                opening.result()
        self.laptop.dhcp.start()
        self.phone.dhcp.start()
        tell("laptop and phone are switched on")

    def power_on(self) -> float:
        """Cable of router A in, power on; the moment, in seconds since the epoch."""
        topology.plug(self.place, "a")
        return machines.power_on(self.place, "box")

    def look_at_board(self, screenshot: Path) -> None:
        """HQ's duty officer signs in and sees the box up. PageStuck if the board does not show that."""
        self.officer.start()
        self.officer.look(
            f"http://{machines.STAFF}:8080/",
            screenshot,
            name=machines.ADMIN,
            password=self.password,
            wanted='[data-box][data-presence="up"][data-phase="PROTECTED"]',
        )
        self.officer.stop()

    def relay(self) -> dict[str, int]:
        return relay.start(self.place)

    def down(self) -> None:
        self.over.set()
        self.phone.browser.stop()
        self.officer.stop()
        topology.down(self.place)
