"""The phone: takes an address and has a real browser walk the wizard, driven by `walker.py` in its namespace."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.exercise import processes
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import within

WIZARD = "http://10.86.86.1/"


class WizardStuck(Exception):
    """The walk did not end on the last page; the text says where it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the walker told: one entry for each page it met."""

    pages: tuple[dict[str, Any], ...]  # {"step", "phase", "at", "screenshot", "acted"}
    phase: str

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(page["step"] for page in self.pages)


@dataclass(slots=True)
class Phone:
    place: Place
    dhcp: Client = field(init=False)
    _walker: subprocess.Popen[bytes] | None = None
    _unread: bytes = b""

    def __post_init__(self) -> None:
        self.dhcp = Client(self.place, "phone")

    def start(self, *, patience: float = 60.0) -> None:
        """Open the browser, so that its own start is not counted as the box's. The screen is still empty."""
        folder = self.place.folder("phone", "tmp")
        argv = (sys.executable, "-m", "scripts.exercise.walker")
        self._walker = processes.start(
            self.place,
            "phone-browser",
            within(self.place.namespace("phone"), argv),
            env={"TMPDIR": str(folder), "HOME": str(folder)},
            pipe=True,
            cwd=Path(__file__).parents[2],
        )
        self._expect("ready", patience)

    def stop(self) -> None:
        self.dhcp.stop()
        if self._walker is not None and self._walker.stdin is not None and self._walker.poll() is None:
            self._say({"do": "end"})
            deadline = time.monotonic() + 5
            while self._walker.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        processes.end(self.place, "phone-browser")
        self._walker = None

    def walk(self, ticket: str, shots: Path, *, until: str = "PROTECTED", patience: float = 90.0) -> Walk:
        """Walk the wizard until the box's phase is `until`. Screenshots of every page go to `shots`."""
        shots.mkdir(parents=True, exist_ok=True)
        self._say(
            {
                "do": "walk",
                "url": WIZARD,
                "ticket": ticket,
                "shots": str(shots),
                "until": until,
                "seconds": patience,
            }
        )
        ended = self._expect("walked", patience + 10)
        walk = Walk(pages=tuple(ended["pages"]), phase=ended["phase"])
        if ended["phase"] != until:
            raise WizardStuck(f"the wizard ended at {' → '.join(walk.steps) or 'no page'}: {ended['why']}")
        return walk

    def look(self, url: str, screenshot: Path, *, patience: float = 20.0) -> None:
        """One page, one picture."""
        self._say({"do": "look", "url": url, "screenshot": str(screenshot), "seconds": patience})
        seen = self._expect("seen", patience + 5)
        if seen["why"]:
            raise WizardStuck(f"{url}: {seen['why']}")

    def _say(self, message: dict[str, Any]) -> None:
        assert self._walker is not None and self._walker.stdin is not None, "the phone is not switched on"
        self._walker.stdin.write(json.dumps(message).encode() + b"\n")
        self._walker.stdin.flush()

    def _expect(self, event: str, seconds: float) -> dict[str, Any]:
        assert self._walker is not None and self._walker.stdout is not None, "the phone is not switched on"
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self._unread:
                line, self._unread = self._unread.split(b"\n", 1)
                message: dict[str, Any] = json.loads(line)
                if message["event"] == event:
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._walker.stdout], [], [], left)[0]:
                raise WizardStuck(
                    f"the browser did not say '{event}' in {seconds:.0f} s: see logs/phone-browser.log"
                )
            part = self._walker.stdout.read1(65536)  # type: ignore[attr-defined]
            if not part:
                raise WizardStuck("the browser ended: see logs/phone-browser.log")
            self._unread += part
