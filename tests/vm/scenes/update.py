"""Updates as HQ and the box do them, on the booted image: what must not be taken is refused, a good version comes through
the tunnel and stays. Probes are fired and the taps are read all the time.
"""

from __future__ import annotations

import time

from tests.vm import updates
from tests.vm.life import Life, life
from tests.vm.refused import refusals
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, until_phase
from tests.vm.updates import INSTALLED, until, until_restarted

FETCHED = 1500.0  # seconds for 190 MB through the emulated tunnel, a part of it beside a laptop


def play(stage: Stage) -> None:
    with life(stage) as x:
        refusals(x)
        good(x)


def good(x: Life) -> None:
    version = x.version(10)
    bundle = x.shop.whole("good", version)
    x.office.hand_out(bundle, keyring=x.shop.certificate)
    x.office.start(version)
    begun = time.monotonic()
    until(x.site, "on its way", lambda told: told["wish"] == version and told["percent"] > 0, 120)
    x.probing.inside()
    gently = pace(x, 8, bundle.stat().st_size)
    x.session_lives("while the bundle comes")
    x.get_up()
    alone = pace(x, 70, bundle.stat().st_size)
    told = f"{gently / 1e3:.0f} kB/s beside a laptop, {alone / 1e3:.0f} without one"
    x.check("a laptop's line is left to it: the bundle comes more slowly meanwhile", gently < alone / 2, told)
    x.sit_down()
    until(x.site, "fetched", lambda told: told["state"] in ("install", "wait"), FETCHED)
    x.took(
        f"a bundle of {bundle.stat().st_size >> 20} MiB fetched through the tunnel, a laptop at work for a part of it",
        begun,
    )
    x.session_lives("while the bundle came")
    begun = time.monotonic()
    until(x.site, "installed", lambda told: told["state"] == "wait", INSTALLED)
    x.took("installed in the background to the other slot", begun)
    x.probing.inside()
    time.sleep(40)  # longer than a box without laptops would wait
    x.session_lives("while it was installed, and the box waits for the laptop to go")
    x.check("no restart while a laptop is there", updates.slot(x.site) == "A")
    x.nothing_left("fetching and installing")
    restart_when_left(x)
    confirmed(x, version)


def pace(x: Life, percent: int, size: int) -> float:
    """Octets a second, until so much of the bundle is there."""
    first, begun = until(x.site, "seen", lambda _: True, 60)["percent"], time.monotonic()
    last = until(x.site, f"at {percent} %", lambda told: told["percent"] >= percent, FETCHED)["percent"]
    return float(last - first) / 100 * size / (time.monotonic() - begun)


def restart_when_left(x: Life) -> None:
    before = updates.boot_id(x.site)
    x.get_up()
    until_restarted(x.site, before, BOOT + PATIENCE)
    x.check("once the laptop is gone the box starts into the other slot", updates.slot(x.site) == "B")


def confirmed(x: Life, version: str) -> None:
    begun = time.monotonic()
    x.probing.inside()
    until(x.site, "confirmed", lambda told: told["version"] == version and not told["on_trial"], BOOT)
    x.took("from the new version's shell until it was confirmed", begun)
    until_phase(x.site, *OPEN, patience=PATIENCE)
    x.check("the boot loader holds it for good", "good=B" in x.boot_env(), x.boot_env())
    told = x.office.hears(lambda told: told.get("version") == version and not told.get("on_trial"))
    x.check(
        "HQ's board shows version and slot",
        (told.get("version"), told.get("slot")) == (version, "B"),
        str(told),
    )
    failed = x.site.guest.succeed("systemctl", "list-units", "--failed", "--no-legend", "--plain").strip()
    x.check("no unit has failed", not failed, failed[:200])
    x.sit_down()
    x.check("the laptop opens its desktop on the new version", True)
    x.picture("/", "hq-board.png", f'[data-version="{version}"]')
    x.nothing_left("restart, trial, confirmed")
