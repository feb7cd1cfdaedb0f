"""The box's own screen and light: asks the door what there is, shows it, and says so where nobody answers.

It only looks. The picture is drawn in a child that ends: what draws is large, and a box's picture changes seldom.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.control import Refused, Unreachable, ask
from appliance.core.beacon import Blink, blink
from appliance.core.codec import Invalid
from appliance.core.screen import Scene, phase_of, scene
from appliance.host import files, framebuffer, led
from appliance.host import identity as identity_file

PAUSE = 2.0  # seconds between two looks


class Front:
    """What people see of the box without a phone. `device`: the framebuffer; `leds`: where lights are."""

    def __init__(
        self, run: Path, state: Path, device: Path = framebuffer.DEVICE, leds: Path = led.LEDS
    ) -> None:
        self._door, self._state, self._device, self._leds = run / "door", state, device, leds
        self._heard = time.monotonic()
        self._shown: tuple[Scene, framebuffer.Screen] | None = None
        self._lit: Blink | None = None

    def run(self) -> None:
        terminal = sys.stdin.fileno()
        with framebuffer.quiet_console(terminal):
            while True:
                self.look()
                time.sleep(PAUSE)

    def look(self) -> None:
        """Once."""
        status = self._status()
        if status is not None:
            self._heard = time.monotonic()
        self._light(blink(phase_of(status)))
        self._picture(self.scene(status))

    def scene(self, status: Mapping[str, Any] | None) -> Scene:
        return scene(status, time.monotonic() - self._heard, self._pin())

    def _status(self) -> Mapping[str, Any] | None:
        try:
            return ask(self._door, {"ask": "status"}, timeout=5.0)
        except (Unreachable, Refused):
            return None

    def _pin(self) -> str:
        """Of a box that nobody prepared; on a prepared one's paper it stands below the fold."""
        if (self._state / identity_file.PREPARED).exists():
            return ""
        try:
            held = identity_file.load(self._state)
        except (OSError, files.Damaged, Invalid):
            return ""
        return held.pin.reveal() if held else ""

    def _light(self, wanted: Blink) -> None:
        found = led.find(self._leds)
        if found is None or wanted == self._lit:
            return
        with contextlib.suppress(OSError):
            led.show(found, wanted)
            self._lit = wanted

    def _picture(self, wanted: Scene) -> None:
        screen = framebuffer.look(self._device)
        if screen is None or (wanted, screen) == self._shown:
            return
        if _in_a_child(wanted, screen, self._device):
            self._shown = (wanted, screen)


def _in_a_child(wanted: Scene, screen: framebuffer.Screen, device: Path) -> bool:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    code = 1
    try:
        from appliance.host.picture import draw

        framebuffer.put(draw(wanted, screen.width, screen.height), screen, device)
        code = 0
    except Exception as error:  # the child has nobody to tell but the log
        sys.stderr.write(f"noroshi: the screen could not be drawn: {error!r}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)
