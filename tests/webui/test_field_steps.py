"""Which screen a status calls for: the whole table, from the cupboard to the desktop."""

from __future__ import annotations

import pytest

from appliance.core.model import Phase, Reason
from tests.webui import statuses
from tests.webui.statuses import status
from webui.field import steps
from webui.field.steps import Step

TABLE = {
    "no-line": (Step.LINE, "calm"),
    "hall": (Step.LINE, "calm"),
    "hall-refused": (Step.LINE, "calm"),
    "plugged": (Step.LINE, "calm"),
    "fresh": (Step.TICKET, "calm"),
    "joining": (Step.JOINING, "work"),
    "hub-silent": (Step.JOINING, "work"),
    "registered": (Step.JOINING, "work"),
    "working": (Step.DONE, "good"),
    "with-wifi": (Step.DONE, "good"),
    "weak": (Step.DONE, "work"),
    "drill": (Step.DONE, "good"),
    "unregistered": (Step.DONE, "good"),
    "emergency": (Step.DONE, "good"),
    "reconnecting": (Step.DONE, "work"),
    "cut": (Step.LINE, "work"),
    "line-refused": (Step.LINE, "work"),
    "captive": (Step.CAPTIVE, "work"),
    "captive-allowed": (Step.CAPTIVE, "work"),
    "signing-in": (Step.SIGN_IN, "work"),
    "signing-in-elsewhere": (Step.SIGN_IN, "work"),
    "stored": (Step.STANDBY, "calm"),
    "ended": (Step.STANDBY, "calm"),
    "no-sim": (Step.LINE, "calm"),
    "revoked": (Step.BLOCKED, "stop"),
    "failed": (Step.BLOCKED, "stop"),
    "used-up": (Step.BLOCKED, "stop"),
}


def test_every_recorded_status_is_in_the_table() -> None:
    assert set(TABLE) == set(statuses.EVERY)


@pytest.mark.parametrize("name", TABLE)
def test_a_status_calls_for_one_screen_in_one_colour(name: str) -> None:
    found = statuses.EVERY[name]
    step = steps.step_of(found)
    assert (step, steps.state_of(step, found)) == TABLE[name]


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("lines", [[], [statuses.ETHERNET]])
def test_whatever_the_daemon_says_there_is_a_screen(
    phase: Phase, reason: Reason, lines: list[dict[str, object]]
) -> None:
    for joining in (None, statuses.joining(), statuses.joining("joined", 5), statuses.joining("refused")):
        found = status(phase, reason, uplinks=lines, joining=joining)
        step = steps.step_of(found)
        assert steps.state_of(step, found) in ("good", "work", "calm", "stop")
        assert step not in (Step.SITE, Step.CLOSED)


def test_green_means_that_desktops_are_open_and_nothing_else_does() -> None:
    for found in statuses.EVERY.values():
        step = steps.step_of(found)
        if steps.state_of(step, found) == "good":
            assert found["phase"] == "PROTECTED"


def test_only_a_refused_invitation_must_be_started_over() -> None:
    assert steps.must_start_over(statuses.USED_UP)
    assert [name for name, found in statuses.EVERY.items() if steps.must_start_over(found)] == ["used-up"]


def test_another_invitation_is_offered_where_this_one_leads_nowhere() -> None:
    offered = [name for name, found in statuses.EVERY.items() if steps.may_start_over(found)]
    assert offered == ["hub-silent", "revoked"]


@pytest.mark.parametrize(
    ("passed", "said"), [(0, 20), (1, 20), (5, 15), (6, 15), (14.9, 10), (19, 5), (20, 0), (90, 0), (-5, 20)]
)
def test_the_remaining_time_is_told_in_fives_and_never_grows(passed: float, said: int) -> None:
    found = status("CONNECTING", Reason.TUNNEL_STARTING, joining=statuses.joining(seconds=passed))
    assert steps.seconds_left(found) == said


def test_a_box_that_was_never_through_is_joining_and_one_that_was_is_reconnecting() -> None:
    first = status("CONNECTING", Reason.TUNNEL_STARTING, uplinks=[statuses.ETHERNET])
    assert steps.step_of(first) is Step.JOINING
    assert steps.step_of(statuses.RECONNECTING) is Step.DONE
