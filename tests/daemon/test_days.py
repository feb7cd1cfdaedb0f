"""Lines, missions, revocation, clocks, proofs and questions: a box's and its HQ's days."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.core.logbook import Line
from appliance.core.machine import Answer
from appliance.core.model import Phase, Reason
from appliance.core.words import Refused
from tests.daemon.letters import refused, signed
from tests.daemon.world import World
from tests.machines import HQ, IDENTITY, KUNREN, RADIO, RUNNING, SOUMU, WIRED, ZEIMU

# --------------------------------------------------------------------------------------------- lines


def test_a_pulled_line_is_said_and_the_second_one_takes_over(world: World) -> None:
    world.joined()
    world.unplug("eth0")
    world.tick(8)
    assert (world.phase, world.reason) == (Phase.DEGRADED, Reason.LINE_LOST) and world.open
    world.plug("usb0")
    world.tick(4)
    assert world.phase is Phase.PROTECTED
    assert world.phone("status")["uplinks"][1]["active"]


def test_a_line_whose_internet_is_gone_is_left_for_the_spare_one_and_taken_back_later(world: World) -> None:
    world.joined()
    world.plug("usb0")
    world.tick(3)
    world.internet.discard("eth0")
    world.tick(12)
    assert (world.phase, world.reason) == (Phase.DEGRADED, Reason.SPARE_UPLINK) and world.open
    world.internet.add("eth0")
    world.tick(130)
    assert (world.phase, world.reason) == (Phase.PROTECTED, Reason.ALL_WELL)


def test_each_line_is_asked_at_the_entrance_of_its_own_kind(world: World) -> None:
    world.joined()
    usual = world.hub_config().endpoints[0]
    own = {"entrances": [{"kind": "ethernet", "endpoints": ["10.99.0.1:51820"]}]}
    world.staff("set-policy", box="", changes=own, by="test")
    world.tick(12)
    world.plug("usb0")
    world.tick(3)
    assert world.asked_at == {"eth0": "10.99.0.1:51820", "usb0": usual}


def test_a_long_silence_closes_and_the_line_s_return_opens(world: World) -> None:
    world.joined()
    world.unplug("eth0")
    world.tick(190)
    assert (world.phase, world.reason) == (Phase.CONNECTING, Reason.NO_UPLINK) and not world.open
    kept = list((world.state / "outbox").glob("report-*.json"))
    assert len(kept) > 10
    told_before = len(world.reports)
    world.plug("eth0")
    world.until(Phase.PROTECTED)
    world.tick(2)
    assert len(world.reports) >= told_before + len(kept)
    assert not list((world.state / "outbox").glob("report-*.json"))


def test_a_desktop_that_falls_silent_is_said_and_the_others_stay(make: Callable[..., World]) -> None:
    second = replace(SOUMU, name="soumu2")
    world = make(config=replace(HQ, desktops=(SOUMU, second)))
    world.joined()
    world.answering["soumu2"] = Answer.SILENT
    world.tick(2)
    assert (world.phase, world.reason) == (Phase.DEGRADED, Reason.DESKTOP_SILENT)
    world.answering["soumu"] = Answer.REFUSED
    world.tick(2)
    assert world.reason is Reason.NO_DESKTOP_ANSWERS and world.open


# ------------------------------------------------------------------------------------------- missions


def test_a_stored_box_opens_when_hq_starts_a_mission_and_closes_at_its_end(world: World) -> None:
    world.joined(mission=None)
    assert (world.phase, world.reason, world.open) == (Phase.STANDBY, Reason.NO_MISSION, False)
    world.staff("start-mission", box="box-0001", kind="disaster", site="三和体育館", hours=0.05, by="tanaka")
    world.until(Phase.PROTECTED, most=20)
    assert world.open and world.phone("status")["site"] == "三和体育館"
    world.tick(1, seconds=200)
    world.tick(2)
    assert (world.phase, world.reason, world.open) == (Phase.STANDBY, Reason.MISSION_ENDED, False)
    assert "10.10.0.20" not in world.hub_machine.rulesets[""]


def test_hq_ends_a_mission_early(world: World) -> None:
    world.joined()
    assert "10.10.0.20" in world.hub_machine.rulesets[""]
    world.staff("end-mission", box="box-0001", by="tanaka")
    assert "10.10.0.20" not in world.hub_machine.rulesets[""]  # at HQ at once, whatever the box believes
    world.tick(15)
    assert (world.phase, world.open) == (Phase.STANDBY, False)


def test_a_mission_that_lies_ahead_opens_at_its_start(world: World) -> None:
    world.joined(mission=None)
    (box,) = world.hub_config().boxes
    mission = replace(RUNNING, start=world.now() + 60, end=world.now() + 120)
    (world.run / "inbox" / "x.json").write_text(signed(world, mission=mission, box=box.name))
    world.tick(2)
    assert (world.phase, world.reason) == (Phase.STANDBY, Reason.MISSION_NOT_STARTED)
    assert world.role.next_time(world.now()) <= 10.0
    world.tick(1, seconds=60)
    world.tick(3)
    assert world.open


def test_revocation_closes_at_hq_at_once_and_the_box_falls_silent_after_its_last_word(world: World) -> None:
    world.joined()
    world.staff("revoke", box="box-0001", by="tanaka")
    assert "10.10.0.20" not in world.hub_machine.rulesets[""]
    world.tick(15)
    assert (world.phase, world.reason, world.open) == (Phase.BLOCKED, Reason.REVOKED, False)
    assert world.phone("status")["desktops"] == []
    assert any(x["reason"] == "revoked" for x in world.reports)
    world.tick(35)
    assert world.sim.state.tunnel is None
    assert "203.0.113.10" not in world.sim.rulesets[""]
    world.cut_power()
    world.tick(3)
    assert world.reason is Reason.REVOKED and not world.open


def test_a_revoked_box_comes_back_with_a_new_ticket_and_new_keys(world: World) -> None:
    world.joined()
    old = world.role._config.keys
    world.staff("revoke", box="box-0001", by="tanaka")
    world.tick(60)
    world.phone("redeem", ticket=world.invite())
    world.until(Phase.PROTECTED)
    assert world.role._config.keys != old and world.phone("status")["phase"] == "PROTECTED"
    assert [x.name for x in world.hub_config().boxes] == ["box-0001", "box-0002"]


def test_a_drill_opens_the_drill_s_desktop_and_says_so(make: Callable[..., World]) -> None:
    world = make(config=replace(HQ, desktops=(SOUMU, KUNREN)))
    world.joined(mission="drill")
    seen = {x["name"]: x for x in world.phone("status")["desktops"]}
    assert seen["kunren"]["open"] and not seen["soumu"]["open"] and "訓練" in seen["soumu"]["refused"]["ja"]
    assert world.phone("status")["drill"] is True
    assert "10.10.0.30" in world.sim.rulesets["field"] and "10.10.0.20" not in world.sim.rulesets["field"]
    assert "10.10.0.20" not in world.hub_machine.rulesets[""]


def test_individual_numbers_stay_closed_on_a_box_with_a_radio_and_open_on_one_without(
    make: Callable[..., World],
) -> None:
    config = replace(HQ, desktops=(SOUMU, ZEIMU))
    wired, wireless = make(config=config).joined(), make(config=config, radios=(RADIO,)).joined()
    assert "10.10.0.21" in wired.sim.rulesets["field"]
    assert "10.10.0.21" not in wireless.sim.rulesets["field"]
    assert "10.10.0.20" in wireless.sim.rulesets["field"]
    shown = {x["name"]: x for x in wireless.phone("status")["desktops"]}
    assert "個人番号" in shown["zeimu"]["refused"]["ja"]
    silent = make(config=config, radios=(RADIO,), identity=WIRED).joined()
    assert "10.10.0.21" in silent.sim.rulesets["field"] and silent.phone("status")["access_point"] is None


def test_a_desktop_taken_away_closes_for_running_sessions_too(make: Callable[..., World]) -> None:
    world = make(config=replace(HQ, desktops=(SOUMU, ZEIMU)))
    world.joined()
    world.staff("remove-desktop", name="zeimu", by="tanaka")
    assert "10.10.0.21" not in world.hub_machine.rulesets[""]
    world.tick(15)
    assert "10.10.0.21" not in world.sim.rulesets["field"] and world.open


# --------------------------------------------------------------------------------------------- time


def test_a_clock_set_back_by_a_year_stops_neither_reports_nor_joining(world: World) -> None:
    world.joined()
    world.tick(12)
    count = len(world.reports)
    world.clock.error -= 365 * 86400
    world.tick(25)
    assert len(world.reports) >= count + 2
    assert world.role.next_time(world.clock.now()) <= 10.0
    assert abs(world.clock.error) < 2
    assert world.open


def test_a_clock_a_year_ahead_ends_the_mission_and_nothing_else(world: World) -> None:
    world.joined()
    world.tick(1, seconds=365 * 86400)
    world.tick(3)
    assert (world.phase, world.reason, world.open) == (Phase.STANDBY, Reason.MISSION_ENDED, False)


# -------------------------------------------------------------------------------------------- proof


def test_each_activation_is_proved_once_and_told(world: World) -> None:
    world.joined()
    for thread in threading.enumerate():
        if thread.name == "proof":
            thread.join(10)
    proof = world.phone("status")["proof"]
    assert proof["ok"] and not proof["running"] and len(proof["rows"]) > 5
    at = proof["at"]
    world.tick(25)
    assert world.phone("status")["proof"]["at"] == at
    assert [x["proof"]["at"] for x in world.reports if x["proof"]] == [at]


# ------------------------------------------------------------------------------------------ the door


def test_the_page_s_uid_gets_no_snapshot_and_root_s_is_masked(world: World) -> None:
    world.joined()
    assert refused(lambda: world.role.answer({"ask": "snapshot"}, world.machine.web_uid)) == "bad-request"
    whole = json.dumps(world.role.answer({"ask": "snapshot"}, 0))
    keys = world.role._config.keys
    assert keys is not None
    assert keys.tunnel_private.reveal() not in whole and "****" in whole
    assert keys.tunnel_public in whole


def test_a_box_with_a_radio_at_rest_has_nothing_to_do_and_a_lost_file_is_told_masked(
    make: Callable[..., World],
) -> None:
    world = make(radios=(RADIO,)).joined()
    world.end_proof()
    assert world.role.answer({"ask": "snapshot"}, 0)["steps"] == []
    kept = tuple(x for x in world.sim.state.files if not x[0].endswith("hostapd.conf"))
    assert len(kept) == len(world.sim.state.files) - 1
    world.role.judge(replace(world.sim.observe(None), files=kept))
    (step,) = world.role.answer({"ask": "snapshot"}, 0)["steps"]
    assert "hostapd.conf" in step and "****" in step and IDENTITY.passphrase.reveal() not in step


@pytest.mark.parametrize("ask", ["", "fleet", "issue-ticket", "revoke", "plan", "__init__"])
def test_what_a_box_does_not_know_is_refused(world: World, ask: str) -> None:
    world.tick()
    assert refused(lambda: world.phone(ask)) == "bad-request"


@pytest.mark.parametrize("request_", [{"ask": "redeem"}, {"ask": "redeem", "ticket": 5}, {"ask": "read-ticket", "ticket": None}, {"ask": "rdp-file", "desktop": []}])  # fmt: skip
def test_a_request_with_a_wrong_type_is_refused(world: World, request_: dict[str, Any]) -> None:
    world.tick()
    assert (
        refused(lambda: world.phone(**{"what" if k == "ask" else k: v for k, v in request_.items()}))
        == "bad-request"
    )


@pytest.mark.parametrize(("ask", "uid"), [("enrol", "hq_uid"), ("issue-ticket", "intake_uid"), ("fleet", "intake_uid"), ("whois", "hq_uid"), ("snapshot", "hq_uid"), ("revoke", "web_uid")])  # fmt: skip
def test_each_web_of_hq_may_ask_its_own_part_only(world: World, ask: str, uid: str) -> None:
    number = getattr(world.machine, uid)
    assert refused(lambda: world._hub({"ask": ask, "box": "x"}, number)) == "not-allowed"


@pytest.mark.parametrize("days", [float("inf"), float("nan"), 1e300, True, "7", None, [7]])
def test_hq_s_numbers_are_numbers(world: World, days: object) -> None:
    assert refused(lambda: world.staff("issue-ticket", site="x", days=days, by="t")) == "bad-request"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"profile": "nothing"}, "bad-value"),
        ({"name": "A B"}, "desktop-name"),
        ({"hosts": {"host": ["10.99.0.1"]}}, "desktop-host-elsewhere"),
        ({"hosts": {"host": ["10.10.0.40\n"]}}, "desktop-host"),
        ({"hosts": "10.10.0.40"}, "bad-value"),
        ({"kind": "mainframe"}, "bad-value"),
        ({"name": "soumu"}, "name-taken"),
    ],
)
def test_a_desktop_that_cannot_be_is_refused_by_name(world: World, change: dict[str, Any], code: str) -> None:
    good: dict[str, Any] = {
        "name": "kikaku",
        "title": "企画課",
        "kind": "own-pc",
        "network": "lgwan",
        "profile": "rdp",
        "hosts": {"host": ["10.10.0.40"]},
    }
    assert refused(lambda: world.staff("add-desktop", **(good | change))) == code
    world.staff("add-desktop", **good)
    assert "kikaku" in {x["name"] for x in world.staff("fleet")["desktops"]}


def test_hq_s_view_of_its_fleet_has_no_secret(world: World) -> None:
    world.joined()
    world.invite()
    told_ = json.dumps(world.staff("fleet")) + json.dumps(world.hub.answer({"ask": "snapshot"}, 0))
    config = world.hub_config()
    for secret in (config.private_key, config.signing_private, config.publisher_key):
        assert secret.reveal() not in told_ and json.dumps(secret.reveal()) not in told_
    assert all(x.ticket.invitation_key.reveal() not in told_ for x in config.invitations)


def test_a_hub_whose_disk_is_full_goes_on_and_refuses_in_words(world: World) -> None:
    world.joined()
    world.hub._path = Path("/dev/full/hub.json")
    assert refused(lambda: world.invite()) == "disk-full"
    world.tick(3)
    assert world.open and world.phase is Phase.PROTECTED


# ------------------------------------------------------------------------------------------- journal


def test_what_the_box_said_goes_to_hq_once_also_after_a_line_was_away(world: World) -> None:
    world.joined()
    line = Line(at=5.0, source="noroshi", level=6, text="the disk is full")
    world.unplug("eth0")
    world.tick(60)
    world.journal.append(line)
    world.tick(20)
    assert not [x for x in world.reports if "log" in x]
    world.plug("eth0")
    world.tick(30)
    assert [y for x in world.reports for y in x.get("log", ())] == [line.as_data()]


def test_hq_s_telephone_reaches_every_box_and_only_a_telephone_number_does(world: World) -> None:
    world.joined()
    assert world.phone("status")["hq_phone"] == ""
    world.staff("set-phone", phone="025-526-5111", by="test")
    world.tick(15)
    assert world.phone("status")["hq_phone"] == "025-526-5111"
    for bad in ("javascript:alert(1)", "025 526", "0" * 21, "１２３", "-025", "12"):
        with pytest.raises(Refused, match="bad-phone"):
            world.staff("set-phone", phone=bad, by="test")
    world.staff("set-phone", phone="", by="test")
    world.tick(15)
    assert world.phone("status")["hq_phone"] == ""
