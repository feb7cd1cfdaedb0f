"""The machine's clock. Where the machine is ours alone it is set; elsewhere only what we decide by moves, by an offset.

WireGuard dates its handshakes by the kernel's clock, so an offset never helps nor harms the tunnel.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

UNSTEADY = 0.05  # seconds two clocks may differ by because they cannot be read at once


class Clock(Protocol):
    """What decisions are made by. Tests have one that stands still."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def set(self, moment: float) -> None: ...

    def dates_handshakes(self) -> bool:
        """Whether setting it moves the dates that WireGuard writes."""


class MachineClock:
    """`offset`: seconds by which the kernel's clock is known to be wrong."""

    def __init__(self, may_set: bool = False, offset: float = 0.0) -> None:
        self._may_set, self._offset = may_set, offset

    def now(self) -> float:
        return time.time() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def dates_handshakes(self) -> bool:
        return self._may_set

    def set(self, moment: float) -> None:
        if self._may_set:
            try:
                time.clock_settime(time.CLOCK_REALTIME, moment)
                return
            except OSError as error:  # a container, for example: then we know better than the kernel
                sys.stderr.write(f"noroshi: the clock cannot be set: {error}\n")
                self._may_set = False
        self._offset = moment - time.time()


class Moments:
    """Dates that others write by the kernel's clock, held by the monotonic one from the moment they are first seen:
    a clock that is set makes no handshake older or younger."""

    def __init__(self, clock: Clock, kernel: Callable[[], float] = time.time) -> None:
        self._clock, self._kernel = clock, kernel
        # what it is → the date, our date, and how far our clock was from the monotonic one then
        self._known: dict[str, tuple[float, float, float]] = {}
        self._looked: float | None = None

    def looked(self) -> None:
        """Called after each observation: what changes later cannot be older than this."""
        self._looked = self._clock.monotonic()

    def held(self, what: str, date: float) -> float:
        """The date by our clock; 0.0 stays 0.0."""
        if not date:
            self._known.pop(what, None)
            return 0.0
        now, monotonic = self._clock.now(), self._clock.monotonic()
        known = self._known.get(what)
        if known is None or known[0] != date:
            age = max(0.0, self._kernel() - date)
            if self._looked is not None:
                age = min(age, monotonic - self._looked)
            known = self._known[what] = (date, now - age, now - monotonic)
        moved = now - monotonic - known[2]
        return known[1] + moved if abs(moved) > UNSTEADY else known[1]
