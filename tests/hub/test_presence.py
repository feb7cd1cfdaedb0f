"""Up, late, down: tables over one stamp and one now."""

import pytest

from appliance.hub.presence import Flip, Presence, arrival, presence, silence

UP, LATE, DOWN, NEVER = Presence.UP, Presence.LATE, Presence.DOWN, Presence.NEVER


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (None, 1000.0, NEVER),
        (1000.0, 1000.0, UP),
        (1000.0, 1025.0, UP),
        (1000.0, 1025.1, LATE),
        (1000.0, 1045.0, LATE),
        (1000.0, 1045.1, DOWN),
        (1000.0, 1e9, DOWN),
        (1000.0, 996.0, UP),  # two clocks read a moment apart
        (1000.0, 990.0, DOWN),  # HQ's clock was set back: the stamp proves nothing
    ],
)
def test_presence_follows_from_the_last_stamp_and_now(
    last: float | None, now: float, expected: Presence
) -> None:
    assert presence(last, now) == expected


def told(flips: tuple[Flip, ...]) -> list[tuple[float, str, str]]:
    return [(f.at, f.before.value, f.after.value) for f in flips]


def test_silence_makes_no_flip_while_nothing_changed() -> None:
    assert silence(UP, 1000.0, 1020.0) == ()
    assert silence(LATE, 1000.0, 1030.0) == ()
    assert silence(DOWN, 1000.0, 5000.0) == ()
    assert silence(NEVER, None, 5000.0) == ()


def test_a_flip_has_the_time_at_which_it_became_true_not_at_which_somebody_looked() -> None:
    assert told(silence(UP, 1000.0, 1031.0)) == [(1025.0, "up", "late")]
    assert told(silence(LATE, 1000.0, 9000.0)) == [(1045.0, "late", "down")]


def test_whoever_looks_hours_later_still_sees_both_flips() -> None:
    assert told(silence(UP, 1000.0, 9000.0)) == [(1025.0, "up", "late"), (1045.0, "late", "down")]


def test_a_report_after_an_outage_nobody_looked_at_tells_the_whole_story() -> None:
    assert told(arrival(UP, 1000.0, 2000.0)) == [
        (1025.0, "up", "late"),
        (1045.0, "late", "down"),
        (2000.0, "down", "up"),
    ]


def test_the_first_report_brings_a_box_up_and_the_next_one_changes_nothing() -> None:
    assert told(arrival(NEVER, None, 50.0)) == [(50.0, "never", "up")]
    assert arrival(UP, 50.0, 60.0) == ()


def test_silence_alone_never_brings_a_box_up() -> None:
    assert silence(DOWN, 1000.0, 1001.0) == ()
    assert silence(LATE, 1000.0, 1001.0) == ()
