"""From the flashed image to the desktop: firmware, access point, wizard, tunnel, desktop, HQ's board; and nothing left
by the uplinks meanwhile but what may leave, from the first packet on.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

from scripts.exercise import machines
from scripts.exercise.act import Act
from scripts.exercise.browser import PageStuck
from scripts.exercise.timeline import EVENTS, Timeline, table
from tests.vm import control
from tests.vm.field import Site
from tests.vm.guest import NoAnswer
from tests.vm.outcome import Number
from tests.vm.stage import BOOT, Stage

PATIENCE = 600.0  # seconds for the whole of it
FIRMWARE_DONE = "BdsDxe: starting"  # what OVMF prints last
RADIOS = 2  # the box's own, and a station's
RAM_MOST = 320.0  # MiB
RAM = "free --mebi | awk '/^Mem/ {print $2 - $7}'"


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.up(stage.tell, browser=True)
        disk = stage.layer("joining")
        site.prepare_box(stage.hardware(disk), *control.radios(RADIOS))
        timeline = walk(stage, site)
        stage.check("from power-on to the desktop", timeline.ok, timeline.complaint)
        if timeline.ok:
            board(stage, site)
        look_inside(stage, site)
        left_by_the_uplinks(stage, site)


def walk(stage: Stage, site: Site) -> Timeline:
    """The act of the exercise, with what only a real machine has."""
    shots = stage.shots / stage.scene
    act = Act(site, shots, stage.tell, machines.issue_ticket(site.place), patience=PATIENCE)
    seen: dict[str, float] = {}
    shell = threading.Thread(target=attend, args=(stage, site, seen), daemon=True)
    site.once_started = shell.start
    timeline = act.run()
    shell.join(5)
    moments = {**timeline.moments, **seen}
    expected = ("power-on", *(x for x in seen), *(x for x in EVENTS if x != "power-on"))
    ordered = tuple(sorted(dict.fromkeys(expected), key=lambda x: moments.get(x, float("inf"))))
    timeline = replace(timeline, moments=moments, expected=ordered)
    stage.table("The image, from its firmware to a desktop", table(timeline, "(emulated processor)"))
    for problem in act.problems:
        stage.tell(problem)
    return timeline


def attend(stage: Stage, site: Site, seen: dict[str, float]) -> None:
    """Notes what the console and the shell tell, while the act goes on."""
    try:
        seen["kernel"] = site.guest.wait_for_words(FIRMWARE_DONE, BOOT)
        site.guest.wait_for_shell(BOOT)
        stage.tell("the test's own shell is there")
    except NoAnswer as problem:
        stage.tell(str(problem))


def board(stage: Stage, site: Site) -> None:
    try:
        site.look_at_board(stage.shots / stage.scene / "hq-board.png")
    except PageStuck as problem:
        stage.check("HQ's board shows the box", False, str(problem))
        return
    stage.check("HQ's board shows the box", True)


def look_inside(stage: Stage, site: Site) -> None:
    """What only a shell in the guest can tell."""
    guest = site.guest
    told = json.loads(
        guest.succeed("ip", "-json", "-details", "link", "show", "type", "wireguard", space="field")
    )
    stage.check("the tunnel is the kernel's WireGuard", bool(told), ", ".join(x["ifname"] for x in told))
    failed = guest.succeed("systemctl", "list-units", "--failed", "--no-legend", "--plain").strip()
    stage.check("no unit has failed", not failed, failed.replace("\n", "; ")[:300])
    used = float(guest.succeed("sh", "-c", RAM))
    stage.number(Number(what="RAM in use after boot", value=used, unit="MiB", command=RAM, at_most=RAM_MOST))
    analysed = guest.tell("systemd-analyze", "time")[1].strip()
    stage.table("systemd-analyze time", analysed)


def left_by_the_uplinks(stage: Stage, site: Site) -> None:
    leaks = site.leaks()
    kinds = sorted({str(x) for x in leaks})
    good = site.watch.good if site.watch else 0
    stage.check("something left by the uplinks: the taps hear", good > 0, f"{good} frames that may leave")
    told = f"{len(leaks)} frames: {', '.join(kinds[:8])}" if kinds else ""
    stage.check("nothing else left by the uplinks, from the first packet on", not leaks, told)


def shots_of(stage: Stage) -> Path:
    return stage.shots / stage.scene
