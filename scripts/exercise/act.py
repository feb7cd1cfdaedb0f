"""One act of the exercise: from power-on to the first desktop pixels, watched from all sides at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.exercise import machines
from scripts.exercise.laptop import Opened
from scripts.exercise.namespaces import entered
from scripts.exercise.progress import Progress
from scripts.exercise.timeline import EVENTS, ZERO_TOUCH, Timeline
from scripts.exercise.whole import Exercise

FLEET = "10.211.0.0/16"  # the LAN prefixes HQ gives to boxes
OPEN = frozenset({"PROTECTED", "DEGRADED"})
BOX_MILESTONES = ("uplink", "ticket-accepted", "tunnel")
PATIENCE = 90.0  # seconds for the whole act, unless told otherwise


@dataclass(slots=True)
class Act:
    """`ticket` is None where the box was enrolled in peacetime: then nobody touches anything."""

    exercise: Exercise
    shots: Path
    tell: Progress
    ticket: str | None
    patience: float = PATIENCE
    glance: float = 0.05  # seconds between two looks at the box; what it reached, it dates itself
    moments: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    opened: Opened | None = None
    _failed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Timeline:
        self.shots.mkdir(parents=True, exist_ok=True)
        before = time.time()
        self._mark("power-on", self.exercise.power_on())
        deadline = time.monotonic() + self.patience
        parts = [self._part("the laptop", lambda: self._laptop(deadline))]
        if self.ticket is not None:
            ticket = self.ticket
            parts.append(self._part("the phone", lambda: self._phone(ticket)))
        while any(part.is_alive() for part in parts) and time.monotonic() < deadline + 15:
            self._note_milestones(machines.status(self.exercise.place))
            time.sleep(self.glance)
        self._note_milestones(machines.status(self.exercise.place))
        self._first_ping(before)
        return self.timeline()

    def _part(self, who: str, work: Callable[[], None]) -> threading.Thread:
        """Somebody's part, at the same time as the others'. What fails ends the act for all of them."""

        def do() -> None:
            try:
                work()
            except Exception as problem:
                if not self._failed.is_set() and not self.exercise.over.is_set():
                    self.problems.append(f"{who}: {problem}")
                    self.tell(self.problems[-1])
                self._failed.set()

        thread = threading.Thread(target=do, name=who, daemon=True)
        thread.start()
        return thread

    def give_up(self, why: str) -> None:
        """Somebody else saw that it cannot succeed any more."""
        self.problems.append(why)
        self._failed.set()

    def timeline(self) -> Timeline:
        return Timeline(
            moments=dict(self.moments),
            expected=tuple(EVENTS) if self.ticket is not None else ZERO_TOUCH,
            screenshot=str(self.opened.screenshot) if self.opened else "",
            colours=self.opened.colours if self.opened else 0,
        )

    def _mark(self, event: str, at: float) -> None:
        if event not in self.moments:
            self.moments[event] = at
            self.tell(f"{event} (+{at - self.moments['power-on']:.2f} s)")

    def _note_milestones(self, status: dict[str, Any] | None) -> None:
        reached = status["milestones"] if status else {}
        for event in BOX_MILESTONES:
            if event in reached and event in EVENTS and (self.ticket is not None or event in ZERO_TOUCH):
                self._mark(event, float(reached[event]))

    def _phone(self, ticket: str) -> None:
        self.exercise.phone.dhcp.wait(patience=self.patience, over=self._failed)
        walk = self.exercise.phone.walk(ticket, self.shots, patience=self.patience)
        self.tell(f"the phone walked {' → '.join(walk.steps)}")

    def _laptop(self, deadline: float) -> None:
        """Somebody sits down at the laptop as soon as the box says it is open."""
        status = self._until(deadline, "the box never opened its desktops", is_open)
        laptop = self.exercise.laptop
        if self.ticket is not None:
            laptop.dhcp.ask_again()  # the cable of a laptop that had an address before the box had joined
        lease = laptop.dhcp.wait(FLEET, patience=max(1.0, deadline - time.monotonic()), over=self._failed)
        self._mark("laptop-address", lease.at)
        self.opened = laptop.open_desktop(
            self.exercise.access,
            self.shots / "desktop.png",
            rdp_file=self._take_rdp_file(status, deadline),
            patience=max(1.0, deadline - time.monotonic()),
            over=self._failed,
        )
        self._mark("first-pixels", self.opened.at)

    def _take_rdp_file(self, status: dict[str, Any], deadline: float) -> Path:
        """What a person does who presses 「このパソコンで開く」; the page may be a moment behind the box."""
        name = status["desktops"][0]["name"]
        path = self.exercise.place.folder("laptop") / f"{name}.rdp"
        while True:
            try:
                with entered(self.exercise.place.namespace("laptop")):
                    path.write_bytes(fetch(f"/desktops/{name}.rdp"))
                return path
            except OSError:
                if time.monotonic() > deadline or self._failed.wait(0.1):
                    raise

    def _until(
        self, deadline: float, complaint: str, wanted: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        while time.monotonic() < deadline and not self._failed.is_set():
            status = machines.status(self.exercise.place)
            if status is not None and wanted(status):
                return status
            time.sleep(self.glance)
        raise TimeoutError(complaint)

    def _first_ping(self, after: float) -> None:
        """When HQ heard of the box for the first time since `after`; HQ must also hold it for up now."""
        deadline = time.monotonic() + (2 if self._failed.is_set() else 20)
        while time.monotonic() < deadline:
            for box in machines.board(self.exercise.place):
                heard = [at for at in (box["first_ping"], box["last_ping"]) if at is not None and at >= after]
                if heard and box["presence"] == "up":
                    self._mark("first-ping", min(heard))
                    return
            time.sleep(0.5)
        self.problems.append("HQ: the box never reported")


def is_open(status: dict[str, Any]) -> bool:
    return status["phase"] in OPEN and bool(status["desktops"])


def fetch(path: str) -> bytes:
    """A file from the box's own pages, from the namespace the calling thread is in."""
    import http.client

    connection = http.client.HTTPConnection("10.86.86.1", timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"the box answered {answer.status} for {path}")
        return answer.read()
    finally:
        connection.close()
