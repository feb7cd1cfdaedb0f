"""What somebody takes away by hand is put back at once; meanwhile nothing is more open than before."""

from __future__ import annotations

import contextlib
import http.client
import socket
from pathlib import Path

import pytest

from scripts.exercise import desk, machines, processes
from scripts.exercise.namespaces import entered
from scripts.exercise.processes import run
from tests.net import air
from tests.net.air import PASSES
from tests.net.test_nothing_passes import DESKTOP, TO_HQ, is_the_boxes_own
from tests.net.world import FLEET, INTERNET, World, eventually

RULES = ("nft", "list", "table", "inet", "noroshi")


def _laptop(box: World) -> str:
    box.laptop.start()
    box.laptop.wait(FLEET, patience=15)
    return box.namespace("laptop")


def _quiet(box: World) -> bool:
    """The plan is empty: nothing differs from what should be."""
    said = box.cli("box", "plan")
    assert said.returncode == 0, said.stderr
    return "nothing to do" in said.stdout


def test_a_settled_box_has_nothing_to_do_and_starts_nothing_anew(box: World) -> None:
    box.protected()
    eventually("an empty plan", lambda: _quiet(box))
    before = {x: box.unit(x) for x in ("web", "courier", "dnsmasq", "wireguard-go")}
    assert all(before.values())
    for _ in range(3):
        assert _quiet(box)
    assert {x: box.unit(x) for x in before} == before


@pytest.mark.parametrize("machine", ["field", "box", "hq"])
def test_rules_flushed_by_hand_are_back_within_a_turn(box: World, machine: str) -> None:
    box.protected()
    box.settled()
    before = box.inside(machine, *RULES)
    box.inside(machine, "nft", "flush", "ruleset")
    eventually("the rules", lambda: box.inside(machine, *RULES, check=False) == before, patience=12)
    laptop = _laptop(box)
    assert DESKTOP.send(laptop) == "open"


def test_one_rule_slipped_in_is_taken_out_again(box: World) -> None:
    box.protected()
    box.settled()
    before = box.inside("field", *RULES)
    box.inside("field", "nft", "insert", "rule", "inet", "noroshi", "forward", "accept")
    eventually("the rules", lambda: box.inside("field", *RULES) == before, patience=12)


def test_a_deleted_tunnel_is_made_again(box: World) -> None:
    box.protected()
    box.inside("field", "ip", "link", "del", f"{box.place.prefix}-wg")
    laptop = _laptop(box)
    eventually("the desktop", lambda: DESKTOP.send(laptop) == "open", patience=15)
    box.until("PROTECTED")
    assert _quiet(box)


@pytest.mark.parametrize("unit", ["web", "courier", "dnsmasq", "wireguard-go", "dhcp-eth0"])
def test_a_killed_program_runs_again(box: World, unit: str) -> None:
    box.protected()
    laptop = _laptop(box)
    killed = box.unit(unit)
    assert killed is not None
    processes.finish((killed,), patience=0.0)
    again = eventually(f"another {unit}", lambda: box.unit(unit), patience=15)
    assert again != killed
    eventually("the desktop", lambda: DESKTOP.send(laptop) == "open", patience=20)
    if unit == "web":
        eventually("the page", lambda: _page(box) == 200)
    box.until("PROTECTED", patience=20)


def _page(box: World) -> int:
    try:
        with entered(box.namespace("laptop")):
            connection = http.client.HTTPConnection("10.86.86.1", timeout=3)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def test_a_killed_daemon_leaves_the_rules_standing_and_the_next_one_cuts_no_session(box: World) -> None:
    box.protected()
    laptop = _laptop(box)
    box.settled()
    before = box.inside("field", *RULES)
    units = {x: box.unit(x) for x in ("web", "courier", "wireguard-go", "dhcp-eth0")}
    with contextlib.closing(_session(laptop)) as session:
        processes.finish((box.daemon(),), patience=0.0)
        assert box.status() == {}
        assert box.inside("field", *RULES) == before
        assert "noroshi daemon" in box.cli("box", "status").stderr
        assert _page(box) in (200, 503)
        machines.power_on(box.place, "box")
        box.until("PROTECTED")
        session.sendall(desk.GREETING)
        assert session.recv(64)[5] == desk.CONFIRM
        assert {x: box.unit(x) for x in units} == units, "what ran goes on running"


def _session(laptop: str) -> socket.socket:
    with entered(laptop):
        return socket.create_connection((desk.ADDRESS, desk.PORT), timeout=5)


def test_a_deleted_field_namespace_closes_everything_and_comes_back(box: World) -> None:
    """The whole field office is gone at one blow; the box builds it again."""
    box.protected()
    laptop = _laptop(box)
    with air.tapped(box.namespace("router-a"), "lan0") as line:
        run("ip", "netns", "delete", box.namespace("field"))
        eventually("another field", Path("/run/netns", box.namespace("field")).exists)
        eventually("its lead", lambda: "lan0" in box.inside("field", "ip", "-o", "link"))
        eventually("the desktop", lambda: DESKTOP.send(laptop) == "open", patience=30)
        assert not [x for x in line.frames() if not x.outgoing and not is_the_boxes_own(x)]
    eventually("the pages", lambda: _page(box) == 200, patience=20)
    box.laptop.ask_again()
    eventually("no address", lambda: box.laptop.lease() is None)
    box.laptop.wait(FLEET, patience=20)
    assert not [x.name for x in TO_HQ if x.send(laptop) in PASSES]
    assert air.tcp(laptop, INTERNET, 80) not in PASSES
