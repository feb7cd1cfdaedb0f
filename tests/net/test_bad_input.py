"""Whatever goes wrong: nothing opens, what was good is kept, and a person is told what happened and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from appliance.core import commands
from appliance.core.enrolment import read_ticket, ticket_text
from appliance.core.model import Config
from appliance.core.words import Refused
from appliance.core.words import refusal as words_of
from appliance.host import wireguard
from scripts.exercise import desk, topology
from scripts.exercise.processes import run
from tests.net.world import DRILL_DESK, OPEN, World, any_ticket, eventually, refusal


def _altered(text: str) -> str:
    """One letter in the middle, where the site's name or a key is."""
    at = len(text) // 2
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def test_a_bad_invitation_is_refused_in_words_and_the_good_one_still_works_afterwards(box: World) -> None:
    box.power_on()
    box.until_line()
    good = box.ticket()
    bad = {
        "torn": good[: len(good) // 2],
        "altered": _altered(good),
        "expired": box.forged(good, expires=1.8e9 - 86400 * 365),
        "format": "https://example.jp/wifi",
    }
    for code, text in bad.items():
        met = refusal(lambda text=text: box.ask_box("redeem", ticket=text))  # type: ignore[misc]
        assert met.code == code
        assert met.sentence == words_of(code)
        said = box.cli("box", "join", text)
        assert said.returncode == 1
        assert met.sentence.what_ja in said.stderr
        assert met.sentence.do_ja in said.stderr
        assert "Traceback" not in said.stderr
    assert box.until("SETUP", "no-ticket")["joining"] is None
    assert not (box.state() / "config.json").exists()
    box.assert_closed()
    assert box.cli("box", "join", good).returncode == 0
    box.until("PROTECTED")


def test_an_open_box_takes_no_other_invitation(box: World) -> None:
    box.protected()
    before = box.config()
    other = box.ticket()
    private, public = wireguard.new_signing_key()
    foreign = ticket_text(replace(read_ticket(other), signing_key=public), private)
    assert refusal(lambda: box.ask_box("redeem", ticket=foreign)).code == "foreign"
    assert refusal(lambda: box.ask_box("redeem", ticket=other)).code == "already-joined"
    assert refusal(lambda: box.ask_box("start-over")).code == "already-joined"
    assert box.config() == before
    assert box.status()["phase"] in OPEN


def test_an_invitation_that_another_box_has_used_is_refused_by_hq(box: World) -> None:
    text = box.ticket()
    ticket = read_ticket(text)
    _, tunnel_public = wireguard.new_key()
    _, report_public = wireguard.new_signing_key()
    box.ask_hub(
        "enrol",
        ticket=ticket.id,
        tunnel_public=tunnel_public,
        report_public=report_public,
        serial="another",
        model="box",
        address=ticket.invitation_address,
    )
    box.power_on()
    box.join(text)
    status = box.until("BLOCKED", "ticket-used")
    assert status["number"] == "3-03"
    assert status["words"] == words_of("ticket-used").as_data()
    assert "使用済み" in box.cli("box", "status").stdout
    box.assert_closed()
    box.ask_box("start-over")
    box.join(box.ticket())
    box.until("PROTECTED")


def test_an_invitation_withdrawn_by_hq_leads_nowhere(box: World) -> None:
    text = box.ticket()
    box.ask_hub("withdraw-ticket", id=read_ticket(text).id)
    box.power_on()
    box.join(text)
    assert box.until("CONNECTING", "invitation-silent")["number"] == "2-06"
    box.assert_closed()
    box.ask_box("start-over")
    assert box.until("SETUP", "no-ticket")["joining"] is None


def test_a_hub_with_another_key_stays_silent_and_is_told_as_silent(box: World) -> None:
    _, public = wireguard.new_key()
    text = box.forged(box.ticket(), hub_key=public)
    box.power_on()
    box.join(text)
    box.until("CONNECTING", "tunnel-starting", patience=3)
    assert "新しいQRコード" in box.until("CONNECTING", "invitation-silent")["words"]["ja"]["do"]
    box.assert_closed()


def test_a_hub_whose_line_is_cut_is_told_as_silent_and_not_blamed_on_the_router(box: World) -> None:
    box.power_on()
    box.inside("internet", "ip", "link", "set", "hq0", "down")
    try:
        box.join(box.ticket())
        box.until("CONNECTING", "invitation-silent")
        box.assert_closed()
    finally:
        box.inside("internet", "ip", "link", "set", "hq0", "up")
    box.until("PROTECTED", patience=20)


def test_a_closed_entrance_is_told_as_closed_and_opens_by_itself_once_hq_is_back(box: World) -> None:
    text = box.ticket()
    box.power_on()
    box.stop_hub()
    try:
        box.join(text)
        assert box.until("CONNECTING", "hub-port-closed")["number"] == "2-05"
        said = box.cli("hq", "hq", "board").stderr
        assert "noroshi daemon" in said
        assert "Traceback" not in said
        box.assert_closed()
    finally:
        box.start_hub()
    box.until("PROTECTED", patience=20)


def test_no_line_no_address_and_no_internet_are_told_apart(box: World) -> None:
    text = box.ticket()
    box.power_on(router="")
    box.ask_box("redeem", ticket=text)
    assert box.until("CONNECTING", "no-uplink")["number"] == "2-01"
    topology.blackhole(box.place, "a")
    topology.plug(box.place, "a")
    assert box.until("CONNECTING", "no-address")["number"] == "2-02"
    box.assert_closed()
    topology.cut_internet(box.place, "a")
    topology.heal(box.place, "a")
    assert box.until("CONNECTING", "no-internet", patience=25)["number"] == "2-03"
    box.assert_closed()
    said = box.cli("box", "doctor", "--language", "en")
    assert said.returncode == 1
    assert "Move the line device to a window" in said.stdout
    topology.restore_internet(box.place, "a")
    box.until("PROTECTED", patience=20)


def test_desktops_that_do_not_answer_are_told_apart_from_the_line(box: World) -> None:
    box.add_desktop("soumu", DRILL_DESK)
    try:
        box.hush_desk(DRILL_DESK)
        box.opened()
        status = box.until("DEGRADED", "desktop-silent")
        answers = {x["name"]: x["answer"] for x in status["desktops"] if x["open"]}
        assert answers == {"gyomu-01": "answers", "soumu": "silent"}
        assert status["number"] == "5-03"
        box.power_off()
        box.hush_desk(DRILL_DESK, desk.ADDRESS)
        box.power_on()
        assert box.until("DEGRADED", "no-desktop-answers", patience=20)["number"] == "5-04"
        box.unhush_desk()
        box.until("PROTECTED", patience=20)
    finally:
        box.ask_hub("remove-desktop", name="soumu")


@contextmanager
def _small_disk(box: World) -> Iterator[None]:
    """The state folder on a disk of its own, which a test can fill."""
    told = (box.state() / "machine.json").read_text()
    run("mount", "-t", "tmpfs", "-o", "size=96k,mode=755", "tmpfs", str(box.state()))
    (box.state() / "machine.json").write_text(told)
    try:
        yield
    finally:
        box.power_off()
        run("umount", "--lazy", str(box.state()))


def _fill(box: World) -> None:
    with (box.state() / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def test_a_full_disk_refuses_the_invitation_and_keeps_what_is_there(box: World) -> None:
    with _small_disk(box):
        box.power_on()
        box.until_line()
        _fill(box)
        met = refusal(lambda: box.ask_box("redeem", ticket=box.ticket()))
        assert (met.code, met.sentence.number) == ("disk-full", "3-11")
        assert box.status()["phase"] == "SETUP"
        box.assert_closed()
        (box.state() / "ballast").unlink()
        box.ask_box("redeem", ticket=box.ticket())
        box.until("PROTECTED")
        before = box.config()
        _fill(box)
        box.power_off()
        box.power_on()
        box.until("PROTECTED", patience=10)
        assert box.config() == before


def test_half_a_configuration_is_read_from_its_second_copy(box: World) -> None:
    box.protected()
    box.power_off()
    path = box.state() / "config.json"
    path.write_text(path.read_text()[: path.stat().st_size // 2])
    box.power_on()
    box.until("PROTECTED", patience=10)


def test_a_configuration_that_nobody_can_read_stops_the_box_and_stays_as_it_is(box: World) -> None:
    box.protected()
    box.power_off()
    path = box.state() / "config.json"
    for x in (path, path.with_name("config.json.previous")):
        x.write_text(x.read_text()[:200])
    torn = path.read_text()
    box.power_on()
    status = box.until("BLOCKED", "config-damaged")
    assert status["number"] == "3-10"
    assert "3-10" in box.cli("box", "status").stdout
    assert refusal(lambda: box.ask_box("redeem", ticket=box.ticket())).code == "config-damaged"
    box.assert_closed()
    assert path.read_text() == torn
    eventually("no tunnel", lambda: not box.inside("field", "ip", "-o", "link", "show", "type", "tun"))


def test_a_clock_that_was_never_set_leaves_the_expiry_to_hq() -> None:
    """Pure: the machine's clock is nobody's to set."""
    private, public = wireguard.new_signing_key()
    text = ticket_text(any_ticket(public, expires=1.7e9), private)
    assert commands.check_ticket(Config(serial="x"), text, now=1000.0).expires == 1.7e9
    with pytest.raises(Refused, match="expired"):
        commands.check_ticket(Config(serial="x"), text, now=1.8e9)
