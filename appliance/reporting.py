"""What HQ is told of a box, and when: every ten seconds, and at once when HQ's picture of it is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.climbing import Climbing
from appliance.core import health
from appliance.core.logbook import Line
from appliance.core.machine import Status
from appliance.core.model import Phase, Reason
from appliance.core.phase import HUB_ANSWERED
from appliance.letters import Letters
from appliance.memory import NEVER
from appliance.proving import Proving
from appliance.snapshot import Snapshot
from appliance.sockets import Sockets
from appliance.timekeeper import Timekeeper
from appliance.updating import Updating

NEWS_INTERVAL = 0.3  # seconds between two reports at least, however often the phase changes


class Reporting:
    """`boot`: this start's own word, under which HQ counts the reports. `journal`: what it was not told yet."""

    def __init__(
        self,
        letters: Letters,
        boot: str,
        clock: Timekeeper,
        climbing: Climbing,
        updating: Updating,
        proving: Proving,
        sockets: Sockets,
        journal: Callable[[], Sequence[Line]],
    ) -> None:
        self._letters, self._boot, self._clock = letters, boot, clock
        self._climbing, self._updating, self._proving = climbing, updating, proving
        self._sockets, self._journal = sockets, journal
        self._at = NEVER
        self._said: tuple[Phase, Reason] | None = None
        self._sequence = 0
        self._told_proof = 0.0

    def shift(self, seconds: float) -> None:
        """The clock was set: what waits for a time moves along."""
        self._at += seconds

    def due(self, status: Status | None, snapshot: Snapshot | None, now: float) -> float:
        """Seconds until the next report."""
        present = status and (status.phase, status.reason)
        due = self._at + (health.REPORT_INTERVAL if present == self._said else NEWS_INTERVAL) - now
        seen = snapshot.observed if snapshot else None
        if seen is not None and seen.hub.last_answer and seen.now - seen.hub.last_answer < HUB_ANSWERED:
            due = min(due, self._clock.until_question())
        return due

    def write(self, snapshot: Snapshot, milestones: Mapping[str, float]) -> None:
        """For the courier; on the disk that lasts while HQ has not answered for long."""
        if snapshot.config.keys is None:
            return
        observed = snapshot.observed
        self._at = observed.now
        self._said = (snapshot.status.phase, snapshot.status.reason)
        self._sequence += 1
        report = health.report(
            snapshot.config,
            snapshot.status,
            observed,
            snapshot.uplinks,
            milestones,
            self._untold_proof(),
            self._boot,
            self._sequence,
            time.monotonic(),
            self._clock.question(),
            snapshot.known,
            self._climbing.ways(),
            self._updating.view(),
            self._journal(),
            self._sockets.told(),
        )
        lasting = observed.now - observed.hub.last_answer > 3 * health.REPORT_INTERVAL
        self._letters.write_report(snapshot.config, report, observed.now, lasting=lasting)

    def _untold_proof(self) -> dict[str, Any] | None:
        """A proof goes to HQ once; every report would be four times its size with it."""
        proof = self._proving.proof
        if proof is None or proof["running"] or proof["at"] == self._told_proof:
            return None
        self._told_proof = proof["at"]
        return proof
