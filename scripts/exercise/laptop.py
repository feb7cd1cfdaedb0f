"""The laptop: takes an address, opens the desktop over RDP, and says when the first desktop pixels appeared."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from scripts.exercise import desk, processes, screen
from scripts.exercise.desk import Desk
from scripts.exercise.dhcp import NEVER, Client
from scripts.exercise.place import Place
from scripts.exercise.processes import within
from scripts.exercise.screen import View

SCREEN_FILE = "Xvfb_screen0"


class NoDesktop(Exception):
    """The desktop did not appear; the text says what was seen instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A desktop as the laptop sees it."""

    asked: float  # seconds since the epoch: when the client was started
    at: float  # when the first desktop pixels were on the screen
    colours: int
    screenshot: Path


def client_program() -> str:
    """FreeRDP 2 calls itself xfreerdp, FreeRDP 3 (Debian 13) xfreerdp3."""
    for name in ("xfreerdp3", "xfreerdp"):
        if shutil.which(name):
            return name
    raise FileNotFoundError("no xfreerdp here: run scripts/setup")


@dataclass(slots=True)
class Laptop:
    place: Place
    display: str = ""
    dhcp: Client = field(init=False)

    def __post_init__(self) -> None:
        self.dhcp = Client(self.place, "laptop")

    def start(self) -> None:
        """Switch the screen on. The network cable is in; `dhcp.start()` asks for an address."""
        folder = self.place.folder("laptop")
        width, height = desk.SIZE
        reading, writing = os.pipe()
        argv = (
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            f"{width}x{height}x24",
            "-fbdir",
            str(folder),
        )
        processes.start(
            self.place, "laptop-screen", (*argv, "-nolisten", "tcp", "-noreset"), pass_fds=(writing,)
        )
        os.close(writing)
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start: see logs/laptop-screen.log")
        self.display = f":{number}"

    def stop(self) -> None:
        self.close_desktop()
        self.dhcp.stop()
        processes.end(self.place, "laptop-screen")

    def close_desktop(self) -> None:
        processes.end(self.place, "laptop-rdp")

    def picture(self) -> Image.Image:
        return screen.picture((self.place.root / "laptop" / SCREEN_FILE).read_bytes())

    def open_desktop(
        self,
        access: Desk,
        screenshot: Path,
        *,
        rdp_file: Path | None = None,
        patience: float = 30.0,
        machine: str = "laptop",
        over: threading.Event = NEVER,
    ) -> Opened:
        """Open the desktop with the field office's own means and wait for its pixels. A refused or broken
        connection is tried again, as a person would, until `patience` (seconds) is used up."""
        asked = time.time()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not over.is_set():
            self._wait_until_blank()
            client = self._start_client(access, rdp_file, machine)
            while client.poll() is None and time.monotonic() < deadline and not over.is_set():
                at = time.time()
                if self._look().is_desktop:
                    return Opened(asked=asked, at=at, colours=self._settle(screenshot), screenshot=screenshot)
                time.sleep(0.05)
            over.wait(0.1)
        self.picture().save(screenshot)
        raise NoDesktop(f"no desktop pixels in {patience:.0f} s; the screen is in {screenshot}")

    def _look(self) -> View:
        try:
            return screen.view(self.picture(), desk.BACKGROUND)
        except ValueError:
            return View(colours=0, share=0.0)

    def _settle(self, screenshot: Path) -> int:
        """The first pixels come in stripes: keep the picture once all of it is there. Its colours."""
        seen = self._look()
        for _ in range(20):
            time.sleep(0.1)
            before, seen = seen, self._look()
            if seen.share == before.share:
                break
        self.picture().save(screenshot)
        return seen.colours

    def _start_client(self, access: Desk, rdp_file: Path | None, machine: str) -> processes.Popen:
        pinned = ":".join(access.fingerprint[i : i + 2] for i in range(0, len(access.fingerprint), 2))
        target = (str(rdp_file),) if rdp_file else (f"/v:{access.address}:{access.port}",)
        width, height = desk.SIZE
        argv = (
            client_program(),
            *target,
            f"/u:{access.user}",
            f"/p:{access.password}",
            f"/cert:fingerprint:sha256:{pinned}",
            f"/size:{width}x{height}",
            "/bpp:32",
            "-decorations",
            "-clipboard",
            "/log-level:WARN",
        )
        return processes.start(
            self.place,
            "laptop-rdp",
            within(self.place.namespace(machine), argv),
            env={"DISPLAY": self.display, "HOME": str(self.place.folder("laptop", "home"))},
        )

    def _wait_until_blank(self) -> None:
        """An earlier session's last picture must not be taken for the new one's first."""
        self.close_desktop()
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and self._look().is_desktop:
            time.sleep(0.02)
