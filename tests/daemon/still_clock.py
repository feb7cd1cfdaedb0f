"""A clock that moves only when a test says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class StillClock:
    wall: float
    uptime: float = 100.0
    handshakes: bool = True  # whether setting it moves WireGuard's dates

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime

    def set(self, moment: float) -> None:
        self.wall = moment

    def dates_handshakes(self) -> bool:
        return self.handshakes

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds
