"""What the pages work with: the door, the register, and one picture of the board for everybody who looks.

The board is drawn at most once a second however many screens show it. When the hub's daemon is silent the
last known fleet is shown, and the pages say so.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import current_app

from appliance import control
from appliance.hub import board, records
from appliance.hub.board import Board, History, Present

FRESH = 1.0  # seconds one picture of the board is good for


class Drawings:
    """What was made of one picture of the board, by name; thrown away with it."""

    def __init__(self, board: Board | None) -> None:
        self.board = board
        self.made: dict[str, str] = {}


class Desk:
    def __init__(self, door: Path, register: sa.Engine) -> None:
        self._door = door
        self._register = register
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._fleet: Mapping[str, Any] = {}
        self._drawn = 0.0
        self.hub_silent = False
        self.drawings = Drawings(None)

    def ask(self, verb: str, **details: Any) -> dict[str, Any]:
        """One request at the door. What it changes is seen on the next page at once."""
        answer = control.ask(self._door, {"ask": verb, **details})
        self._drawn = 0.0
        return answer

    def fleet(self) -> Mapping[str, Any]:
        """What HQ decided. Raises `Unreachable`: who wants to change something must not see old things."""
        self._fleet = control.ask(self._door, {"ask": "fleet"})
        return self._fleet

    def record(self, name: str) -> Mapping[str, Any]:
        """What was decided about one box, as last heard; empty for a box the door does not list."""
        with contextlib.suppress(control.Unreachable):
            self.fleet()
        return next((box for box in self._fleet.get("boxes", ()) if box.get("name") == name), {})

    def board(self) -> Board:
        with self._lock:
            moment = time.monotonic()
            if self._board is None or moment - self._drawn >= FRESH:
                self._board = self._draw(time.time())
                self._drawn = moment
            return self._board

    def _draw(self, now: float) -> Board:
        records.settle(self._register, now)
        rows = board.latest_rows(self._register)
        try:
            fleet, self.hub_silent = self.fleet(), False
        except control.Unreachable:
            known = {"boxes": [{"name": row["box"]} for row in rows]}
            fleet, self.hub_silent = self._fleet or known, True
        return board.draw(fleet, rows, now, board.software_told(self._register))

    def history(self, box: str) -> History:
        return board.history(self._register, box, time.time())

    def present(self) -> dict[str, Present]:
        """Who is behind which box, by its newest report."""
        return board.present(self._register, time.time())

    def keep_house(self, now: float, prune: bool) -> None:
        """For the timer: silence becomes flips even when nobody looks."""
        records.settle(self._register, now)
        if prune:
            records.prune(self._register, now)


def desk() -> Desk:
    found = current_app.extensions["noroshi-desk"]
    assert isinstance(found, Desk)
    return found
