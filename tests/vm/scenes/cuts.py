"""The plug is pulled a thousand times: a box's life is recorded write by write, each cut is looked at offline, and a
sample of what they leave is booted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random

from scripts.exercise import machines
from tests.vm import disk, log_writes, power_cuts, soundness
from tests.vm.field import Site
from tests.vm.log_writes import Cut
from tests.vm.power_cuts import Checker, Found, Mark, Recording, Result
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, join, until_phase

STATE = "/var/lib/noroshi"
SEED = 20261122
BEGINNING = Mark(name="first boot", entries=0, state=soundness.NOTHING)
BOOT_ID = "/proc/sys/kernel/random/boot_id"
LENT = "/run/lent"
LEND = "mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host"
DIGEST = (
    "import sys; sys.path[:0] = ['/usr/lib/noroshi/lib/python3.13/site-packages']\n"
    "import hashlib, json, pathlib\n"
    "from appliance.host import files\n"
    f"data = files.read_private(pathlib.Path('{STATE}/config.json'))\n"
    "text = json.dumps(data, sort_keys=True).encode()\n"
    f"print('{soundness.NOTHING}' if data is None else hashlib.sha256(text).hexdigest()[:12])\n"
)


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.up(stage.tell, browser=False)
        recording = record(stage, site)
        result = look(stage, recording, stage.cuts)
        boot_some(stage, site, recording, result, stage.boots)


def record(stage: Stage, site: Site) -> Recording:
    """First boot, joining, changes by HQ, a reboot: with every write in a log."""
    log = fresh_log(stage)
    share = stage.image.parent  # the bundle lies beside the image
    site.prepare_box(stage.hardware(stage.layer("recorded"), write_log=log, share=share))
    marks = [BEGINNING]
    mark = partial(begin, stage, site, log, marks)
    site.power_on()
    site.guest.wait_for_shell(BOOT)
    until_phase(site, "SETUP", patience=PATIENCE)
    mark("joining")
    join(site)
    until_phase(site, *OPEN, patience=PATIENCE)
    time.sleep(5)
    mark("changes by HQ")
    change(site, range(2, 8))
    mark("restart")
    restart(site)
    mark("after the restart")
    time.sleep(5)
    update(stage, site, mark)
    site.power_off()
    return Recording(image=stage.fresh_disk(), log=log, marks=tuple(marks))


def fresh_log(stage: Stage) -> Path:
    log = stage.folder / "writes.log"
    log.write_bytes(b"")
    return log


def begin(stage: Stage, site: Site, log: Path, marks: list[Mark], name: str) -> None:
    """A part of the box's life. The state is asked for first: what the box had saved by now, it had answered for."""
    state = state_of(site)
    marks.append(Mark(name=name, entries=power_cuts.written_so_far(log), state=state))
    stage.tell(f"stage: {name}, {marks[-1].entries} writes so far")


def update(stage: Stage, site: Site, mark: Callable[[str], None]) -> None:
    """A bundle into the other slot, one start of it on trial, and the word that it is good."""
    bundle = stage.image.with_suffix(".raucb")
    if not bundle.exists():
        stage.tell(f"no {bundle}: the update is left out")
        return
    guest = site.guest
    mark("update")
    guest.succeed("sh", "-c", f"modprobe -a 9p 9pnet_virtio loop; mkdir -p {LENT}; {LEND} {LENT}")
    guest.succeed("rauc", "install", f"{LENT}/{bundle.name}", timeout=1200)
    guest.succeed("rauc", "status", "mark-active", "other", timeout=120)
    mark("first start of the other slot")
    restart(site)
    mark("confirm")
    guest.succeed("rauc", "status", "mark-good", timeout=120)
    mark("after the update")
    restart(site)
    slot = guest.succeed("sed", "s/.*rauc.slot=\\(.\\).*/\\1/", "/proc/cmdline").strip()
    stage.check("the update is in force and confirmed", slot == "B", f"slot {slot}")


