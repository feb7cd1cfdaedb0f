"""What a box has to live with: a clock that wakes in 1970, 512 MB of memory, a data partition that is full, the plug
pulled in all of that.
"""

from __future__ import annotations

import time
from dataclasses import replace

from appliance.core.clock import SAVE_AFTER
from scripts.exercise import machines
from scripts.exercise.place import Place
from tests.vm.field import Site
from tests.vm.outcome import Number
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, join, until_phase

PAST = "1970-01-01T00:00:00"
MEMORY = 512
DATA = "/var/lib/noroshi"
FILLED = f"dd if=/dev/zero of={DATA}/fill bs=1M 2>&1 || true; dd if=/dev/zero of={DATA}/fill2 bs=1 count=65536 2>&1 || true; df -B1 --output=avail {DATA} | tail -n 1"
WRITES = "awk '$3 ~ /^nvme0n1$/ {print $10 * 512}' /proc/diskstats"
IDLE = (
    SAVE_AFTER + 20.0
)  # seconds of watching what an idle box writes: all that it does by itself comes up in them
WRITTEN_MOST = 1.0  # MB an hour


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.up(stage.tell, browser=False)
        site.prepare_box(stage.hardware(stage.layer("survival")))
        first(stage, site)
        in_the_past(stage, site)
        full(stage, site)
        leaks = site.leaks()
        stage.check(
            "nothing else left by the uplinks meanwhile",
            not leaks,
            ", ".join(sorted({str(x) for x in leaks})[:6]),
        )


def first(stage: Stage, site: Site) -> None:
    """A box that has joined, and what it writes when nothing happens."""
    site.power_on()
    site.guest.wait_for_shell(BOOT)
    until_phase(site, "SETUP", patience=PATIENCE)
    join(site)
    until_phase(site, *OPEN, patience=PATIENCE)
    stage.check("a box joins", True)
    time.sleep(30)  # what joining wrote is behind us
    before = written(site)
    time.sleep(IDLE)
    hourly = (written(site) - before) * 3600 / IDLE / 1e6
    command = f"{WRITES}, twice, {IDLE:.0f} s apart"
    stage.number(
        Number(
            what="written to the disk by an idle box",
            value=round(hourly, 2),
            unit="MB/h",
            command=command,
            at_most=WRITTEN_MOST,
        )
    )
    site.power_off()


def written(site: Site) -> float:
    return float(site.guest.succeed("sh", "-c", f"sync; {WRITES}").strip() or 0)


def in_the_past(stage: Stage, site: Site) -> None:
    usual = site.guest.hardware
    site.guest.hardware = replace(usual, clock=PAST, memory=MEMORY)
    site.power_on()
    site.guest.wait_for_shell(BOOT)
    status = until_phase(site, *OPEN, patience=PATIENCE)
    stage.check("with a clock of 1970 and 512 MB of memory: desktops open", True, str(status["phase"]))
    marks = status["milestones"]
    assert isinstance(marks, dict)
    if "uplink" in marks and "tunnel" in marks:
        took = float(marks["tunnel"]) - float(marks["uplink"])
        stage.number(
            Number(
                what="from a line to the tunnel, clock in 1970",
                value=round(took, 1),
                unit="s",
                command="noroshi status --json: milestones",
                at_most=15.0,
            )
        )
    year = int(site.guest.succeed("date", "+%Y"))
    stage.check("the kernel's clock is right again", abs(year - time.gmtime().tm_year) <= 1, str(year))
    killed = site.guest.tell("sh", "-c", "journalctl -k --no-pager | grep -ci 'out of memory'")[1].strip()
    stage.check("nothing was ended for want of memory", killed == "0", killed)
    site.power_off()
    site.guest.hardware = usual


def full(stage: Stage, site: Site) -> None:
    """No room is left for a single octet; then the plug is pulled."""
    site.power_on()
    site.guest.wait_for_shell(BOOT)
    until_phase(site, *OPEN, patience=PATIENCE)
    left = site.guest.succeed("sh", "-c", FILLED, timeout=300).split()[-1]
    stage.check("the data partition is full", int(left) < 65536, f"{left} octets left")
    renew(site.place)
    time.sleep(10)
    status = until_phase(site, *OPEN, patience=60)
    stage.check("a full data partition closes nothing", True, str(status["phase"]))
    site.power_off()
    site.power_on()
    site.guest.wait_for_shell(BOOT)
    until_phase(site, *OPEN, patience=PATIENCE)
    stage.check("and the box comes up again after the plug was pulled", True)
    site.guest.succeed("sh", "-c", f"rm -f {DATA}/fill {DATA}/fill2")
    site.power_off()


def renew(place: Place) -> None:
    """HQ changes something, so that the box has something to save."""
    machines.noroshi(place, "hq", "hq", "policy", "--all", "--in-need", "usb")
