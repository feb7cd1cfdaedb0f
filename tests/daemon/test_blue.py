"""HQ declares a box's blue sockets: they count from its next start, and no socket that is for a line ever serves DHCP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.core.machine import Link
from appliance.core.model import Phase
from appliance.host import files
from appliance.host import identity as identity_file
from appliance.sockets import in_force
from tests.daemon.world import World
from tests.machines import BOX_MACHINE, IDENTITY, WIRED

Make = Callable[..., World]
FOLLOWS = replace(BOX_MACHINE, uplinks=(), ports=(), follows=True)


def box(make: Make, sockets: int = 3, **settings: Any) -> World:
    """A mini-PC that nobody described, its line in the first socket; it has joined."""
    world = make(machine=FOLLOWS, **settings)
    build_in(world, sockets)
    world.plug("eth0")
    world.tick(2)
    world.phone("redeem", ticket=world.invite())
    world.until(Phase.PROTECTED)
    world.tick(2)
    return world


def build_in(world: World, sockets: int) -> None:
    links = tuple(
        Link(namespace="", name=f"eth{x}", bus=f"pci0000:00/0000:0{x + 1}:00.0", carrier=x == 0)
        for x in range(sockets)
    )
    others = tuple(x for x in world.sim.state.links if not x.name.startswith("eth"))
    world.sim.state = replace(world.sim.state, links=(*others, *links))


def start_again(world: World, sockets: int = 3, *, power: bool = True) -> None:
    """As `serve.py` does it: the identity on the disk says which sockets are blue, once for each start of the machine."""
    if power:
        world._fresh_run()
    world.identity = identity_file.load(world.state) or world.identity
    world.machine = replace(world.machine, blue=in_force(world.run, world.identity.blue))
    if power:
        note = (world.run / "blue.json").read_text()
        world.cut_power()
        (world.run / "blue.json").write_text(note)
        build_in(world, sockets)
    else:
        world.start_daemon()
    world.tick(3)


def declare(world: World, *blue: int) -> None:
    world.staff("declare-blue", box="box-0001", blue=list(blue), by="test")
    world.tick(15)


def colours(world: World) -> dict[str, str]:
    return {x["link"]: x["role"] for x in world.phone("status")["sockets"] if x["role"] != "radio"}


def bridged(world: World) -> set[str]:
    """Where laptops get addresses."""
    return {x.name for x in world.sim.state.links if x.master == "br-lan" and x.name.startswith("eth")}


def test_a_declaration_counts_from_the_machines_next_start_and_lasts(make: Make) -> None:
    world = box(make)
    start_again(world)
    assert bridged(world) == {"eth1", "eth2"}
    declare(world, 1, 2)
    assert colours(world) == {"eth0": "line", "eth1": "laptops", "eth2": "laptops"}, "not while it runs"
    assert bridged(world) == {"eth1", "eth2"}
    start_again(world, power=False)
    assert bridged(world) == {"eth1", "eth2"}, "nor with a new daemon"
    start_again(world)
    assert colours(world) == {"eth0": "line", "eth1": "line", "eth2": "laptops"}
    assert bridged(world) == {"eth2"}
    start_again(world)
    assert bridged(world) == {"eth2"}


def told(world: World) -> tuple[str, str]:
    """What HQ heard of its declaration with the next report."""
    world.tick(12)
    found = world.reports[-1].get("sockets", {"state": "", "why": ""})
    return found["state"], found["why"]


def test_hq_is_told_what_came_of_its_declaration(make: Make) -> None:
    world = box(make)
    start_again(world)
    world.tick(15)
    assert told(world) == ("", ""), "nothing was declared"
    declare(world, 1, 2)
    assert told(world) == ("next-start", "")
    start_again(world, power=False)
    world.tick(15)
    assert told(world) == ("next-start", ""), "a new daemon is no start of the machine"
    start_again(world)
    world.until(Phase.PROTECTED)
    world.tick(15)
    assert told(world) == ("in-force", "") and world.reports[-1]["sockets"]["blue"] == [1, 2]
    declare(world, 9)
    assert told(world) == ("refused", "no-line")
    declare(world, 1, 2)
    assert told(world) == ("in-force", "")


def test_hq_is_told_why_a_declaration_does_not_count(make: Make) -> None:
    world = box(make, 2, identity=WIRED)
    declare(world, 1, 2)
    assert told(world) == ("refused", "no-way-in")


def test_a_network_stick_that_is_plugged_in_is_a_line_whatever_hq_declares_and_stays_where_it_is(
    make: Make,
) -> None:
    world = box(make)
    stick = Link(namespace="", name="usb0", bus="pci0000:00/usb1/1-2", plugged=True, carrier=True)
    world.sim.state = replace(world.sim.state, links=(*world.sim.state.links, stick))
    world.tick(2)
    assert colours(world)["usb0"] == "line" and "dhcp-usb0" in dict(world.sim.state.units)
    declare(world, 1, 2)
    assert colours(world)["usb0"] == "line" and "dhcp-usb0" in dict(world.sim.state.units)
    start_again(world)
    world.sim.state = replace(world.sim.state, links=(*world.sim.state.links, stick))
    world.tick(3)
    assert colours(world) == {"eth0": "line", "eth1": "line", "eth2": "laptops", "usb0": "line"}


def test_a_line_that_becomes_a_laptops_socket_has_nothing_of_a_line_left(make: Make) -> None:
    world = box(make)
    declare(world, 2)
    start_again(world)
    assert bridged(world) == {"eth0", "eth2"}
    assert not [x for x in dict(world.sim.state.units) if "eth0" in x]
    assert not [x for x in world.sim.state.addresses if x.link == "eth0"]


@pytest.mark.parametrize("text", ["", "{}", "[0]", "[1, 1]", '["eth0"]', "[" * 9999])
def test_a_note_of_this_start_that_cannot_be_read_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "blue.json").write_text(text)
    assert in_force(tmp_path, (1, 2)) == (1, 2)
    assert in_force(tmp_path, (3,)) == (1, 2)
    assert in_force(tmp_path / "none", (3,)) == (3,)


def test_it_lasts_without_the_configuration(make: Make) -> None:
    """Else a damaged file would serve DHCP where somebody's router is."""
    world = box(make)
    declare(world, 1, 2)
    for path in world.state.glob("config.json*"):
        path.write_text("torn")
    start_again(world)
    assert world.phase is Phase.BLOCKED
    assert bridged(world) <= {"eth2"}