def restart(site: Site) -> None:
    before = site.guest.succeed("cat", BOOT_ID)
    site.guest.tell("systemctl", "reboot", timeout=30)
    deadline = time.monotonic() + BOOT
    while time.monotonic() < deadline:
        time.sleep(5)
        site.guest.wait_for_shell(BOOT)
        if site.guest.tell("cat", BOOT_ID)[1] != before:
            break
    until_phase(site, *OPEN, patience=PATIENCE)


def change(site: Site, numbers: Iterable[int]) -> None:
    """More laptops. What HQ changes is on the box's disk some moments later, each time."""
    for number in numbers:
        before = state_of(site)
        words = (
            "device",
            "add",
            f"NS-{number:04d}",
            "--title",
            f"{number}台目",
            "--mac",
            f"02:6e:6f:72:6f:{number + 16:02x}",
        )
        machines.noroshi(site.place, "hq", "hq", *words, "--desktop", "*")
        deadline = time.monotonic() + 60
        while state_of(site) == before and time.monotonic() < deadline:
            time.sleep(1.0)


def state_of(site: Site) -> str:
    return site.guest.succeed("/usr/bin/python3", "-", text=DIGEST).split()[-1]


def look(stage: Stage, recording: Recording, count: int) -> Result:
    recording.save(stage.shots / "recording.json")
    result = Checker(recording, stage.tell).run(count)
    stage.table("Power cuts", power_cuts.table(result))
    for line in power_cuts.worst(result):
        stage.tell(line)
    stage.check(
        f"{len(result.found)} power cuts: file systems sound, state old or new, every startable slot whole",
        not result.bad,
        "; ".join(power_cuts.worst(result)[:3]),
    )
    return result


def boot_some(stage: Stage, site: Site, recording: Recording, result: Result, count: int) -> None:
    """Of each stage some, and every bad one first."""
    for number, found in enumerate(sample(result, count), start=1):
        name = f"cut {number} of {count} ({found.stage}, after {found.cut.end} writes, {len(found.cut.lost)} lost)"
        stage.tell(f"booting {name}")
        image = stage.folder / "cut.img"
        restore(recording, found.cut, image)
        site.guest.hardware = stage.hardware(stage.layer("cut", image))
        site.power_on()
        try:
            site.guest.wait_for_shell(BOOT)
            status = until_phase(site, *expected(found), patience=PATIENCE)
            failed = site.guest.succeed(
                "systemctl", "list-units", "--failed", "--no-legend", "--plain"
            ).strip()
            stage.check(f"{name} boots to {status['phase']}", not failed, failed[:200])
        except (TimeoutError, RuntimeError) as problem:
            stage.check(f"{name} boots", False, str(problem)[:300])
        finally:
            site.power_off()
            image.unlink(missing_ok=True)


def expected(found: Found) -> tuple[str, ...]:
    """The phases that a box with what the cut left may come to. HQ has lived on since: what a box was about to say to it
    while joining, HQ has heard already, and its invitation is gone."""
    if found.state == soundness.NOTHING:
        return ("SETUP",)
    return ("SETUP", "CONNECTING", *OPEN) if found.stage in ("first boot", "joining") else OPEN


def sample(result: Result, count: int) -> list[Found]:
    """Bad ones first, then of each stage in turn, those with something lost before the others."""
    chance = Random(SEED)
    chosen = result.bad[:count]
    heaps = []
    for stage in result.stages:
        mine = [x for x in result.found if x.stage == stage and not x.complaints]
        chance.shuffle(mine)
        heaps.append(sorted(mine, key=lambda x: x.cut.clean))
    while len(chosen) < count and any(heaps):
        for heap in heaps:
            if heap and len(chosen) < count:
                chosen.append(heap.pop(0))
    return chosen


def restore(recording: Recording, cut: Cut, target: Path) -> None:
    """The whole disk as this cut leaves it."""
    disk.copy(recording.image, target)
    with recording.log.open("rb") as log, target.open("r+b") as out:
        for entry in log_writes.entries(log, most=cut.end):
            length = log_writes.left_by(cut, entry)
            if not length:
                continue
            out.seek(entry.start)
            out.write(log_writes.content(log, entry)[:length])
