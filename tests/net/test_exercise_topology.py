"""The wires of the field exercise, on the real kernel: what passes, what does not, and that nothing stays behind."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.exercise import machines, processes, topology
from scripts.exercise.namespaces import entered
from scripts.exercise.place import Occupied, Place, keep
from scripts.exercise.processes import run, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

HERE = Path("/proc/thread-self/ns/net")
HQ = "203.0.113.10"
SERVER = "192.0.2.80"


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place(f"ext{os.getpid()}")
    topology.up(place)
    try:
        yield place
    finally:
        topology.down(place)


def inside(place: Place, machine: str, *argv: str) -> str:
    return run(*within(place.namespace(machine), argv))


def pings(place: Place, machine: str, address: str) -> bool:
    argv = within(place.namespace(machine), ("ping", "-c1", "-W1", address))
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def carrier(place: Place, link: str) -> bool:
    return inside(place, "box", "cat", f"/sys/class/net/{link}/carrier").strip() == "1"


def connect_box(place: Place, link: str = "eth0", network: str = "192.168.1") -> None:
    """What the box's DHCP client would set."""
    for words in (
        f"link set {link} up",
        f"address add {network}.50/24 dev {link}",
        f"route add default via {network}.1",
    ):
        run("ip", "-n", place.namespace("box"), *words.split())


def offered(place: Place, link: str) -> str:
    """The address a router offers at this socket, or nothing."""
    argv = within(
        place.namespace("box"),
        ("udhcpc", "-f", "-q", "-n", "-i", link, "-s", "/bin/true", "-t", "3", "-T", "1"),
    )
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
    return said.partition("lease of ")[2].partition(" ")[0]


def test_a_plugged_router_hands_out_addresses_and_leads_to_hq(place: Place) -> None:
    topology.plug(place, "a")
    run("ip", "-n", place.namespace("box"), "link", "set", "eth0", "up")
    assert offered(place, "eth0").startswith("192.168.1.1")
    connect_box(place)
    assert pings(place, "box", HQ)
    assert pings(place, "box", SERVER)


def test_the_second_router_is_a_way_of_its_own(place: Place) -> None:
    topology.plug(place, "b")
    connect_box(place, "usb0", "192.168.8")
    assert pings(place, "box", HQ)
    assert not pings(place, "box", "192.168.1.1")


def test_a_router_lets_nothing_in_from_outside(place: Place) -> None:
    topology.plug(place, "a")
    connect_box(place)
    assert pings(place, "box", HQ), "guard: outwards it does pass"
    run("ip", "-n", place.namespace("internet"), "route", "add", "192.168.1.0/24", "via", "198.51.100.2")
    assert not pings(place, "internet", "192.168.1.50")
    assert not pings(place, "internet", "198.51.100.2")


def test_a_silent_router_keeps_its_lamp_on_and_swallows_everything(place: Place) -> None:
    topology.plug(place, "a")
    connect_box(place)
    topology.blackhole(place, "a")
    topology.blackhole(place, "a")
    assert carrier(place, "eth0")
    assert not pings(place, "box", HQ)
    assert not pings(place, "box", "192.168.1.1")
    assert offered(place, "eth0") == ""
    topology.heal(place, "a")
    assert pings(place, "box", HQ)


def test_a_router_without_internet_still_hands_out_addresses(place: Place) -> None:
    topology.plug(place, "a")
    connect_box(place)
    topology.cut_internet(place, "a")
    assert offered(place, "eth0").startswith("192.168.1.1")
    assert not pings(place, "box", HQ)
    topology.restore_internet(place, "a")
    assert any(pings(place, "box", HQ) for _ in range(5)), "a lamp may take a second to come on"


def test_pulling_a_cable_puts_the_lamp_out(place: Place) -> None:
    topology.plug(place, "a")
    connect_box(place)
    assert carrier(place, "eth0")
    topology.unplug(place, "a")
    assert not carrier(place, "eth0")
    topology.plug(place, "a")
    assert carrier(place, "eth0")


def test_up_again_changes_nothing(place: Place) -> None:
    before = inside(place, "internet", "ip", "-o", "link")
    topology.up(place)
    assert inside(place, "internet", "ip", "-o", "link") == before


def test_a_second_exercise_is_refused_in_words_while_one_is_up(place: Place) -> None:
    code = f"from scripts.exercise import topology, place; topology.up(place.Place({place.prefix!r}))"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Occupied: Another exercise is up" in second.stderr
    assert pings(place, "hq", "203.0.113.1"), "the first one is untouched"


def test_an_exercise_that_was_kept_is_not_taken_over(place: Place) -> None:
    keep(place)
    (place.root / "owner").write_text("1 1")
    with pytest.raises(Occupied, match="--down"):
        topology.up(place)


def test_what_a_dead_owner_left_is_removed_first(place: Place) -> None:
    left = processes.start(place, "left", within(place.namespace("hq"), ("sleep", "600")))
    (place.root / "owner").write_text("1 1")
    topology.up(place)
    assert left.poll() is not None
    assert pings(place, "hq", "203.0.113.1")


def test_down_leaves_nothing_behind() -> None:
    place = Place(f"exd{os.getpid()}")
    topology.up(place)
    run("ip", "netns", "add", place.namespace("field"))
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    left = processes.start(place, "stubborn", within(place.namespace("field"), stubborn))
    processes.end_all(place, patience=0.3)
    topology.down(place)
    assert left.poll() is not None
    assert not place.root.exists()
    assert not list(Path("/run/netns").glob(f"{place.prefix}-*"))
    assert not list(Path("/etc/netns").glob(f"{place.prefix}-*"))
    topology.down(place)


def test_a_process_in_a_namespace_can_be_an_unprivileged_user(place: Place) -> None:
    argv = within(place.namespace("hq"), ("id", "-u"), uid=64301)
    assert run(*argv).strip() == "64301"
    assert not [user for user in pwd.getpwall() if user.pw_uid == 64301], "a number without a name"


def test_a_machine_without_power_remembers_nothing_but_keeps_its_sockets(place: Place) -> None:
    topology.plug(place, "a")
    connect_box(place)
    lived = processes.start(place, "lived", within(place.namespace("box"), ("sleep", "600")))
    run(*within(place.namespace("box"), ("nft", "add", "table", "inet", "rules")))
    (place.folder("box", "run") / "volatile").touch()
    (place.folder("box", "state") / "lasting").touch()
    machines.power_off(place, "box")
    assert lived.poll() is not None
    assert "192.168.1.50" not in inside(place, "box", "ip", "address")
    assert inside(place, "box", "nft", "list", "tables") == ""
    assert not (place.root / "box" / "run" / "volatile").exists()
    assert (place.root / "box" / "state" / "lasting").exists()
    connect_box(place)
    assert pings(place, "box", HQ), "the cables are still in"


def test_entering_a_namespace_brings_the_thread_back(place: Place) -> None:
    home = HERE.readlink()
    with pytest.raises(ZeroDivisionError), entered(place.namespace("hq")):
        assert HERE.readlink() != home
        raise ZeroDivisionError
    assert HERE.readlink() == home
