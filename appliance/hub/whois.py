"""Which box has an address: asked at the door, remembered for a few seconds.

WireGuard lets a source address through only from the peer that owns it, so the address names the box; its
reports are signed besides. Few seconds, because a revoked box must not go on being believed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import control

REMEMBER = 5.0  # seconds
MOST = 8192  # addresses; more than a fleet has


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A box as the hub's daemon knows it; `version` is that of its newest assignment."""

    box: str
    report_public: str
    version: int


class Whois:
    """Answers are kept per process; strangers are remembered too, so that they cost the door little."""

    def __init__(self, door: Path, remember: float = REMEMBER) -> None:
        self._door = door
        self._remember = remember
        self._answers: dict[str, tuple[float, Known | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, address: str) -> Known | None:
        """None = no box of ours. Raises `control.Unreachable` when the daemon does not answer."""
        now = time.monotonic()
        with self._lock:
            known = self._answers.get(address)
        if known is not None and now - known[0] < self._remember:
            return known[1]
        answer = self._ask(address)
        with self._lock:
            if len(self._answers) >= MOST:
                self._answers.clear()
            self._answers[address] = (now, answer)
        return answer

    def _ask(self, address: str) -> Known | None:
        try:
            answer: dict[str, Any] = control.ask(self._door, {"ask": "whois", "address": address})
        except control.Refused:
            return None
        return Known(
            box=str(answer["box"]), report_public=str(answer["report_public"]), version=int(answer["version"])
        )
