"""Tells a person at a terminal how far the exercise is: one line for each thing, with the time it took."""

from __future__ import annotations

import sys
import time


class Progress:
    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        sys.stderr.write(f"\033[2m{time.monotonic() - self._start:6.1f} s\033[0m  {text}\n")
        sys.stderr.flush()
