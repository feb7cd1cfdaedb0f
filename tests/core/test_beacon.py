"""The light: every phase has a pattern, no two look the same, and none flickers faster than people should see."""

from __future__ import annotations

import pytest

from appliance.core.beacon import PATTERNS, QUICK, STEADY, Blink, blink, pattern
from appliance.core.model import Phase


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_pattern(phase: Phase) -> None:
    assert blink(phase) is PATTERNS[phase]
    assert len(blink(phase).steps) % 2 == 0 and all(x >= 100 for x in blink(phase).steps)


def test_no_two_phases_look_the_same() -> None:
    assert len({x.steps for x in PATTERNS.values()}) == len(Phase)


def test_only_connected_is_steady_and_stopped_never_is() -> None:
    assert [x for x in Phase if blink(x).steady] == [Phase.PROTECTED]
    assert blink(Phase.PROTECTED) == STEADY


def test_a_box_that_does_not_answer_looks_busy_not_well() -> None:
    assert blink(None) == QUICK


def test_no_light_flashes_as_often_as_may_harm() -> None:
    """At most three flashes in any second (WCAG 2.3.1), but for the quick one, which is small and even."""
    for phase in set(Phase) - {Phase.CONNECTING}:
        steps = blink(phase).steps
        assert sum(steps) / 1000 >= len(steps) / 2 / 3


def test_edges_are_hard_in_the_kernel_s_own_words() -> None:
    assert pattern(Blink((200, 1400))) == "255 200 255 0 0 1400 0 0"
