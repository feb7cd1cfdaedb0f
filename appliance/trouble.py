"""What failed, and how long that is a fact: a step that only an open phase wants is not tried while it is closed, so
its failure would be forgotten, the box would open, fail and close again, and so on."""

from __future__ import annotations

from appliance.core.machine import Failure
from appliance.core.plan import Step

FAILURES_TOLD = 3  # turns in a row with a failing step before it counts: some heal with the next turn
FIRST_HOLD = 10.0  # seconds that a failure counts though nothing fails any more; doubled each time it is back
LONGEST_HOLD = 300.0


class Trouble:
    """Times are monotonic."""

    def __init__(self) -> None:
        self.turns = 0  # in a row with a failure
        self._failure: Failure | None = None
        self._forget(None)

    def _forget(self, step: Step | None) -> None:
        self._step = step
        self._until, self._hold = 0.0, FIRST_HOLD
        self._again = False  # it was held once already: its next failure counts at once

    def facts(self, now: float) -> tuple[Failure, ...]:
        told = self.turns >= FAILURES_TOLD or self.held(now) > 0
        return (self._failure,) if told and self._failure else ()

    def held(self, now: float) -> float:
        """Seconds until the failing step may be tried once more."""
        return max(0.0, self._until - now)

    def failed(self, failure: Failure, step: Step | None, now: float) -> None:
        """A turn ended with it. Without a step nobody could say what to do."""
        # What an open phase wants differs a little each time it is tried; its kind is what fails again.
        if type(step) is not type(self._step) or now - self._until > LONGEST_HOLD:
            self._forget(step)
        self._step = step
        self.turns += 1
        self._failure = failure
        if step is not None and (self._again or self.turns == FAILURES_TOLD) and not self.held(now):
            self._until = now + self._hold
            self._hold, self._again = min(2 * self._hold, LONGEST_HOLD), True

    def applied(self, step: Step) -> None:
        if step == self._step:
            self._forget(None)

    def turned(self) -> None:
        """A whole turn without a failure."""
        self.turns = 0
