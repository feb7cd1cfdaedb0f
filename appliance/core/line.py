"""What the answers on one line say of it: good, suspected, losing, lost. Samples and a moment in, a reading out.

Every question (an echo request inside the tunnel, a scout's hello outside it) is a sample. Silence is counted from
the oldest question behind the newest answered one, and only while nothing at all arrives: a slow line's late answers
keep it from being taken for a dead one.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.core.machine import LineState

SUSPECTED_AFTER = 0.2  # seconds of silence at least; three round trips and the jitter where that is more
SUSPECTED_AT_MOST = 1.5
LOST_AFTER = 0.4  # seconds of silence, or twice the above
LOST_QUESTIONS = 3  # unanswered ones at least
RECENT = 12  # settled questions that losses are counted over
LOSING = 3  # of them unanswered: the line is left where another one is good
LOSING_SUSPECTED = 2  # of the last ten
SLOW_AFTER = 0.4  # seconds: answers that take longer, and three times the usual, are too late for a screen


@dataclass(frozen=True, slots=True)
class Sample:
    """One question; times are seconds of one clock."""

    sent: float
    answered: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    state: LineState
    round_trip: float = 0.0  # median of what was answered
    loss: float = 0.0  # 0..1 of what is settled
    answered: int = 0
    waiting: bool = False  # a question is open


def read(samples: Sequence[Sample], now: float, usual: float = 0.0) -> Reading:
    """`samples` in the order they were sent; `usual` is the round trip to expect where none was measured."""
    times = sorted(x.answered - x.sent for x in samples if x.answered is not None)
    round_trip = statistics.median(times) if times else usual
    limit = patience(round_trip, times)
    settled = [x for x in samples if x.answered is not None or now - x.sent > limit]
    reached = max((x.sent for x in samples if x.answered is not None), default=float("-inf"))
    heard = max((x.answered for x in samples if x.answered is not None), default=float("-inf"))
    open_ones = [x for x in samples if x.answered is None and x.sent > reached]
    silence = now - max(open_ones[0].sent, heard) if open_ones else 0.0
    state = _state(silence, limit, len(open_ones), settled, bool(times))
    if state is LineState.GOOD and _lateness(samples, open_ones, now) > max(SLOW_AFTER, 3 * round_trip):
        state = LineState.SUSPECTED
    return Reading(
        state=state,
        round_trip=round_trip,
        loss=sum(x.answered is None for x in settled) / len(settled) if settled else 0.0,
        answered=len(times),
        waiting=any(x.answered is None and now - x.sent <= limit for x in samples[-RECENT:]),
    )


def patience(round_trip: float, times: Sequence[float] = ()) -> float:
    """How long an answer may take before its line is suspected. `times` are sorted."""
    jitter = times[int(len(times) * 0.9)] - round_trip if len(times) >= 10 else 0.0
    return min(max(SUSPECTED_AFTER, 3 * round_trip + jitter), SUSPECTED_AT_MOST)


def _lateness(samples: Sequence[Sample], open_ones: Sequence[Sample], now: float) -> float:
    """How late the last answers were, or the next one is already: a queue grows on the way."""
    last = [x.answered - x.sent for x in samples if x.answered is not None][-3:]
    return max(min(last, default=0.0), now - open_ones[0].sent if open_ones else 0.0)


def _state(silence: float, limit: float, unanswered: int, settled: Sequence[Sample], ever: bool) -> LineState:
    if silence > max(LOST_AFTER, 2 * limit) and unanswered >= LOST_QUESTIONS:
        return LineState.LOST
    if silence > limit:
        return LineState.SUSPECTED
    recent = [x.answered is None for x in settled[-RECENT:]]
    if sum(recent) >= LOSING:
        return LineState.LOSING
    if sum(recent[-10:]) >= LOSING_SUSPECTED:
        return LineState.SUSPECTED
    return LineState.GOOD if ever else LineState.UNKNOWN
