"""What a proof tries: every named endpoint passes, everything else is expected closed, and unclear is not ok."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from appliance.core.desktop_profiles import load_profiles
from appliance.core.machine import Uplink
from appliance.core.model import Protocol
from appliance.core.proof import CLOSED, MOST_ROWS, OPEN, UNCLEAR, Trial, evidence, trials
from tests.machines import ETH0, NOW, SOUMU, ZEIMU, assignment, desktop

PROFILES = load_profiles(
    resources.files("appliance.core").joinpath("desktop_profiles.toml").read_text("utf-8")
)
LINE = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)
ALL = trials(assignment(), (SOUMU,), PROFILES, (LINE,))


def targets(expected: str) -> set[tuple[str, str, int]]:
    return {(x.host, x.protocol.value, x.port) for x in ALL if x.expected == expected}


def test_the_named_endpoint_is_expected_open_and_nothing_else() -> None:
    assert targets(OPEN) == {("10.10.0.20", "tcp", 3389)}


def test_files_printing_names_the_internet_and_the_line_device_are_expected_closed() -> None:
    assert {
        ("10.10.0.20", "tcp", 445),
        ("10.10.0.20", "tcp", 9100),
        ("10.10.0.20", "udp", 53),
        ("10.10.0.254", "tcp", 3389),
        ("10.210.0.1", "tcp", 8470),
        ("192.0.2.80", "tcp", 80),
        ("2001:db8::80", "tcp", 80),
        ("192.168.1.1", "tcp", 80),
    } <= targets(CLOSED)


def test_no_target_is_tried_twice_and_none_is_both() -> None:
    assert len({(x.host, x.protocol, x.port, x.registered) for x in ALL}) == len(ALL)
    strangers = {(x.host, x.protocol.value, x.port) for x in ALL if not x.registered}
    assert targets(OPEN) & targets(CLOSED) == strangers


def test_a_stranger_s_laptop_must_reach_no_desktop_but_in_an_emergency() -> None:
    rows = [x for x in ALL if not x.registered]
    assert rows and {(x.what, x.expected) for x in rows} == {("unregistered", CLOSED)}
    free = trials(assignment(), (SOUMU,), PROFILES, (), emergency=True)
    assert {x.expected for x in free if not x.registered} == {OPEN}


def test_a_mission_without_a_desktop_still_shows_that_nothing_passes() -> None:
    rows = trials(assignment(), (), PROFILES, ())
    assert rows and all(x.expected == CLOSED for x in rows)


def test_many_desktops_make_a_proof_of_bounded_length() -> None:
    many = tuple(desktop(f"d{i}", f"10.10.0.{i}") for i in range(1, 250))
    rows = trials(assignment(), many, PROFILES, (LINE,))
    assert len(rows) <= MOST_ROWS
    assert {"desktop", "unregistered", "internet", "line-device", "hub"} <= {x.what for x in rows}


def test_a_desktop_on_the_last_address_of_its_network_is_not_expected_closed() -> None:
    last = desktop("last", "10.10.0.254")
    rows = trials(assignment(), (last,), PROFILES, ())
    assert [
        x.expected for x in rows if (x.host, x.port, x.protocol) == ("10.10.0.254", 3389, Protocol.TCP)
    ] == [OPEN, CLOSED]


def test_evidence_is_good_only_when_every_row_is_as_expected() -> None:
    good = [(x, x.expected) for x in ALL]
    assert evidence(good, NOW)["ok"] is True
    for outcome in (OPEN, CLOSED, UNCLEAR):
        rows = [(good[0][0], outcome), *good[1:]]
        assert evidence(rows, NOW)["ok"] is (outcome == good[0][1])


def test_no_rows_are_no_evidence() -> None:
    assert evidence((), NOW)["ok"] is False


def test_a_row_names_its_target() -> None:
    trial = Trial(what="desktop", host="10.10.0.20", protocol=Protocol.TCP, port=3389, expected=OPEN)
    assert evidence([(trial, OPEN)], NOW)["rows"][0]["target"] == "10.10.0.20 tcp/3389"
    assert replace(trial, expected=CLOSED) != trial and ZEIMU != SOUMU
