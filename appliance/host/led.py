"""The light of a board, through the kernel's LED class: it goes on blinking by itself, whatever becomes of us."""

from __future__ import annotations

import contextlib
from pathlib import Path

from appliance.core.beacon import Blink, pattern

LEDS = Path("/sys/class/leds")
NAMES = ("ACT", "led0", "noroshi")  # Raspberry Pi's, by its new and its old name; and a light of one's own


def find(leds: Path = LEDS) -> Path | None:
    return next((leds / x for x in NAMES if (leds / x / "trigger").exists()), None)


def show(led: Path, shown: Blink) -> None:
    """Raises OSError. Where the kernel has no such trigger the light is steady, which is better than a wrong one."""
    triggers = (led / "trigger").read_text().replace("[", "").replace("]", "").split()
    if len(shown.steps) == 2 and "timer" in triggers:
        _write(led, "trigger", "timer")
        _write(led, "delay_on", str(shown.steps[0]))
        _write(led, "delay_off", str(shown.steps[1]))
    elif not shown.steady and "pattern" in triggers:
        _write(led, "trigger", "pattern")
        _write(led, "pattern", pattern(shown))
    else:
        _write(led, "trigger", "none")
        with contextlib.suppress(OSError):
            _write(led, "brightness", (led / "max_brightness").read_text().strip() or "1")


def _write(led: Path, name: str, value: str) -> None:
    (led / name).write_text(value)
