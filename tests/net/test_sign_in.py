"""Lines with a sign-in page: the box says so; where HQ allows it one phone passes it, and nothing else passes with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.exercise import portal, topology
from tests.net import air
from tests.net.person import WIZARD, Person
from tests.net.world import FLEET, INTERNET, OPEN, World, eventually, refusal

HQ_OUTSIDE = "203.0.113.10"
STRANGER_MAC = "02:6e:6f:72:6f:77"


@pytest.fixture
def held(box: World) -> Iterator[Callable[[bool], World]]:
    """A box that worked, whose line then asked for a sign-in; with HQ's permission or without."""

    def make(allowed: bool) -> World:
        name = box.protected()
        box.ask_hub("set-policy", box=name, changes={"sign_in": allowed})
        eventually("the policy", lambda: box.config()["assignment"]["policy"]["sign_in"] is allowed)
        box.settled()
        for machine in (box.laptop, box.phone):
            machine.start()
            machine.wait(FLEET, patience=15)
        portal.hold(box.place, "a")
        eventually("captive", lambda: box.status().get("reason") == "line-captive", patience=40)
        return box

    yield make
    portal.release(box.place, "a")
    portal.release(box.place, "b")


def reached(box: World, machine: str = "phone", port: int = 80) -> str:
    return air.tcp(box.namespace(machine), INTERNET, port)


@contextmanager
def signing_in(box: World) -> Iterator[Person]:
    person = Person(box.place)
    assert person.press("/sign-in")[0] == 303
    box.until("SIGN_IN", "signing-in")
    eventually("the way", lambda: reached(box) == "open")
    yield person


def closed(box: World) -> None:
    """The phone gets no connection any more, and on the line's far side nothing of it is seen."""
    eventually("closed again", lambda: reached(box) != "open", patience=5)
    with air.tapped(box.namespace("router-a"), "lan0") as line:
        for port in (80, 443):
            assert reached(box, port=port) != "open"
        assert reached(box, "laptop") != "open"
        assert not web(line)


def web(line: air.Tap) -> list[air.Seen]:
    """What came from the box for the web's ports, HQ's own check left out."""
    return [
        x
        for x in line.frames()
        if not x.outgoing and x.kind == "tcp" and x.dport in (80, 443) and x.target != HQ_OUTSIDE
    ]


def strange(line: air.Tap) -> list[air.Seen]:
    """What came from the box and is none of its business even while a phone signs in."""

    def known(x: air.Seen) -> bool:
        udp = x.kind == "udp" and (x.dport in (53, 67) or x.target == HQ_OUTSIDE)
        return udp or x.kind == "arp" or (x.kind == "tcp" and x.dport in (80, 443))

    return [x for x in line.frames() if not x.outgoing and not known(x)]


def test_a_line_with_a_sign_in_page_is_told_from_a_dead_one_and_without_permission_nobody_passes(
    held: Callable[[bool], World],
) -> None:
    box = held(False)
    assert "ログイン画面で止められています" in box.status()["words"]["ja"]["what"]
    page = Person(box.place).get(WIZARD, "/")[1]
    assert 'data-step="captive"' in page and "/sign-in" not in page
    address = box.phone.wait(FLEET, patience=1).address
    assert refusal(lambda: box.ask_box("sign-in", visitor=address)).code == "sign-in-not-allowed"
    assert reached(box) not in air.PASSES


def test_one_phone_signs_in_and_the_box_goes_on_to_protected(held: Callable[[bool], World]) -> None:
    box = held(True)
    assert reached(box) not in air.PASSES  # before anybody asked
    with air.tapped(box.namespace("router-a"), "lan0") as line, signing_in(box) as person:
        eventually("the guard: the tap sees the phone's way out", lambda: web(line))
        status = box.status()
        assert not any(x["open"] for x in status["desktops"])
        # Its own ports and nobody else's: whoever else asks, and wherever else it asks.
        assert reached(box, port=8080) not in air.PASSES
        assert air.tcp(box.namespace("phone"), WIZARD, 8480) == "prohibited"
        assert reached(box, "laptop") not in air.PASSES
        assert air.tcp(box.namespace("laptop"), "10.10.0.20", 3389) not in air.PASSES
        assert air.udp(box.namespace("phone"), INTERNET, 5353) not in air.PASSES
        assert air.udp(box.namespace("phone"), WIZARD, 53, air.name_query("server.example")) == "answered"
        laptop = box.laptop.wait(FLEET, patience=1).address
        assert refusal(lambda: box.ask_box("sign-in", visitor=laptop)).code == "sign-in-busy"
        code, _, where = person.get(HQ_OUTSIDE, "/noroshi-check")
        assert (code, where) == (302, "http://192.168.1.1/portal")
        assert "同意" in person.get("192.168.1.1", "/portal")[1]
        assert person.post("192.168.1.1", "/agree")[0] == 200
        assert not strange(line)
    eventually("open desktops", lambda: box.status().get("phase") in OPEN, patience=30)
    assert box.status()["sign_in"]["ended"] == "done"
    closed(box)
    rules = box.inside("field", "nft", "list", "ruleset") + box.inside("box", "nft", "list", "ruleset")
    assert "sign-in" not in rules


def test_the_hole_closes_when_the_person_ends_it_and_when_the_line_goes(
    held: Callable[[bool], World],
) -> None:
    box = held(True)
    with signing_in(box) as person:
        assert person.press("/sign-in/end")[0] == 303
        closed(box)
        assert box.status()["sign_in"]["ended"] == "person"
    eventually("captive", lambda: box.status().get("reason") == "line-captive", patience=20)
    with signing_in(box):
        topology.unplug(box.place, "a")
        closed(box)
        eventually("told", lambda: box.status()["sign_in"]["ended"] == "line")


def test_a_daemon_that_dies_takes_the_hole_with_it(held: Callable[[bool], World]) -> None:
    box = held(True)
    with signing_in(box):
        os.kill(box.daemon().pid, signal.SIGKILL)
        closed(box)
        box.power_on("")
        eventually("no hole", lambda: box.status().get("sign_in", {}).get("until") == 0.0)
        closed(box)


def test_another_device_on_the_phones_address_does_not_pass(held: Callable[[bool], World]) -> None:
    box = held(True)
    with signing_in(box):
        mac = box.inside("phone", "cat", "/sys/class/net/eth0/address").strip()
        box.inside("phone", "ip", "link", "set", "eth0", "address", STRANGER_MAC)
        try:
            closed(box)
        finally:
            box.inside("phone", "ip", "link", "set", "eth0", "address", mac)


def test_a_line_that_asks_again_while_in_use_is_left_for_the_spare_and_why_is_said(box: World) -> None:
    box.protected()
    topology.plug(box.place, "b")
    eventually("the spare", lambda: all(x["address"] for x in box.status()["uplinks"]))
    try:
        portal.hold(box.place, "a")
        box.until("DEGRADED", "spare-captive", patience=40)
        assert [x["link"] for x in box.status()["uplinks"] if x["active"]] == ["usb0"]
    finally:
        portal.release(box.place, "a")
