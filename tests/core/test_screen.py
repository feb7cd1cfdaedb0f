"""What stands on the box's screen in each phase, and what never does."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.core.model import Phase, Reason
from appliance.core.screen import LOOKS, PATIENCE, Look, phase_of, scene
from appliance.core.words import words

POINT = {"ssid": "noroshi-2a9c", "passphrase": "abcd-efgh-jkmn"}


def status(phase: Phase = Phase.SETUP, reason: Reason = Reason.NO_TICKET, **changes: Any) -> dict[str, Any]:
    told = words(reason)
    return {
        "phase": phase.value,
        "number": told.number,
        "words": told.as_data(),
        "site": "柿崎総合体育館",
        "hq_name": "上越市 災害対策本部",
        "drill": False,
        "serial": "nrs-4f2a9c",
        "joining": None,
        "access_point": POINT,
        **changes,
    }


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_its_look(phase: Phase) -> None:
    shown = scene(status(phase), 0.0, "")
    assert shown.look is LOOKS[phase] and shown.wifi.startswith("WIFI:") and phase_of(status(phase)) is phase


def test_green_is_for_connected_alone_and_red_for_stopped() -> None:
    assert [x for x in Phase if LOOKS[x] is Look.GOOD] == [Phase.PROTECTED]
    assert [x for x in Phase if LOOKS[x] is Look.STOP] == [Phase.BLOCKED]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (status(), "123456"),
        (status(joining={"stage": "invited"}), ""),
        *((status(x), "") for x in Phase if x is not Phase.SETUP),
    ],
)
def test_the_pin_is_there_until_the_box_was_invited(found: dict[str, Any], shown: str) -> None:
    assert scene(found, 0.0, "123456").pin == shown


def test_a_prepared_box_shows_no_pin() -> None:
    assert scene(status(), 0.0, "").pin == ""


def test_without_wi_fi_there_is_no_code_for_it() -> None:
    assert scene(status(access_point=None), 0.0, "").wifi == ""


def test_a_start_asks_for_patience_and_then_says_that_something_is_wrong() -> None:
    early, late = scene(None, 1.0, "123456"), scene(None, PATIENCE + 1, "123456")
    assert (early.look, early.number) == (Look.WORK, "")
    assert (late.look, late.number) == (Look.STOP, "3-20")
    assert not any((early.pin, late.pin, early.wifi, early.page)), "no page answers yet"


def test_a_number_is_shown_only_where_something_is_to_be_said_on_the_phone() -> None:
    assert scene(status(Phase.PROTECTED, Reason.ALL_WELL), 0.0, "").number == ""
    assert scene(status(Phase.BLOCKED, Reason.STEP_FAILED), 0.0, "").number == "3-12"
