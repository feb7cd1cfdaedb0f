"""What a box remembers between two turns; nothing of it has to survive a power cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from appliance.core import path_mtu
from appliance.core.machine import Observed, Status
from appliance.core.model import OPEN_PHASES, Phase
from appliance.core.queues import Queues
from appliance.core.uplinks import Choice

NEVER = float("-inf")  # by a clock that begins in 1970, zero was a few seconds ago


@dataclass(slots=True)
class Memory:
    """What the box remembers while it runs; nothing of it has to survive a power cut."""

    status: Status | None = None
    choice: Choice = field(default_factory=Choice)
    queues: Queues = field(default_factory=Queues)
    mtu: int = path_mtu.START
    milestones: dict[str, float] = field(default_factory=dict)
    proved_mission: float = 0.0

    def silence(self, observed: Observed, asked: float) -> float:
        """Seconds without an answer from the hub since we had a right to expect one: since `asked` at the earliest."""
        if not asked:
            return 0.0
        return observed.now - max(observed.hub.last_answer, self.choice.since, asked)

    def mark(self, now: float, *, usable: bool, arrived: bool) -> None:
        """How far the box came, and when; `usable`: some line is; `arrived`: the tunnel stands with its own key."""
        marks = self.milestones
        if usable:
            marks.setdefault("uplink", now)
        if arrived:
            marks.setdefault("tunnel", now)
        if self.status and self.status.phase in OPEN_PHASES:
            marks.setdefault("open", now)
        if self.status and self.status.phase is Phase.PROTECTED:
            marks.setdefault("protected", now)

    def shift(self, seconds: float) -> None:
        """The clock was set: what we remember moves along, or what waits for a time would never come."""
        if not seconds:
            return
        self.choice = self.choice.moved(seconds)
        self.milestones = {k: v + seconds for k, v in self.milestones.items()}
        if self.status is not None:
            self.status = replace(self.status, since=self.status.since + seconds)
