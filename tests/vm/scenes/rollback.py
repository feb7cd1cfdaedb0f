"""Two versions that do not work, brought by a USB stick because the line is slow: one brings no tunnel up, the other's daemon
does not even start. The box tries each once, leaves it by itself and tells HQ. Probes are fired and the taps are read all
the time.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from tests.vm import bundles, updates
from tests.vm.life import Life, life
from tests.vm.outcome import Number
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, until_phase
from tests.vm.updates import INSTALLED, until, until_restarted

TRIAL, TIMER = 600.0, 900.0  # core/update.py: TRIAL_LASTS; noroshi-trial.timer
SLOW = 2_000_000  # bit/s
NO_WISH = "HQ wishes no update"  # host/stick.py


def play(stage: Stage) -> None:
    with life(stage) as x:
        broken_tunnel(x)
        no_daemon(x)


def broken_tunnel(x: Life) -> None:
    """Its daemon runs; the laptop stays where it is, and HQ says now."""
    version, home = x.version(20), updates.slot(x.site)
    bundle = x.shop.whole("no-tunnel", version, bundles.without_tunnel)
    start = by_stick(x, bundle, version, spoilt(bundle))
    x.session_lives("while the stick's bundle came")
    until_other(x, home, "now: although a laptop is there", start)
    before = updates.boot_id(x.site)
    x.probing.inside()
    status = until_phase(x.site, "BLOCKED", patience=PATIENCE)
    x.check("on trial its tunnel does not come up", True, f"{status['phase']} {status['reason']}")
    up = until_restarted(x.site, before, TRIAL + BOOT + PATIENCE)
    went_back(x, home, "the daemon goes back by itself", up, TRIAL)


def no_daemon(x: Life) -> None:
    version, home = x.version(30), updates.slot(x.site)
    start = by_stick(x, x.shop.whole("no-daemon", version, bundles.without_daemon), version, early=True)
    until_other(x, home, "a version whose daemon does not start", start)
    before = updates.boot_id(x.site)
    active = x.site.guest.tell("systemctl", "is-active", "noroshi-trial.timer", "noroshi.service")[1].split()
    x.check(
        "on trial only the timer watches",
        active[:1] == ["active"] and "active" not in active[1:],
        str(active),
    )
    x.probing.inside()
    up = until_restarted(x.site, before, TIMER + BOOT + PATIENCE)
    went_back(x, home, "the timer goes back without a daemon", up, TIMER)


def spoilt(bundle: Path) -> Path:
    """Another file of the same size, which a stick offers first."""
    wrong = bundle.with_name("a-wrong.raucb")
    octets = bytearray(bundle.read_bytes())
    octets[1 << 20] ^= 1
    wrong.write_bytes(octets)
    return wrong


def by_stick(x: Life, bundle: Path, version: str, *others: Path, early: bool = False) -> str:
    """The line is too slow, so somebody plugs a stick in; `early`: it is there before HQ wishes anything. Which start of
    the box it was."""
    image, size = x.stage.folder / "stick.img", bundle.stat().st_size
    updates.stick(image, *others, bundle)
    before = updates.digest(image)
    x.office.hand_out(bundle, keyring=x.shop.certificate)
    for path in (bundle, *others):
        path.unlink()
    start = updates.boot_id(x.site)
    updates.slow_line(x.site, SLOW)
    if early:
        x.site.guest.plug_stick(image)
        looked_at(x)
    x.office.start(version, "--now")
    until(x.site, "waited for", lambda told: told["wish"] == version and told["state"] == "fetch", 120)
    begun = time.monotonic()
    if not early:
        x.site.guest.plug_stick(image)
    until(x.site, "taken", lambda told: told["state"] != "fetch", INSTALLED)
    took, by_line = time.monotonic() - begun, size * 8 / SLOW
    x.check(
        f"a stick {'that was there before ' if early else ''}is taken while the line is slow",
        took < by_line / 2,
        f"{took:.0f} s; by the line {by_line:.0f} s",
    )
    said = of_sticks(x)
    with contextlib.suppress(RuntimeError):
        x.site.guest.pull_stick()
    x.check("and nothing on it was changed", updates.digest(image) == before, said[-200:])
    image.unlink()
    updates.slow_line(x.site)
    return start


def of_sticks(x: Life) -> str:
    return x.site.guest.tell("journalctl", "--no-pager", "-o", "cat", "-u", "noroshi-stick@*")[1].strip()


def looked_at(x: Life) -> None:
    """Until the box looked at a new stick and found nothing to do."""
    before, deadline = of_sticks(x).count(NO_WISH), time.monotonic() + PATIENCE
    while of_sticks(x).count(NO_WISH) <= before and time.monotonic() < deadline:
        time.sleep(2)


def until_other(x: Life, home: str, what: str, start: str) -> None:
    until_restarted(x.site, start, INSTALLED + BOOT + PATIENCE)
    slot = updates.slot(x.site)
    x.check(f"started once in the other slot ({what})", slot != home, slot)


def went_back(x: Life, home: str, what: str, up: float, after: float) -> None:
    x.check(f"{what}: in the old slot again", updates.slot(x.site) == home, x.boot_env())
    x.stage.number(
        Number(
            what=f"{what}, seconds after the start",
            value=round(up),
            unit="s",
            command="the last /proc/uptime of the trial",
            at_least=after - 30,
            at_most=after + 120,
        )
    )
    until_phase(x.site, *OPEN, patience=BOOT)
    told = until(x.site, "told", lambda told: told["trouble"] == "update-rolled-back", PATIENCE)
    heard = x.office.hears(lambda heard: heard.get("trouble") == "update-rolled-back")
    x.check(
        "HQ is told in words",
        heard.get("trouble") == "update-rolled-back",
        json.dumps(told["words"], ensure_ascii=False),
    )
    x.picture("/updates", f"hq-updates-{after:.0f}.png", "main")
    x.nothing_left(f"{what}, with the start before and the start after")
