"""The scenes there are, in the order in which they are played, and which of them CI plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.vm.scenes import cuts, joining, lte, prepared, quick, rollback, speed, survival, update, wifi
from tests.vm.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    name: str
    line: str
    play: Callable[[Stage], None]


SCENES = (
    Scene(
        name="joining", line="from the flashed image to the desktop, nothing else leaves", play=joining.play
    ),
    Scene(
        name="prepared",
        line="written by noroshi image write with an invitation, switched on, nobody touches it; its screen is looked at",
        play=prepared.play,
    ),
    Scene(
        name="survival",
        line="a clock of 1970, 512 MB, a full data partition, the plug pulled",
        play=survival.play,
    ),
    Scene(
        name="power-cuts",
        line="every write recorded, more than a thousand cuts looked at, some of them booted",
        play=cuts.play,
    ),
    Scene(
        name="update",
        line="bundles refused, a good one fetched through the tunnel, tried and confirmed; probes all the time",
        play=update.play,
    ),
    Scene(
        name="rollback",
        line="two that do not work, by a USB stick: tried once, left again after ten and fifteen minutes",
        play=rollback.play,
    ),
    Scene(
        name="speed",
        line="the kernel's WireGuard through the box against bare wg, a full line with CAKE and without",
        play=speed.play,
    ),
    Scene(
        name="wifi",
        line="laptops by WPA2 and WPA3, kept apart; somebody's Wi-Fi as a line on one radio and on two",
        play=wifi.play,
    ),
    Scene(
        name="lte",
        line="a modem on USB is the only line: what it lacks is said, then the tunnel runs by it and nothing else",
        play=lte.play,
    ),
    Scene(
        name="quick",
        line="what CI plays: joining on a disk whose every write is recorded, then some cuts of just that",
        play=quick.play,
    ),
)
QUICK = ("quick",)
WHOLE = tuple(
    x.name for x in SCENES if x.name not in QUICK
)  # the quick one holds nothing that the others do not