def test_hq_may_think_again_before_the_next_start(make: Make) -> None:
    world = box(make)
    declare(world, 1, 2)
    declare(world, 1)
    start_again(world)
    assert bridged(world) == {"eth1", "eth2"}


@pytest.mark.parametrize(
    ("identity", "sockets", "blue"),
    [(IDENTITY, 3, (9,)), (WIRED, 3, (4, 5)), (WIRED, 3, (1, 2, 3)), (WIRED, 2, (1, 2))],
)
def test_one_that_leaves_no_line_or_no_way_in_for_laptops_changes_nothing(
    make: Make, identity: Any, sockets: int, blue: tuple[int, ...]
) -> None:
    world = box(make, sockets, identity=identity)
    before = bridged(world)
    declare(world, *blue)
    assert world.role._config.assignment is not None and world.role._config.assignment.blue == blue, (
        "guard: it was heard"
    )
    start_again(world, sockets)
    assert bridged(world) == before and colours(world)["eth0"] == "line"


def test_with_wifi_every_socket_may_be_for_a_line(make: Make) -> None:
    world = box(make, 2)
    declare(world, 1, 2)
    start_again(world, 2)
    assert bridged(world) == set() and colours(world) == {"eth0": "line", "eth1": "line"}


def test_a_box_whose_sockets_are_named_in_its_machine_file_keeps_them(make: Make) -> None:
    world = make().joined()
    declare(world, 2)
    assert identity_file.load(world.state) is None, "nothing was written"
    assert told(world) == ("refused", "fixed")


def test_a_full_disk_costs_nothing_but_the_declaration(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = box(make)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "write_private", full)
    world.role._sockets.obey((1, 2), FOLLOWS)
    monkeypatch.undo()
    assert files.read_private(world.state / "identity.json") is None
    assert world.role._sockets.told()["why"] == "not-saved"
    world.tick(5)
    assert world.phase is Phase.PROTECTED
