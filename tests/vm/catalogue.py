"""The scenes there are, in the order in which they are played, and which of them CI plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.vm.scenes import cuts, joining, survival
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
)
QUICK = ("joining", "power-cuts")
COUNTS = {"cuts": 1200, "boots": 10}
