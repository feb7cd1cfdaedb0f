"""The stage on which scenes are played: one image, prepared once, and a site around a virtual machine for each boot.

Whatever becomes of a scene, the machine is ended and nothing of the exercise is left.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.control import Refused, Unreachable, ask
from scripts.exercise import machines
from scripts.exercise.place import owner_of
from scripts.exercise.progress import Progress
from tests.vm import control, disk
from tests.vm.field import GLANCE, PREFIX, Site, place
from tests.vm.guest import NoAnswer
from tests.vm.hardware import Hardware
from tests.vm.outcome import Check, Number, Report

OPEN = ("PROTECTED", "DEGRADED")
BOOT = 420.0  # seconds: emulated, on a machine that does other things, too
PATIENCE = 420.0  # for what a real box does in seconds: four such machines on two cores took 170


@dataclass(slots=True)
class Stage:
    image: Path
    folder: Path  # room for disks; removed at the end
    shots: Path  # screenshots, consoles, reports; kept
    tell: Progress
    report: Report = field(default_factory=Report)
    scene: str = ""
    cuts: int = 1200  # power cuts that are looked at, and booted
    boots: int = 10
    accelerator: str = "tcg,thread=multi"

    # ------------------------------------------------------------------------------- what was found

    def check(self, what: str, good: bool, told: str = "") -> bool:
        self.report.checks.append(Check(scene=self.scene, what=what, good=good, told=told))
        self.tell(f"{'○' if good else '×'} {what}{f': {told}' if told else ''}")
        return good

    def number(self, number: Number) -> None:
        self.report.numbers.append(replace(number, scene=self.scene))
        self.tell(f"{'○' if number.good else '×'} {number.what}: {number.value:g} {number.unit}")

    def table(self, title: str, text: str) -> None:
        self.report.tables[title] = text
        sys.stdout.write(f"{title}\n{text}\n")
        sys.stdout.flush()

    # ------------------------------------------------------------------------------- disks

    def fresh_disk(self) -> Path:
        """The image as it was built, but for the file on its FAT partition that lets the test in."""
        base = self.folder / "base.img"
        if not base.exists():
            disk.copy(self.image, base)
            fat = disk.named(disk.read_table(base), "NOROSHI")
            disk.put_on_fat(base, fat, "noroshi.args", control.args_file())
        return base

    def layer(self, name: str, base: Path | None = None) -> Path:
        """A disk to be written to; what is below it stays."""
        target = self.folder / f"{name}.qcow2"
        disk.layer(base or self.fresh_disk(), target)
        return target

    # ------------------------------------------------------------------------------- sites

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Namespaces, HQ and people; no box yet."""
        found = Site(place(PREFIX))
        try:
            yield found
        finally:
            if owner_of(found.place) == os.getpid():  # somebody else's is left alone
                self.keep_console(found)
                found.down()

    def keep_console(self, site: Site) -> None:
        """What the guest printed, and QEMU's and HQ's logs, beside the screenshots."""
        target = self.shots / (self.scene or "logs")
        for path in ((site.place.root / "vm" / "serial.log"), *(site.place.root / "logs").glob("*.log")):
            if path.exists():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.name)

    def hardware(self, path: Path, **more: object) -> Hardware:
        return Hardware(
            disk=path,
            variables=path,
            folder=self.folder,
            accelerator=self.accelerator,
            **more,  # type: ignore[arg-type]
        )


def until_phase(site: Site, *phases: str, patience: float = BOOT) -> dict[str, object]:
    """The box's status once it is in one of these phases."""
    deadline = time.monotonic() + patience
    seen = "silence"
    while time.monotonic() < deadline:
        status = machines.status(site.place)
        if status is not None:
            seen = f"{status['phase']} {status['reason']}"
            if status["phase"] in phases:
                return status
        if not site.guest.runs:
            raise NoAnswer(f"the guest ended: see {site.guest.console}")
        time.sleep(GLANCE)
    raise NoAnswer(f"the box is not {' or '.join(phases)} after {patience:.0f} s but {seen}")


def join(site: Site, patience: float = 240.0) -> None:
    """By the door, as the wizard does it, without anybody walking it. A box that has just started may be busy: a person
    would press again."""
    ticket = machines.issue_ticket(site.place)
    deadline = time.monotonic() + patience
    while True:
        try:
            ask(machines.door(site.place, "box"), {"ask": "redeem", "ticket": ticket}, timeout=60)
            return
        except (Refused, Unreachable) as problem:
            told = problem.code if isinstance(problem, Refused) else "busy"
            if told == "already-joined":  # it was busy with just that
                return
            if told != "busy" or time.monotonic() > deadline:
                raise
            time.sleep(1.0)
