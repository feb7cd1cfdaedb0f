"""Which sockets were ever seen, kept through a power cut, so that a dead one does not pass its colour on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from appliance.core import sockets
from appliance.core.codec import Invalid
from appliance.core.machine import Machine, Observed
from appliance.host import files


class Sockets:
    """Call `look` first in each turn: it says what this machine's uplinks and ports are now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = self._panel = _read(path)

    def look(self, machine: Machine, observed: Observed) -> Machine:
        if not machine.follows:
            return machine
        self._panel = sockets.look(self._panel, observed.links, machine.outside)
        if self._panel.remembered != self._kept.remembered:
            self._keep()
        return sockets.fitted(machine, self._panel, observed)

    def _keep(self) -> None:
        self._kept = self._panel
        try:
            files.write_private(self._path, list(self._panel.remembered))
        except OSError as error:  # the next start numbers what is there then
            sys.stderr.write(f"noroshi: the sockets could not be saved: {error}\n")

    def view(self, machine: Machine, observed: Observed, radio: str) -> list[dict[str, Any]]:
        return sockets.view(machine, self._panel, observed, radio)


def _read(path: Path) -> sockets.Panel:
    """What cannot be read is numbered anew."""
    try:
        data = files.read_private(path)
        return sockets.read_panel(data) if data is not None else sockets.Panel()
    except (files.Damaged, Invalid, ValueError):
        return sockets.Panel()
