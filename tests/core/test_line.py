"""What the answers on a line say of it."""

from __future__ import annotations

import random

import pytest

from appliance.core.line import LOST_AFTER, SUSPECTED_AFTER, Sample, patience, read
from appliance.core.machine import LineState

PACE = 0.1


def asked(*answers: float | None, pace: float = PACE) -> list[Sample]:
    """One question each `pace`; an answer is the round trip in seconds, None none. Starts at 0."""
    return [Sample(n * pace, None if x is None else n * pace + x) for n, x in enumerate(answers)]


def seen(samples: list[Sample], now: float) -> list[Sample]:
    """What was known at that moment."""
    return [
        Sample(x.sent, x.answered if x.answered is not None and x.answered <= now else None)
        for x in samples
        if x.sent <= now
    ]


def when(samples: list[Sample], state: LineState, start: float = 0.0) -> float | None:
    """The first moment at which the line is read so."""
    moments = (start + n * 0.01 for n in range(600))
    return next((x for x in moments if read(seen(samples, x), x).state is state), None)


def test_a_line_that_answers_is_good_and_one_never_asked_unknown() -> None:
    good = read(asked(*[0.02] * 30), 3.0)
    assert (good.state, round(good.round_trip, 3), good.loss, good.answered) == (
        LineState.GOOD,
        0.02,
        0.0,
        30,
    )
    assert read([], 3.0).state is LineState.UNKNOWN
    assert read(asked(None), 0.1).state is LineState.UNKNOWN


@pytest.mark.parametrize(
    ("round_trip", "suspected", "lost"), [(0.001, 0.25, 0.5), (0.05, 0.3, 0.6), (0.2, 0.9, 1.6)]
)
def test_a_cut_is_suspected_and_then_certain_as_fast_as_the_line_s_own_pace_allows(
    round_trip: float, suspected: float, lost: float
) -> None:
    samples = asked(*[round_trip] * 50, *[None] * 40)
    cut = 49 * PACE + round_trip
    first, second = when(samples, LineState.SUSPECTED, cut), when(samples, LineState.LOST, cut)
    assert first is not None
    assert second is not None
    assert SUSPECTED_AFTER <= first - cut <= suspected + PACE
    assert LOST_AFTER <= second - cut <= lost + PACE


def test_a_line_that_slows_down_is_slow_and_not_lost() -> None:
    growing = [0.02] * 50 + [min(0.02 + 0.03 * n, 1.5) for n in range(80)]
    assert when(asked(*growing), LineState.LOST) is None
    doubted = when(asked(*growing), LineState.SUSPECTED, start=5.0)
    assert doubted is not None
    assert 6.0 < doubted < 8.0


def test_a_slow_line_is_not_suspected_for_being_slow() -> None:
    assert when(asked(*[0.6] * 60), LineState.SUSPECTED, start=3.0) is None


def test_a_slow_asker_counts_silence_from_its_question() -> None:
    samples = asked(*[0.02] * 10, pace=2.0)
    assert read(samples, 19.9).state is LineState.GOOD


def test_late_answers_take_a_suspicion_back() -> None:
    samples = asked(*[0.02] * 50, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, *[0.02] * 20)
    assert when(samples, LineState.SUSPECTED, 5.0) is not None
    assert read(seen(samples, 5.9), 5.9).state is LineState.GOOD


def test_a_third_lost_is_seen_within_two_seconds_and_two_in_a_hundred_are_not() -> None:
    chance = random.Random(1)
    late = []
    for _ in range(200):
        losses = [None if chance.random() < 0.3 else 0.02 for _ in range(40)]
        found = when(asked(*[0.02] * 30, *losses), LineState.LOSING, 3.0)
        late.append(99.0 if found is None else found - 3.0)
    assert sorted(late)[190] < 2.8
    assert sorted(late)[100] < 1.8
    wrong = [
        when(asked(*[None if chance.random() < 0.02 else 0.02 for _ in range(60)]), LineState.LOSING)
        for _ in range(50)
    ]
    assert sum(x is not None for x in wrong) <= 2


def test_patience_grows_with_the_round_trip_and_its_jitter_and_ends() -> None:
    assert patience(0.0) == SUSPECTED_AFTER
    assert patience(0.1) == pytest.approx(0.3)
    assert patience(0.1, [0.1] * 8 + [0.4] * 2) == pytest.approx(0.6)
    assert patience(5.0) == 1.5
