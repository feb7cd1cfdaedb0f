"""From an invitation to a desktop, in the order of a disaster: prepared, opened, used, closed."""

from __future__ import annotations

import socket

import pytest

from scripts.exercise import desk, topology
from scripts.exercise.namespaces import socket_in
from tests.net import air
from tests.net.world import DRILL_DESK, FLEET, HUB, World, eventually


def test_an_invitation_opens_the_desktop_for_a_laptop(box: World) -> None:
    box.power_on()
    box.laptop.start()
    assert box.until("SETUP", "no-ticket")["number"] == "1-01"
    box.join(box.ticket())
    status = box.until("PROTECTED", "all-well")
    assert {x["name"]: x["answer"] for x in status["desktops"] if x["open"]} == {"gyomu-01": "answers"}
    lease = box.laptop.wait(FLEET, patience=30)
    assert lease.is_in(status["lan"])
    assert desk.greets(box.place, "laptop")
    assert status["hub"]["round_trip"] is not None
    milestones = status["milestones"]
    order = ["uplink", "ticket-accepted", "tunnel", "open"]
    assert sorted(order, key=milestones.__getitem__) == order
    assert "joining" not in box.config() or box.config()["joining"] is None, "the ticket's secret is wiped"


def test_after_a_power_cut_the_box_opens_by_itself(box: World) -> None:
    box.protected()
    before = box.config()
    box.power_off()
    assert not desk.greets(box.place, "laptop", seconds=0.3)
    box.power_on()
    box.until("PROTECTED", patience=10)
    assert box.config() == before
    box.laptop.start()
    box.laptop.wait(FLEET, patience=30)
    assert desk.greets(box.place, "laptop")


def test_a_power_cut_in_the_middle_of_joining_is_taken_up_again(box: World) -> None:
    box.power_on(router="")
    text = box.ticket()
    box.ask_box("redeem", ticket=text)
    assert box.until("CONNECTING", "no-uplink")["joining"]["stage"] == "invited"
    box.power_off()
    box.power_on()
    box.until("PROTECTED", patience=10)


def test_a_box_enrolled_in_peacetime_waits_until_hq_begins_and_closes_when_hq_ends(box: World) -> None:
    box.power_on()
    box.join(box.ticket(mission=None))
    assert box.until("STANDBY", "no-mission")["number"] == "4-01"
    box.laptop.start()
    box.laptop.wait(FLEET, patience=30)
    assert not desk.greets(box.place, "laptop", seconds=0.5)
    assert air.tcp(box.namespace("laptop"), desk.ADDRESS, desk.PORT) == "prohibited"

    name = box.newest_box()["name"]
    box.start_mission(name)
    box.until("PROTECTED", patience=14)
    assert desk.greets(box.place, "laptop")

    with socket_in(box.namespace("laptop")) as session:
        session.settimeout(3)
        session.connect((desk.ADDRESS, desk.PORT))
        session.sendall(desk.GREETING)
        assert session.recv(64)
        box.ask_hub("end-mission", box=name)
        _is_silent(session)  # HQ's side closes at once
        box.until("STANDBY", "mission-ended", patience=14)
        _is_silent(session)  # and the box's, too
    assert not desk.greets(box.place, "laptop", seconds=0.5)


def _is_silent(session: socket.socket) -> None:
    """What is written is swallowed: no answer, and no reset that would end the program's session."""
    session.settimeout(0.7)
    session.sendall(b"\x16\x03\x01\x00\x04abcd")
    with pytest.raises(TimeoutError):
        session.recv(64)


def test_a_drill_opens_the_drill_desktop_and_nothing_else(box: World) -> None:
    box.protected(mission="drill")
    status = box.status()
    assert status["drill"]
    assert {x["name"] for x in status["desktops"] if x["open"]} == {"kunren"}
    box.laptop.start()
    box.laptop.wait(FLEET, patience=30)
    assert desk.greets(box.place, "laptop", DRILL_DESK)
    assert air.tcp(box.namespace("laptop"), desk.ADDRESS, desk.PORT) == "prohibited"


def test_when_the_cable_is_pulled_the_second_router_carries_the_session_on_within_seconds(box: World) -> None:
    _with_both_lines(box)
    with socket_in(box.namespace("laptop")) as session:
        session.settimeout(4)
        session.connect((desk.ADDRESS, desk.PORT))
        topology.unplug(box.place, "a")
        session.sendall(desk.GREETING)
        assert session.recv(64)[5] == desk.CONFIRM
    assert [x["link"] for x in box.status()["uplinks"] if x["active"]] == ["usb0"]


def test_a_router_that_swallows_everything_is_left_for_the_second_one(box: World) -> None:
    _with_both_lines(box)
    with socket_in(box.namespace("laptop")) as session:
        session.settimeout(12)
        session.connect((desk.ADDRESS, desk.PORT))
        topology.blackhole(box.place, "a")
        session.sendall(desk.GREETING)
        assert session.recv(64)[5] == desk.CONFIRM
    assert box.until("DEGRADED", "spare-uplink", patience=25)["number"] == "5-02"


def _with_both_lines(box: World) -> None:
    box.protected()
    topology.plug(box.place, "b")
    box.laptop.start()
    box.laptop.wait(FLEET, patience=30)
    eventually("a spare line", lambda: sum(bool(x["address"]) for x in box.status()["uplinks"]) == 2)


def test_the_hub_answers_its_own_address_only_through_the_tunnel(box: World) -> None:
    box.protected()
    assert air.ping(box.namespace("field"), HUB, seconds=1.5) == "answered"
    assert air.ping(box.namespace("router-a"), HUB) != "answered"
