"""Which sockets were ever seen, kept through a power cut, so that a dead one does not pass its colour on; and HQ's word on
their colours, kept for the machine's next start. Until then no socket changes its colour, also not with a new daemon: what
ran for the old colour would still be there, and a line would get DHCP."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.core import sockets
from appliance.core.codec import Invalid, load
from appliance.core.identity import Identity, are_sockets
from appliance.core.machine import Machine, Observed
from appliance.host import files
from appliance.host import identity as identity_file


def in_force(run: Path, own: tuple[int, ...]) -> tuple[int, ...]:
    """The blue sockets since the machine's start, which `run` does not outlive; `own`: what the disk says now."""
    path = run / "blue.json"
    try:
        found = load(tuple[int, ...], json.loads(path.read_text()))
        if are_sockets(found):
            return found
    except (OSError, ValueError, RecursionError):
        pass
    try:
        files.write_atomically(path, json.dumps(own))
    except OSError as error:
        sys.stderr.write(f"noroshi: the colours of this start could not be noted: {error}\n")
    return own


class Sockets:
    """Call `look` first in each turn: it says what this machine's uplinks and ports are now."""

    def __init__(self, state: Path, identity: Identity) -> None:
        self._state, self._path = state, state / "sockets.json"
        self._kept = self._panel = _read(self._path)
        self._identity = identity  # as it is on the disk
        self._heard: tuple[int, ...] = ()  # what HQ said last, obeyed or not
        self._why = ""  # and what the box has against it
        self._blue: tuple[int, ...] = ()  # what counts since the machine's start

    def look(self, machine: Machine, observed: Observed) -> Machine:
        if not machine.follows:
            return machine
        self._panel = sockets.look(self._panel, observed.links, machine.outside)
        if self._panel.remembered != self._kept.remembered:
            self._keep()
        return sockets.fitted(machine, self._panel, observed)

    def obey(self, blue: tuple[int, ...], machine: Machine) -> None:
        """HQ's declaration, if it made one: it becomes the box's own, as the personal file's did, and counts from the next
        start. Once for each word of HQ's."""
        if blue == self._heard or (machine.follows and not self._panel.remembered):
            return
        self._heard, self._blue = blue, machine.blue
        self._why = self._objection(blue, machine)
        if blue == self._identity.blue or not blue:
            return
        if self._why:
            sys.stderr.write(f"noroshi: HQ's blue sockets {blue} do not count: {self._why}\n")
            return
        declared = replace(self._identity, blue=blue)
        try:
            identity_file.save(self._state, declared)
        except OSError as error:  # HQ's word is kept in the configuration: the next start tries again
            sys.stderr.write(f"noroshi: HQ's blue sockets could not be saved: {error}\n")
            return
        self._identity = declared

    def _objection(self, blue: tuple[int, ...], machine: Machine) -> str:
        if not machine.follows:
            return "fixed"
        if blue == self._identity.blue:  # as the box is anyhow
            return ""
        return sockets.objection(blue, len(self._panel.remembered), wifi=self._identity.ssid != "")

    def told(self) -> dict[str, Any]:
        """For HQ: what came of its declaration; nothing where it made none, or where it was not looked at yet."""
        if not self._heard:
            return {}
        state, why = sockets.outcome(self._heard, self._identity.blue, self._blue, self._why)
        return {"blue": list(self._heard), "state": state.value, "why": why}

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
