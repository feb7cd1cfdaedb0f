"""HQ's side of an update while a booted box lives through it, and what the box says of it. Waits; judges nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.control import ask
from appliance.core.programs import REGISTER_GROUP
from scripts.exercise import machines
from scripts.exercise.processes import run
from tests.vm.field import Site
from tests.vm.guest import NoAnswer
from tests.vm.stage import BOOT

BOX = "box-0001"
IMAGE = "noroshi-pc"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
SLOT = ("sed", r"s/.*rauc\.slot=\(.\).*/\1/", "/proc/cmdline")
STICK_OFFSET = 2048  # sectors before the stick's one partition
STICK_SIZE = 512 << 20
INSTALLED = 600.0  # seconds until a bundle lies in the other slot, or is refused


@dataclass(frozen=True, slots=True)
class Office:
    site: Site

    def noroshi(self, *argv: str, timeout: float = 60) -> str:
        return machines.noroshi(self.site.place, "hq", "hq", "update", *argv, timeout=timeout)

    def refusal(self, *argv: str) -> str:
        """What the command line answers where it refuses; "" where it does not."""
        try:
            self.noroshi(*argv, "--language", "en")
        except RuntimeError as problem:
            return str(problem).partition(": ")[2].replace("\n", " ")
        return ""

    def hand_out(self, bundle: Path, *, keyring: Path | None = None) -> None:
        self.noroshi("add", str(bundle), *(("--keyring", str(keyring)) if keyring else ()))

    def smuggle(self, bundle: Path, version: str) -> None:
        """Past HQ's own look at it: as if HQ's machine were somebody else's."""
        sha256 = digest(bundle)
        target = self.kept(sha256)
        shutil.copyfile(bundle, target)
        os.chown(target, 0, REGISTER_GROUP)
        target.chmod(0o640)
        told = {"version": version, "image": IMAGE, "sha256": sha256, "size": bundle.stat().st_size}
        ask(machines.door(self.site.place, "hq"), {"ask": "add-bundle", **told, "by": "test"})

    def kept(self, sha256: str) -> Path:
        return self.site.place.folder("hq", "state", "software") / sha256

    def start(self, version: str, *more: str) -> None:
        self.noroshi("start", version, "--box", BOX, *more)

    def stop(self) -> None:
        self.noroshi("stop")

    def board(self) -> dict[str, Any]:
        """The box's software as HQ's board has it."""
        return next((x["software"] or {} for x in machines.board(self.site.place) if x["name"] == BOX), {})

    def hears(self, wanted: Callable[[dict[str, Any]], bool], patience: float = 60.0) -> dict[str, Any]:
        """The board once it says so, or as it is when patience ends."""
        deadline = time.monotonic() + patience
        while not wanted(told := self.board()) and time.monotonic() < deadline:
            time.sleep(2.0)
        return told


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def until(site: Site, what: str, wanted: Callable[[dict[str, Any]], bool], patience: float) -> dict[str, Any]:
    """What the box says of its update once that is as wanted; NoAnswer where it never is."""
    deadline = time.monotonic() + patience
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        fresh = (machines.status(site.place) or {}).get("software") or {}
        told = fresh or told
        if fresh and wanted(fresh):
            return fresh
        if not site.guest.runs:
            break
        time.sleep(0.5)
    raise NoAnswer(f"the update was not {what} after {patience:.0f} s: {told}")


def boot_id(site: Site) -> str:
    """Which start of the machine this is; "" while it cannot be asked."""
    try:
        code, told = site.guest.tell("cat", BOOT_ID, timeout=20)
    except NoAnswer:
        return ""
    return told.strip() if code == 0 else ""


def until_restarted(site: Site, before: str, patience: float) -> float:
    """Until the machine has started anew by itself; the longest time it was seen to be up before, in seconds."""
    deadline, up = time.monotonic() + patience, 0.0
    while time.monotonic() < deadline:
        now = boot_id(site)
        if now and now != before:
            return up
        if now:
            up = uptime(site) or up
            time.sleep(3.0)
        else:
            site.guest.wait_for_shell(BOOT)
    raise NoAnswer(f"the machine did not start anew in {patience:.0f} s")


def uptime(site: Site) -> float:
    try:
        code, told = site.guest.tell("cat", "/proc/uptime", timeout=20)
        return float(told.split()[0]) if code == 0 else 0.0
    except (NoAnswer, ValueError, IndexError):
        return 0.0


def slot(site: Site) -> str:
    return site.guest.succeed(*SLOT).strip()


def stick(target: Path, *bundles: Path) -> None:
    """A stick as one buys it: one FAT partition, with files in its root."""
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(STICK_SIZE)
    run("sfdisk", "-q", str(target), text=f"label: dos\nstart={STICK_OFFSET}, type=c\n")
    blocks = str((STICK_SIZE // 512 - STICK_OFFSET) // 2)
    run("mkfs.vfat", "-F", "32", "-n", "SHELTER", "--offset", str(STICK_OFFSET), str(target), blocks)
    place = f"{target}@@{STICK_OFFSET * 512}"
    for path in bundles:
        run("mcopy", "-i", place, str(path), f"::{path.name}", timeout=120)


def slow_line(site: Site, rate: int = 0) -> None:
    """What comes by the mobile router, in bit/s; 0 for as fast as ever."""
    how = ("replace", "dev", "lan0", "root", "tbf", "rate", str(rate), "burst", "32kb", "latency", "400ms")
    words = how if rate else ("delete", "dev", "lan0", "root")
    run("tc", "-n", site.place.namespace("router-a"), "qdisc", *words)
