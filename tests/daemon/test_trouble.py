"""What goes wrong around a box: letters, files, disks, steps, time. It stays closed, says why, and heals."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.core.codec import dump_private
from appliance.core.enrolment import sign
from appliance.core.firewall import boot
from appliance.core.fleet import assignment_of
from appliance.core.model import Answer, Assignment, Phase, Reason
from appliance.core.plan import AddPort, RestartUnit, SetFirewall, SetTunnel
from appliance.core.words import Refused
from tests.daemon.world import World
from tests.machines import HQ, KUNREN, RADIO_MACHINE, RUNNING, SOUMU, ZEIMU, assignment, signing_pair


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


# ------------------------------------------------------------------------------------------- letters


def told(world: World, **changes: Any) -> Assignment:
    """What HQ could say to this box now."""
    (box,) = world.hub_config().boxes
    made = assignment_of(world.hub_config(), box, world.now())
    return replace(made, **{"version": made.version + 1, **changes})


def letter(envelope: object) -> str:
    return json.dumps({"status": 200, "answer": {"assignment": envelope}})


def signed(world: World, **changes: Any) -> str:
    return letter(sign(dump_private(told(world, **changes)), HQ.signing_private))


def bad_letters(world: World) -> dict[str, str]:
    other, _ = signing_pair(77)
    body = json.loads(sign(dump_private(told(world)), HQ.signing_private))
    return {
        "not JSON": "{",
        "nothing": "",
        "a list": "[]",
        "deep": "[" * 100_000,
        "no answer": '{"status": 500, "answer": null}',
        "unsigned": letter(dump_private(told(world))),
        "unsigned text": letter(json.dumps(dump_private(told(world)))),
        "another key": letter(sign(dump_private(told(world)), other)),
        "another signature": letter(json.dumps({**body, "signature": "A" * 88})),
        "another body": letter(json.dumps({**body, "body": body["body"].replace("box-0001", "box-0002")})),
        "older": signed(world, version=0),
        "same box, other key": signed(world, key=assignment().key),
        "another box": signed(world, box="box-0002"),
        "unknown field": letter(sign({**dump_private(told(world)), "new": 1}, HQ.signing_private)),
        "unsound": signed(world, lan="10.0.0.0/8\n"),
        "a refusal too late": json.dumps({"answer": {"error": {"code": "ticket-used"}}}),
        "huge": " " * (5 << 20) + signed(world),
    }


def test_letters_that_hq_did_not_mean_for_this_box_change_nothing(world: World) -> None:
    world.joined()
    stored = (world.state / "config.json").read_bytes()
    for name, text in bad_letters(world).items():
        (world.run / "inbox" / "x.json").write_text(text)
        world._turn_box()
        assert (world.state / "config.json").read_bytes() == stored, name
        assert not list((world.run / "inbox").iterdir()), name
    assert world.phase is Phase.PROTECTED


def test_a_good_letter_would_have_changed_something(world: World) -> None:
    world.joined()
    (world.run / "inbox" / "x.json").write_text(signed(world, site="三和体育館"))
    world._turn_box()
    assert world.phone("status")["site"] == "三和体育館"


def test_links_pipes_and_folders_among_the_letters_do_no_harm(world: World, tmp_path: Path) -> None:
    world.joined()
    stored = (world.state / "config.json").read_bytes()
    secret = tmp_path / "secret.json"
    secret.write_text(signed(world, site="x"))
    inbox = world.run / "inbox"
    (inbox / "link.json").symlink_to(secret)
    (inbox / "loop.json").symlink_to("loop.json")
    (inbox / "folder.json" / "deeper").mkdir(parents=True)
    os.mkfifo(inbox / "pipe.json")
    world.tick(3)
    assert (world.state / "config.json").read_bytes() == stored and secret.exists()
    assert [x.name for x in inbox.iterdir()] == ["folder.json"]
    (inbox / "good.json").write_text(signed(world, site="三和体育館"))
    world._turn_box()
    assert world.phone("status")["site"] == "三和体育館"


def test_a_desktop_file_that_hq_did_not_sign_is_not_handed_out(world: World) -> None:
    world.joined()
    file = world.phone("rdp-file", desktop="soumu")["file"]
    foreign = file.replace("redirectclipboard:i:0", "redirectclipboard:i:1")
    assert foreign != file
    (world.run / "inbox" / "x.json").write_text(signed(world, rdp_files=(("soumu", foreign),)))
    world._turn_box()
    assert refused(lambda: world.phone("rdp-file", desktop="soumu")) == "unknown-desktop"


# --------------------------------------------------------------------------------- the private file


@pytest.mark.parametrize("quarter", range(5))
def test_a_private_file_cut_at_any_quarter_is_read_from_its_copy(world: World, quarter: int) -> None:
    world.joined()
    before = world.role._config
    path = world.state / "config.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * quarter // 4])
    world.cut_power()
    assert world.role._config == before
    world.until(Phase.PROTECTED)


@pytest.mark.parametrize("damage", [b"", b"sha256 0\n{}", b"\xff\xfe", b"{}"])
def test_when_both_are_damaged_it_stays_closed_and_keeps_them_for_whoever_mends_it(
    world: World, damage: bytes
) -> None:
    world.joined()
    paths = [world.state / "config.json", world.state / "config.json.previous"]
    for path in paths:
        path.write_bytes(damage)
    world.cut_power()
    world.tick(5)
    assert (world.phase, world.reason) == (Phase.BLOCKED, Reason.CONFIG_DAMAGED)
    assert not world.open and world.sim.state.tunnel is None
    assert refused(lambda: world.phone("redeem", ticket=world.invite())) == "config-damaged"
    assert [x.read_bytes() for x in paths] == [damage, damage]
    assert world.phone("status")["number"] == "3-10"


def test_a_private_file_of_another_version_is_damaged_and_not_forgotten(world: World) -> None:
    from appliance.host.files import write_private

    world.joined()
    path = world.state / "config.json"
    write_private(path, {**dump_private(world.role._config), "from-the-future": 1})
    kept = path.read_bytes()
    world.cut_power()
    world.tick(2)
    assert world.reason is Reason.CONFIG_DAMAGED and path.read_bytes() == kept


# -------------------------------------------------------------------------------------------- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_full_disk_a_ticket_is_refused_in_words_and_the_old_file_stays_whole(
    world: World, small_disk: Path
) -> None:
    world.plug("eth0")
    world.tick(2)
    world.role._path = small_disk / "config.json"
    (small_disk / "filler").write_bytes(b"x" * 65536)
    assert refused(lambda: world.phone("redeem", ticket=world.invite())) == "disk-full"
    assert world.phase is Phase.SETUP and not (small_disk / "config.json").exists()
    assert [x.name for x in small_disk.iterdir()] == ["filler"]
    (small_disk / "filler").unlink()
    world.phone("redeem", ticket=world.invite())
    world.until(Phase.PROTECTED)


def test_a_disk_that_fills_up_later_costs_reports_and_changes_but_no_session(
    world: World, small_disk: Path
) -> None:
    world.joined()
    stored = (world.state / "config.json").read_bytes()
    (small_disk / "config.json").write_bytes(stored)
    (small_disk / "config.json.previous").write_bytes(stored)
    world.role._path = small_disk / "config.json"
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(b"x" * 4096)
    (world.run / "inbox" / "x.json").write_text(signed(world, site="三和体育館"))
    world.tick(3)
    assert world.phase is Phase.PROTECTED and world.open
    assert (small_disk / "config.json").read_bytes() == stored
    assert world.phone("status")["site"] == "柿崎総合体育館"


def test_a_full_run_folder_does_not_end_the_daemon(world: World) -> None:
    world.joined()
    (world.run / "courier.json").unlink()
    world.role._where = ""
    kept = world.run.rename(world.run.with_name("box-run-gone"))
    world.tick(3)
    assert world.open
    kept.rename(world.run)
    world.tick(12)
    assert json.loads((world.run / "courier.json").read_text())["hub"] == "10.210.0.1"


# -------------------------------------------------------------------------------------------- steps


def test_a_step_that_fails_once_or_twice_is_nobody_s_business(world: World) -> None:
    world.joined()
    world.sim.load_by_hand("field", boot())
    world.sim.failing[SetFirewall] = "nft: busy"
    world.tick(2)
    assert world.reason is not Reason.STEP_FAILED
    world.sim.failing.clear()
    world.tick(2)
    assert world.phase is Phase.PROTECTED and world.open


def test_a_step_that_goes_on_failing_closes_the_box_and_it_heals_by_itself(world: World) -> None:
    world.joined()
    world.sim.failing[RestartUnit] = "dnsmasq: not found"
    world.sim.state = replace(world.sim.state, units=())
    world.tick(6)
    assert (world.phase, world.reason) == (Phase.BLOCKED, Reason.STEP_FAILED)
    assert not world.open and world.phone("status")["number"] == "3-12"
    world.sim.failing.clear()
    world.tick(4)
    assert world.phase is Phase.PROTECTED and world.open


def test_a_full_disk_under_a_step_has_its_own_words(world: World) -> None:
    world.joined()
    world.sim.run_out_of_disk()
    world.sim.state = replace(world.sim.state, files=())
    world.tick(6)
    assert (world.phase, world.reason) == (Phase.BLOCKED, Reason.DISK_FULL)
    assert not world.open


@pytest.mark.parametrize("kind", [SetTunnel, AddPort, RestartUnit])
def test_nothing_ever_opens_while_joining_with_a_failing_step(world: World, kind: type) -> None:
    world.sim.failing[kind] = "no"
    world.plug("eth0", "port1")
    world.tick(2)
    world.phone("redeem", ticket=world.invite())
    world.tick(10)
    assert world.phase is Phase.BLOCKED and not any('oifname "wg0" ip saddr' in x for x in world.loaded)
    world.sim.failing.clear()
    world.until(Phase.PROTECTED, most=40)


def test_when_nobody_can_say_what_should_be_the_box_closes_and_heals(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.joined()
    tools = world.role._tools

    def broken(*_: object) -> Any:
        raise RuntimeError("a mistake of ours")

    object.__setattr__(world.role, "_read_letters", broken)
    world.tick(2)
    assert world.open  # twice may be a link that vanished
    world.tick(2)
    assert {world.sim.rulesets[x] for x in ("field", "")} == {boot()}
    del world.role.__dict__["_read_letters"]
    world.tick(2)
    world.until(Phase.PROTECTED)
    assert world.open and world.role._tools is tools
    assert "a mistake of ours" in capfd.readouterr().err


def test_a_ruleset_flushed_by_hand_is_back_within_a_turn(world: World) -> None:
    world.joined()
    world.sim.load_by_hand("field", "")
    world.tick()
    assert world.open and world.sim.rulesets["field"]


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
    wired, wireless = make(config=config).joined(), make(config=config, machine=RADIO_MACHINE).joined()
    assert "10.10.0.21" in wired.sim.rulesets["field"]
    assert "10.10.0.21" not in wireless.sim.rulesets["field"]
    assert "10.10.0.20" in wireless.sim.rulesets["field"]
    shown = {x["name"]: x for x in wireless.phone("status")["desktops"]}
    assert "個人番号" in shown["zeimu"]["refused"]["ja"]


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
    world.ahead -= 365 * 86400
    for _ in range(25):
        world.ahead += 1
        world._shake()
        world._probe()
        world._turn_box()
        world._carry()
    assert len(world.reports) >= count + 2
    assert world.role.next_time(world.now()) <= 10.0
    assert world.reason is Reason.CLOCK_WRONG and not world.open


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
