"""What may change a box's config: each step of joining from each state, and papers that change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.core import commands
from appliance.core.enrolment import ticket_text
from appliance.core.model import Config, JoinStage, LineWishes, Mission
from appliance.core.words import Refused
from tests import machines
from tests.machines import (
    ASSIGNED,
    BOX_MACHINE,
    DAY,
    FACTORY,
    HQ,
    INVITED,
    NOW,
    REFUSED,
    REVOKED,
    SHELTER,
    TICKET_TEXT,
    assignment,
    box_keys,
    invite,
    signing_pair,
)

OTHER_TEXT = ticket_text(invite(number=7)[1], HQ.signing_private)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def stage(config: Config) -> JoinStage | None:
    return config.joining.stage if config.joining else None


# --------------------------------------------------------------------------------------------- redeem


def test_a_ticket_begins_joining_and_pins_hq_s_key() -> None:
    config = commands.redeem(FACTORY, TICKET_TEXT, box_keys(), NOW)
    assert stage(config) is JoinStage.INVITED
    assert (config.signing_key, config.keys, config.assignment) == (HQ.signing_key, box_keys(), None)


def test_the_same_ticket_twice_is_one_joining_with_the_same_keys() -> None:
    for config in (INVITED, ASSIGNED):
        assert commands.redeem(config, TICKET_TEXT, box_keys(9), NOW + 5) is config


def test_another_ticket_has_to_wait_while_one_is_in_use() -> None:
    assert refused(lambda: commands.redeem(INVITED, OTHER_TEXT, box_keys(), NOW)) == "joining-now"


def test_a_refused_box_takes_another_ticket_and_keeps_its_keys() -> None:
    config = commands.redeem(REFUSED, OTHER_TEXT, box_keys(9), NOW)
    assert stage(config) is JoinStage.INVITED and config.keys == REFUSED.keys


def test_a_joined_box_needs_no_ticket() -> None:
    assert refused(lambda: commands.redeem(SHELTER, TICKET_TEXT, box_keys(), NOW)) == "already-joined"


def test_a_revoked_box_joins_anew_with_new_keys_but_its_own_office_only() -> None:
    config = commands.redeem(REVOKED, OTHER_TEXT, box_keys(9), NOW)
    assert config.keys == box_keys(9) and config.assignment is None
    other, public = signing_pair(77)
    foreign = ticket_text(replace(invite(number=7)[1], signing_key=public), other)
    assert refused(lambda: commands.redeem(REVOKED, foreign, box_keys(), NOW)) == "foreign"


@pytest.mark.parametrize(
    ("text", "now", "code"),
    [
        ("https://example.jp", NOW, "format"),
        (TICKET_TEXT[:-9], NOW, "torn"),
        (TICKET_TEXT, NOW + 30 * DAY, "expired"),
    ],
)
def test_a_bad_ticket_changes_nothing_and_says_why(text: str, now: float, code: str) -> None:
    assert refused(lambda: commands.redeem(FACTORY, text, box_keys(), now)) == code


# ------------------------------------------------------------------------------------------ assignments


def test_hq_s_answer_moves_joining_on() -> None:
    config = commands.accept_assignment(INVITED, assignment())
    assert stage(config) is JoinStage.ASSIGNED and config.assignment == assignment()


def test_a_newer_paper_replaces_the_old_and_an_older_one_changes_nothing() -> None:
    newer = assignment(version=5, mission=None)
    config = commands.accept_assignment(SHELTER, newer)
    assert config.assignment == newer
    assert commands.accept_assignment(config, assignment(version=4)) is config


SOUND = assignment(version=9)


@pytest.mark.parametrize(
    "change",
    [
        {"key": box_keys(2).tunnel_public},
        {"key": ""},
        {"box": "box-0002"},
        {"lan": "10.211.0.0/33"},
        {"lan": "10.211.0.0/30"},
        {"lan": "10.211.0.1/26"},
        {"lan": "::/64"},
        {"hub_address": "10.210.0.1\n"},
        {"tunnel_address": "hq"},
        {"hub_key": "short"},
        {"endpoints": ()},
        {"endpoints": ("hq.example.jp:1",)},
        {"desktops_network": "everything"},
        {"dns": ("8.8.8.8; accept",)},
        {"names": ("a/8.8.8.8\nserver=/b",)},
        {"version": 0},
        {"site": ""},
        {"hq_name": "a\nb"},
        {"desktops": (replace(machines.SOUMU, title="\u202e"),)},
        {"desktops": (machines.desktop("x", "10.10.0.20 accept\n"),)},
    ],
)
def test_a_signed_paper_that_is_not_ours_or_not_sound_changes_nothing(change: dict[str, Any]) -> None:
    for config in (INVITED, SHELTER):
        assert commands.accept_assignment(config, SOUND) is not config  # the guard
        if config is INVITED and change == {"box": "box-0002"}:
            continue  # its name is what it learns here
        assert commands.accept_assignment(config, replace(SOUND, **change)) is config


def test_a_box_without_keys_takes_no_paper() -> None:
    """An old letter must not bring a box back that started over."""
    started_over = commands.start_over(REVOKED)
    assert commands.accept_assignment(started_over, SOUND) is started_over


def test_revocation_arrives_as_a_paper() -> None:
    config = commands.accept_assignment(SHELTER, assignment(version=2, revoked=True, desktops=()))
    assert config.assignment is not None and config.assignment.revoked


# --------------------------------------------------------------------------------- forth and back


def test_the_first_handshake_wipes_the_ticket() -> None:
    config = commands.joined(ASSIGNED)
    assert config.joining is None and config.keys == ASSIGNED.keys
    assert commands.joined(INVITED) is INVITED and commands.joined(SHELTER) is SHELTER


def test_a_silent_new_key_falls_back_to_the_invitation_and_a_silent_invitation_to_the_key() -> None:
    back = commands.new_key_silent(ASSIGNED)
    assert stage(back) is JoinStage.INVITED and back.assignment == ASSIGNED.assignment
    assert commands.invitation_silent(back) == ASSIGNED
    assert commands.invitation_silent(INVITED) is INVITED
    assert commands.new_key_silent(SHELTER) is SHELTER


@pytest.mark.parametrize("config", [FACTORY, ASSIGNED, SHELTER])
def test_a_refusal_counts_only_while_an_answer_is_awaited(config: Config) -> None:
    assert commands.join_refused(config, "ticket-used") is config
    assert stage(commands.join_refused(INVITED, "ticket-used")) is JoinStage.REFUSED


@pytest.mark.parametrize("config", [FACTORY, INVITED, REFUSED, ASSIGNED, commands.new_key_silent(ASSIGNED)])
def test_starting_over_forgets_everything_of_a_joining_that_did_not_end(config: Config) -> None:
    assert commands.start_over(config) == FACTORY


def test_starting_over_is_refused_once_joined_and_keeps_the_pinned_office_once_revoked() -> None:
    assert refused(lambda: commands.start_over(SHELTER)) == "already-joined"
    assert commands.start_over(REVOKED) == replace(FACTORY, signing_key=HQ.signing_key)


def test_a_later_joining_that_is_given_up_does_not_forget_the_office_of_the_first() -> None:
    kept = replace(FACTORY, signing_key=HQ.signing_key)
    again = commands.redeem(commands.start_over(REVOKED), TICKET_TEXT, box_keys(), NOW)
    assert stage(again) is JoinStage.INVITED
    assert commands.start_over(again) == kept
    refused_then = commands.join_refused(again, "ticket-used")
    assert commands.start_over(refused_then) == kept == commands.start_over(kept)
    assert commands.start_over(commands.redeem(REVOKED, TICKET_TEXT, box_keys(), NOW)) == kept


def test_a_key_that_two_failed_tickets_brought_is_forgotten() -> None:
    first = commands.redeem(FACTORY, TICKET_TEXT, box_keys(), NOW)
    second = commands.redeem(commands.join_refused(first, "ticket-used"), TICKET_TEXT, box_keys(), NOW)
    assert first.signing_key and commands.start_over(second) == FACTORY


@pytest.mark.parametrize("config", [REVOKED, ASSIGNED, SHELTER])
def test_a_mission_without_an_end_before_its_start_is_still_a_paper(config: Config) -> None:
    """It just never runs; the phase says so."""
    odd = Mission(kind=machines.RUNNING.kind, site="x", start=NOW, end=NOW - 1)
    assert commands.accept_assignment(config, assignment(version=9, mission=odd)) is not config


# ---------------------------------------------------------------------------------------- wishes for lines


def test_a_wish_for_a_line_stays_until_another_one_and_can_be_taken_back() -> None:
    def wished(*wishes: tuple[str, str]) -> LineWishes:
        config = SHELTER
        for link, wish in wishes:
            config = commands.wish_line(config, BOX_MACHINE, link, wish)
        return config.lines

    assert wished(("usb0", "first")) == LineWishes(first="usb0", freely=("usb0",))
    assert wished(("usb0", "in-need")) == LineWishes(in_need=("usb0",))
    assert wished(("usb0", "first"), ("usb0", "in-need")) == LineWishes(in_need=("usb0",))
    assert wished(("usb0", "first"), ("eth0", "first")).first == "eth0"
    assert wished(("usb0", "in-need"), ("usb0", "freely")) == LineWishes(freely=("usb0",))
    assert wished(("usb0", "first"), ("usb0", "reset")) == LineWishes()


@pytest.mark.parametrize(
    ("link", "wish", "code"),
    [("eth9", "first", "unknown-line"), ("usb0", "", "bad-request"), ("usb0", "x", "bad-request")],
)
def test_a_wish_for_no_line_of_ours_or_no_wish_at_all_is_refused(link: str, wish: str, code: str) -> None:
    assert refused(lambda: commands.wish_line(SHELTER, BOX_MACHINE, link, wish)) == code
