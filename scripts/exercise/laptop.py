"""The laptop: takes an address, opens the desktop over RDP, and says when the first desktop pixels appeared."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from scripts.exercise import desk, processes, screen
from scripts.exercise.desk import Desk
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import within

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
        on_try: Callable[[], None] = lambda: None,
    ) -> Opened:
        """Open the desktop with the field office's own means and wait for its pixels. A refused or broken
        connection is tried again, as a person would, until `patience` (seconds) is used up."""
        asked = time.time()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            on_try()
            self._wait_until_blank()
            client = self._start_client(access, rdp_file, machine)
            while time.monotonic() < deadline:
                seen = self._look(screenshot)
                if seen is not None:
                    return Opened(asked=asked, at=seen[0], colours=seen[1], screenshot=screenshot)
                if client.poll() is not None:
                    time.sleep(0.1)
                    break
                time.sleep(0.05)
        self._save(screenshot)
        raise NoDesktop(f"no desktop pixels in {patience:.0f} s; the screen is in {screenshot}")

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
        while time.monotonic() < deadline and screen.view(self.picture(), desk.BACKGROUND).is_desktop:
            time.sleep(0.02)

    def _look(self, screenshot: Path) -> tuple[float, int] | None:
        try:
            image = self.picture()
        except (ValueError, FileNotFoundError):
            return None
        at = time.time()
        seen = screen.view(image, desk.BACKGROUND)
        if not seen.is_desktop:
            return None
        image.save(screenshot)
        return at, seen.colours

    def _save(self, screenshot: Path) -> None:
        try:
            self.picture().save(screenshot)
        except (ValueError, FileNotFoundError):
            return
