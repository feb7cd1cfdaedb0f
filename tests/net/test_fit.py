"""Any line fits: narrow ones whose routers keep silent about it. Real packets, and a guard that shows the silence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.host import echo
from scripts.exercise import desk, topology
from scripts.exercise.laptop import Laptop
from scripts.exercise.namespaces import socket_in
from scripts.exercise.processes import run
from scripts.exercise.topology import ROUTERS
from tests.net.test_nothing_passes import daemon_asleep
from tests.net.world import FLEET, HUB, World, eventually

STORE = "10.10.0.40"
MEGABYTES = 2
# What a router says of a packet that is too large: these keep it to themselves.
MUTE = """
table ip mute
delete table ip mute
table ip mute {
  chain outgoing {
    type filter hook output priority 0;
    icmp type destination-unreachable drop
  }
}
"""


@contextmanager
def narrow(world: World, router: str, mtu: int) -> Iterator[None]:
    """The router's line to its provider carries no more than this, and neither end says so."""
    here = ROUTERS[router]
    ends = ((here.machine, "wan0"), ("internet", here.internet_side))

    def width(size: int) -> None:
        for machine, link in ends:
            run("ip", "-n", world.namespace(machine), "link", "set", link, "mtu", str(size))

    width(mtu)
    for machine, _ in ends:
        world.inside(machine, "nft", "-f", "-", text=MUTE)
    try:
        yield
    finally:
        width(1500)
        for machine, _ in ends:
            world.inside(machine, "nft", "delete", "table", "ip", "mute")


@contextmanager
def store(world: World, name: str) -> Iterator[None]:
    """A desktop that takes and gives as much as there is: full segments, both ways."""
    place = world.namespace("desk")
    run("ip", "-n", place, "address", "add", f"{STORE}/24", "dev", "eth0")
    fields = {"name": name, "title": name, "hosts": {"host": [STORE]}, "kind": "own-pc", "network": "lgwan"}
    world.ask_hub("add-desktop", profile="vnc", drill=False, **fields)
    listening = socket_in(place)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((STORE, 5900))
    listening.listen()
    thread = threading.Thread(target=_serve, args=(listening,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        world.ask_hub("remove-desktop", name=name)
        run("ip", "-n", place, "address", "del", f"{STORE}/24", "dev", "eth0")


def _serve(listening: socket.socket) -> None:
    while True:
        try:
            session, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(session,), daemon=True).start()


def _answer(session: socket.socket) -> None:
    """What comes is counted to its end, and as much given back. The box's own greetings say nothing: they end."""
    with session:
        session.settimeout(20)
        try:
            taken = 0
            while octets := session.recv(65536):
                taken += len(octets)
            session.sendall(bytes(taken))
        except OSError:
            return


def exchange(world: World, seconds: float) -> int:
    """Octets that came back of two megabytes sent."""
    with socket_in(world.namespace("laptop")) as session:
        session.settimeout(seconds)
        back = 0
        try:
            session.connect((STORE, 5900))
            session.sendall(bytes(MEGABYTES * 1_000_000))
            session.shutdown(socket.SHUT_WR)
            while octets := session.recv(65536):
                back += len(octets)
        except OSError:
            return back
        return back


def carries(world: World) -> int:
    """The largest packet by the tunnel's routes."""
    found = json.loads(world.inside("field", "ip", "-json", "route", "show", "10.10.0.0/24") or "[]")
    return next((int(y["mtu"]) for x in found for y in x.get("metrics", [])), 0)


def whole_echo(world: World, size: int) -> bool:
    """Whether HQ's entrance answers a packet of this size that may not be cut."""
    with echo.channel(world.namespace("field"), whole=True) as asking:
        for number in range(3):  # named by the size: late answers to another one are no answers to this
            asking.sendto(echo.request(size, number, size), (HUB, 0))
        asking.settimeout(1.0)
        try:
            while echo.reply(asking.recv(2048), size) is None:
                pass
        except TimeoutError:
            return False
        return True


@pytest.mark.parametrize(("mtu", "fits"), [(1280, 1216), (1300, 1232)])
def test_a_narrow_silent_line_carries_full_segments_both_ways_and_a_desktop(
    box: World, mtu: int, fits: int, tmp_path: Path
) -> None:
    with narrow(box, "a", mtu), store(box, "narrow"):
        box.opened()
        eventually("the measured size", lambda: carries(box) == fits, patience=12)
        # The guard: a larger packet is swallowed, and nobody says so.
        assert whole_echo(box, fits)
        assert not whole_echo(box, 1280)
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        eventually("the desktop", lambda: desk.greets(box.place, "laptop"))
        assert exchange(box, 20) == MEGABYTES * 1_000_000
        laptop = Laptop(box.place)
        laptop.start()
        try:
            assert laptop.open_desktop(box.access, tmp_path / "desktop.png").colours > 8
        finally:
            laptop.close_desktop()
            laptop.stop()


def test_without_the_measured_size_the_same_line_swallows_a_session(box: World) -> None:
    with narrow(box, "a", 1280), store(box, "swallowed"):
        box.opened()
        eventually("the measured size", lambda: carries(box) == 1216, patience=12)
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        eventually("the desktop", lambda: desk.greets(box.place, "laptop"))
        with daemon_asleep(box):
            for network in ("10.10.0.0/24", f"{HUB}/32"):
                tunnel = box.place.prefix + "-wg"
                box.inside("field", "ip", "route", "replace", network, "dev", tunnel)
            rules = box.inside("field", "nft", "list", "table", "inet", "noroshi")
            wide = rules.replace("maxseg size set 1176", "maxseg size set 1240")
            assert wide != rules
            box.inside("field", "nft", "-f", "-", text=f"delete table inet noroshi\n{wide}")
            assert exchange(box, 4) < 100_000


def test_a_line_that_carries_all_is_used_as_wide_as_the_tunnel_is(box: World) -> None:
    box.protected()
    eventually("the measured size", lambda: carries(box) == 1280)


def test_after_a_switch_the_size_is_that_of_the_line_in_use_and_is_remembered(box: World) -> None:
    with narrow(box, "b", 1280), store(box, "switched"):
        box.opened()
        eventually("the measured size", lambda: carries(box) == 1280)
        topology.plug(box.place, "b")
        box.laptop.start()
        box.laptop.wait(FLEET, patience=30)
        eventually("two lines", lambda: sum(bool(x["address"]) for x in box.status()["uplinks"]) == 2)
        topology.unplug(box.place, "a")
        eventually("the narrow line's size", lambda: carries(box) == 1216, patience=15)
        assert exchange(box, 20) == MEGABYTES * 1_000_000
        topology.plug(box.place, "a")
        topology.unplug(box.place, "b")
        eventually("what is remembered", lambda: carries(box) == 1280, patience=5)
