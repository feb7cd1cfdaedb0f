"""What a box remembers while it runs; nothing of it has to survive a power cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from appliance.core import path_mtu
from appliance.core.machine import Observed, Status
from appliance.core.model import OPEN_PHASES, Config, Phase, Reason
from appliance.core.queues import Queues
from appliance.core.uplinks import Choice

NEVER = float("-inf")  # by a clock that begins in 1970, zero was a few seconds ago


@dataclass(slots=True)
class Memory:
    """What the box remembers while it runs; nothing of it has to survive a power cut."""

    status: Status | None = None
    choice: Choice = field(default_factory=Choice)
    queues: Queues = field(default_factory=Queues)
    asked_since: float = 0.0
    key_since: float = 0.0
    letter_at: float = NEVER
    reported_at: float = NEVER
    reported: tuple[Phase, Reason] | None = None  # what HQ was told last
    sequence: int = 0
    mtu: int = path_mtu.START
    begun: bool = False
    shaken_key: str = ""
    milestones: dict[str, float] = field(default_factory=dict)
    told_proof: float = 0.0
    proved_mission: float = 0.0

    def silence(self, observed: Observed) -> float:
        """Seconds without an answer from the hub since we had a right to expect one."""
        if not self.asked_since:
            return 0.0
        return observed.now - max(observed.hub.last_answer, self.choice.since, self.asked_since)

    def mark(self, config: Config, now: float, *, usable: bool) -> None:
        """How far the box came, and when; `usable`: some line is."""
        marks = self.milestones
        if usable:
            marks.setdefault("uplink", now)
        if config.keys and self.shaken_key == config.keys.tunnel_public:
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
        if self.asked_since:
            self.asked_since += seconds
        self.key_since += seconds
        self.letter_at += seconds
        self.reported_at += seconds
        self.milestones = {k: v + seconds for k, v in self.milestones.items()}
        if self.status is not None:
            self.status = replace(self.status, since=self.status.since + seconds)
