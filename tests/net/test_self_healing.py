"""What somebody takes away by hand is put back at once. What leaves meanwhile: the leak list (test_leaks.py)."""

from __future__ import annotations

import contextlib
import http.client
import socket

import pytest

from scripts.exercise import desk, machines, processes
from scripts.exercise.namespaces import entered
from tests.net.test_nothing_passes import DESKTOP
from tests.net.world import FLEET, World, eventually

RULES = ("nft", "list", "table", "inet", "noroshi")


def _rules(box: World, machine: str) -> list[list[str]]:
    """Each rule's words in order: a set's members come from a hash, in any order."""
    said = box.inside(machine, *RULES, check=False)
    return [sorted(x.replace(",", " ").split()) for x in said.splitlines()]


def _laptop(box: World) -> str:
    box.laptop.start()
    box.laptop.wait(FLEET, patience=30)
    return box.namespace("laptop")


def _quiet(box: World) -> bool:
    """The plan is empty: nothing differs from what should be."""
    said = box.cli("box", "plan")
    assert said.returncode == 0, said.stderr
    return "nothing to do" in said.stdout


def test_a_settled_box_has_nothing_to_do_and_starts_nothing_anew(box: World) -> None:
    box.protected()
    box.settled()
    eventually("an empty plan", lambda: _quiet(box))
    before = {x: box.unit(x) for x in ("web", "courier", "dnsmasq", "wireguard-go")}
    assert all(before.values())
    for _ in range(3):
        assert _quiet(box)
    assert {x: box.unit(x) for x in before} == before


def test_hqs_rules_flushed_by_hand_are_back_within_a_turn(box: World) -> None:
    box.protected()
    box.settled()
    before = _rules(box, "hq")
    box.inside("hq", "nft", "flush", "ruleset")
    eventually("the rules", lambda: _rules(box, "hq") == before, patience=12)
    laptop = _laptop(box)
    eventually("the desktop", lambda: DESKTOP.send(laptop) == "open")


def test_one_rule_slipped_in_is_taken_out_again(box: World) -> None:
    box.protected()
    box.settled()
    before = _rules(box, "field")
    box.inside("field", "nft", "insert", "rule", "inet", "noroshi", "forward", "accept")
    eventually("the rules", lambda: _rules(box, "field") == before, patience=12)


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
    before = _rules(box, "field")
    units = {x: box.unit(x) for x in ("web", "courier", "wireguard-go", "dhcp-eth0")}
    with contextlib.closing(_session(laptop)) as session:
        processes.finish((box.daemon(),), patience=0.0)
        assert box.status() == {}
        assert _rules(box, "field") == before
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
