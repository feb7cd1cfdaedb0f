"""A line may use any network, also one that is ours: two namespaces keep them apart. Seen on the line's far side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.exercise import desk, topology
from scripts.exercise.laptop import Laptop
from scripts.exercise.namespaces import socket_in
from tests.net import air
from tests.net.leaks.watch import may_leave
from tests.net.test_nothing_passes import daemon_asleep
from tests.net.world import FLEET, World, eventually

ANYWHERE = ("0.0.0.0/0",)  # a line may have any network here

# The router's own address and network, and the address that it gives the box.
LINES = {
    "the wizard's network": ("10.86.86.254/24", "10.86.86.30"),
    "the wizard's very address": ("10.86.86.254/24", "10.86.86.1"),
    "all of ten, and the desktop's address": ("10.0.0.1/8", desk.ADDRESS),
    "the desktops' network, as HQ's own router": ("10.10.0.1/24", "10.10.0.77"),
    "the fleet's tunnels, and the hub's address": ("10.210.255.254/16", "10.210.0.1"),
    "the laptops' network": ("10.211.255.254/16", "10.211.0.1"),
}


@contextmanager
def line(world: World, router: str, lan: str, given: str) -> Iterator[None]:
    topology.serve(world.place, router, lan, given, given)
    try:
        yield
    finally:
        topology.serve_as_ever(world.place, router)


@contextmanager
def screen(world: World) -> Iterator[Laptop]:
    laptop = Laptop(world.place)
    laptop.start()
    try:
        yield laptop
    finally:
        laptop.close_desktop()
        laptop.stop()


def knock(world: World, *hosts: str) -> None:
    """A laptop tries what it can at addresses that both sides know."""
    laptop = world.namespace("laptop")
    for host in hosts:
        air.ping(laptop, host, 0.2)
        for port in (80, 3389, 445):
            air.tcp(laptop, host, port, 0.2)
        air.udp(laptop, host, 53, air.name_query(), 0.2)


@pytest.mark.parametrize("name", LINES)
def test_a_line_in_one_of_our_networks_carries_the_desktop_and_sees_no_laptop(
    box: World, name: str, tmp_path: Path
) -> None:
    lan, given = LINES[name]
    gateway = lan.partition("/")[0]
    with line(box, "a", lan, given), air.tapped(box.namespace("router-a"), "lan0") as tap:
        box.protected()
        assert given in {x["address"].partition("/")[0] for x in box.status()["uplinks"]}
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        eventually("the desktop", lambda: desk.greets(box.place, "laptop"))
        with screen(box) as laptop:
            assert laptop.open_desktop(box.access, tmp_path / "desktop.png").colours > 8
        knock(box, gateway, given, "10.10.0.88", "10.86.86.40", "10.211.77.7")
        sent = [x for x in tap.frames() if not x.outgoing]
        assert any(x.dport == 51820 for x in sent), "the tap sees the line"
        assert [x for x in sent if not may_leave(x, lines=ANYWHERE)] == []


def test_the_tap_sees_a_laptop_where_a_box_forwards_it(box: World) -> None:
    """The guard: with the field's only way out led to the line by hand, the same knocks are seen."""
    with line(box, "a", "10.0.0.1/8", "10.10.0.21"), air.tapped(box.namespace("router-a"), "lan0") as tap:
        box.protected()
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        with daemon_asleep(box):
            for machine in ("box", "field"):
                box.inside(machine, "nft", "flush", "ruleset")
            _lead_out(box)
            knock(box, "10.0.0.1", "10.10.0.88")
        assert [x for x in tap.frames() if not x.outgoing and not may_leave(x, lines=ANYWHERE)]
        box.power_off()


def _lead_out(box: World) -> None:
    """What a box with one namespace is by nature: a router between laptops and line."""
    field = box.namespace("field")
    box.inside("box", "ip", "link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns", field)
    box.inside("box", "ip", "address", "add", "172.31.0.1/30", "dev", "out0")
    box.inside("box", "ip", "link", "set", "out0", "up")
    box.inside("box", "sysctl", "-q", "net.ipv4.ip_forward=1")
    box.inside("field", "ip", "address", "add", "172.31.0.2/30", "dev", "in0")
    box.inside("field", "ip", "link", "set", "in0", "up")
    box.inside("field", "ip", "route", "replace", "10.0.0.0/24", "via", "172.31.0.1")


def test_two_lines_with_the_same_network_and_address_are_told_apart(box: World) -> None:
    same = ("192.168.1.1/24", "192.168.1.150")
    with line(box, "a", *same), line(box, "b", *same):
        box.protected()
        topology.plug(box.place, "b")
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        eventually("two lines", lambda: _addresses(box) == [same[1]] * 2)
        with socket_in(box.namespace("laptop")) as session:
            session.settimeout(6)
            session.connect((desk.ADDRESS, desk.PORT))
            topology.unplug(box.place, "a")
            session.sendall(desk.GREETING)
            assert session.recv(64)[5] == desk.CONFIRM
        assert [x["link"] for x in box.status()["uplinks"] if x["active"]] == ["usb0"]
        topology.plug(box.place, "a")
        eventually("two lines", lambda: _addresses(box) == [same[1]] * 2)
        with socket_in(box.namespace("laptop")) as session:
            session.settimeout(12)
            session.connect((desk.ADDRESS, desk.PORT))
            topology.blackhole(box.place, "b")
            session.sendall(desk.GREETING)
            assert session.recv(64)[5] == desk.CONFIRM
        topology.heal(box.place, "b")


def _addresses(box: World) -> list[str]:
    return [x["address"].partition("/")[0] for x in box.status()["uplinks"]]
