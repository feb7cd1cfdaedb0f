"""A box that was prepared in peacetime: written by `noroshi image write` with an invitation, switched on at the shelter, and
nobody does anything. What its own screen shows is read from the machine's monitor.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import zxingcpp
from PIL import Image

from appliance.core.card import Card, read
from appliance.core.screen import LOOKS
from appliance.core.wifi_code import wifi_code
from appliance.host import fat
from appliance.host.picture import COLORS
from scripts.exercise import machines
from scripts.exercise.processes import run
from tests.vm.field import Site
from tests.vm.stage import BOOT, OPEN, Stage, until_phase

PAGE = "http://10.86.86.1/"


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.up(stage.tell, browser=False)
        target, card = write(stage, site)
        site.prepare_box(stage.hardware(stage.layer("prepared", target), screen=True))
        site.power_on()
        watched = watch(stage, site)
        status = until_phase(site, *OPEN, patience=BOOT)
        stage.check("joined with nobody near", True, str(status["site"]))
        stage.check("the screen showed the start", "0" in watched, str(sorted(watched)))
        taken(stage, site, card)
        screen(stage, site, card)


def write(stage: Stage, site: Site) -> tuple[Path, Card]:
    """The flashed disk, and what stands in its personal file."""
    target = stage.folder / "prepared.img"
    ticket = site.place.folder("hq", "secret", mode=0o700) / "ticket"
    machines.issue_ticket(site.place)
    argv = (
        "image",
        "write",
        str(stage.fresh_disk()),
        str(target),
        "--ticket",
        str(ticket),
        "--serial",
        "shelter-7",
    )
    paper = stage.folder / "paper.pdf"
    run(machines.python(), "-m", "appliance.cli", *argv, "--yes", "--paper", str(paper), timeout=600)
    stage.check("the paper was made", paper.read_bytes().startswith(b"%PDF"))
    return target, read(fat.read(fat.partition(target, "NOROSHI"), "noroshi.card").encode())


def watch(stage: Stage, site: Site) -> set[str]:
    """A picture every few seconds until the box has a shell: what colours its band had, by the phases they belong to."""
    seen: set[str] = set()
    deadline = time.monotonic() + BOOT
    while time.monotonic() < deadline and site.guest.runs:
        picture = monitor(stage, site, "starting")
        if picture is not None and picture.getpixel((4, 4)) in {rgb(x) for x, _ in COLORS.values()}:
            seen.add("0")
            break
        time.sleep(3)
    site.guest.wait_for_shell(BOOT)
    return seen


def taken(stage: Stage, site: Site, card: Card) -> None:
    code, told = site.guest.tell("noroshi", "identity", "--show", "--json")
    held = json.loads(told) if code == 0 else {}
    mine = {"serial": card.identity.serial, "ssid": card.identity.ssid, "pin": card.identity.pin.reveal()}
    stage.check(
        "the box is who the card says", {k: held.get(k) for k in mine} == mine, str(held.get("serial"))
    )
    left = site.guest.succeed("ls", "-A", "/boot").split()
    stage.check(
        "the card is off the boot partition",
        "noroshi.card" not in left and not [x for x in left if x.endswith(".going")],
        " ".join(left),
    )
    told = site.guest.succeed("cat", "/boot/noroshi-card.txt")
    stage.check("and what became of it stands there", "取り込みました" in told, told.strip()[:200])
    state = site.guest.succeed(
        "systemctl", "show", "noroshi-card", "noroshi-screen", "-p", "Id,Result,ActiveState,MemoryCurrent"
    )
    stage.check("both units ended or run well", state.count("Result=success") == 2, " ".join(state.split()))


def screen(stage: Stage, site: Site, card: Card) -> None:
    status = machines.status(site.place) or {}
    wanted = rgb(COLORS[LOOKS[status["phase"]]][0])
    point = status.get("access_point")
    codes = {PAGE, *({wifi_code(point["ssid"], point["passphrase"])} if point else set())}
    deadline = time.monotonic() + 30
    found: set[str] = set()
    color: object = None
    while time.monotonic() < deadline and (found, color) != (codes, wanted):
        time.sleep(3)
        picture = monitor(stage, site, "connected")
        if picture is not None:
            found, color = {x.text for x in zxingcpp.read_barcodes(picture)}, picture.getpixel((4, 4))
    stage.check(
        "the screen's band has the colour of its phase", color == wanted, f"{color} for {status['phase']}"
    )
    stage.check("a phone reads its codes from the screen", found == codes, f"{len(found)} of {len(codes)}")
    told = site.guest.succeed("cat", "/sys/class/graphics/fb0/name").strip()
    stage.check("drawn by the kernel's framebuffer", bool(told), told)


def monitor(stage: Stage, site: Site, name: str) -> Image.Image | None:
    """What the monitor shows now; kept beside the other pictures."""
    target = stage.shots / stage.scene / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, RuntimeError):
        site.guest.qmp("screendump", filename=str(target.resolve()), format="png")
        with Image.open(target) as picture:
            return picture.convert("RGB")
    return None


def rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
