"""The machine's clock: stepped forward only, and only where the machine is ours alone."""

from __future__ import annotations

import time


def step_forward(moment: float) -> None:
    """`moment`: seconds since the epoch, as HQ signed it. A clock that is ahead already stays."""
    if moment > time.time():
        time.clock_settime(time.CLOCK_REALTIME, moment)
