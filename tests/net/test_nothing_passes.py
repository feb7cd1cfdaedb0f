"""Guards of the leak list (test_leaks.py): one wall at a time is taken away, and the very same probes pass."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.exercise import desk, processes
from scripts.exercise.processes import run
from tests.net import air
from tests.net.world import (
    CORPORATE,
    HUB,
    SILENT_HOST,
    World,
    eventually,
)

BOX = "10.86.86.1"
INTERNET_V6 = "2001:db8::80"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    name: str
    send: Callable[[str], str]  # from a namespace; what came of it


def _tcp(host: str, port: int) -> Probe:
    return Probe(name=f"tcp {host} {port}", send=lambda place: air.tcp(place, host, port, 0.25))


def _udp(host: str, port: int, content: bytes = b"\0") -> Probe:
    return Probe(name=f"udp {host} {port}", send=lambda place: air.udp(place, host, port, content, 0.25))


def _ping(host: str) -> Probe:
    return Probe(name=f"ping {host}", send=lambda place: air.ping(place, host, 0.25))


# By the tunnel: somebody at HQ would see it.
TO_HQ = (
    _tcp(HUB, 22),
    _tcp(HUB, 8470),
    _ping(HUB),
    _tcp(CORPORATE, 8080),
    _ping(CORPORATE),
    _tcp(SILENT_HOST, 3389),
    _tcp(desk.ADDRESS, 22),
    _tcp(desk.ADDRESS, 445),
    _udp(desk.ADDRESS, 53, air.name_query()),
    _ping(desk.ADDRESS),
)
DESKTOP = _tcp(desk.ADDRESS, desk.PORT)


@contextmanager
def plugged(world: World, address: str, gateway: str, machine: str = "laptop") -> Iterator[str]:
    """A laptop that takes any address it likes and asks nobody."""
    (world.laptop if machine == "laptop" else world.phone).stop()
    place = world.namespace(machine)
    run("ip", "-n", place, "address", "flush", "dev", "eth0", "scope", "global")
    run("ip", "-n", place, "address", "add", address, "dev", "eth0")
    run("ip", "-n", place, "route", "replace", "default", "via", gateway, "dev", "eth0")
    run("ip", "-n", place, "-6", "route", "replace", "default", "dev", "eth0")
    try:
        yield place
    finally:
        run("ip", "-n", place, "-6", "route", "del", "default", "dev", "eth0", check=False)
        run("ip", "-n", place, "address", "flush", "dev", "eth0", "scope", "global")


@contextmanager
def daemon_asleep(world: World) -> Iterator[None]:
    """What a test takes away is not put back meanwhile."""
    daemon = world.daemon()
    processes.signal_to(daemon, signal.SIGSTOP)
    try:
        yield
    finally:
        processes.signal_to(daemon, signal.SIGCONT)


# --------------------------------------------------------------------------- the detector can see


def test_guard_without_the_rules_the_box_and_the_hub_let_a_laptop_through_to_hq(box: World) -> None:
    box.protected()
    probe = _tcp(desk.ADDRESS, 445)
    lan = box.status()["lan"]
    address, gateway = _addresses_in(lan)
    with daemon_asleep(box), plugged(box, address, gateway) as laptop:
        assert probe.send(laptop) == "prohibited"
        box.inside("field", "nft", "insert", "rule", "inet", "noroshi", "forward", "accept")
        with air.tapped(box.namespace("hq"), "corp0") as tap:
            assert probe.send(laptop) == "prohibited", "the hub alone keeps it"
            assert not [x for x in tap.frames() if x.kind == "tcp" and x.dport == 445]
            box.inside("hq", "nft", "insert", "rule", "inet", "noroshi", "forward", "accept")
            assert probe.send(laptop) == "refused", "it got there: the desk itself has no such service"
            assert [x for x in tap.frames() if x.kind == "tcp" and x.dport == 445]
    # HQ's daemon puts its rules back by itself; the next test would notice if it did not.
    eventually(
        "HQ's rules",
        lambda: (
            "forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\taccept"
            not in box.inside("hq", "nft", "list", "ruleset")
        ),
    )


def test_guard_without_isolation_laptop_and_phone_see_each_other(box: World) -> None:
    box.power_on()
    with (
        plugged(box, "10.86.86.40/26", BOX) as laptop,
        plugged(box, "10.86.86.41/26", BOX, "phone"),
    ):
        eventually("the box", lambda: air.ping(laptop, BOX) == "answered")
        assert air.ping(laptop, "10.86.86.41") == "silent"
        with daemon_asleep(box):
            for port in ("port1", "port2"):
                box.inside("box", "bridge", "link", "set", "dev", port, "isolated", "off")
            eventually("the phone", lambda: air.ping(laptop, "10.86.86.41") == "answered")
        _poke(box)
        eventually("isolation again", lambda: air.ping(laptop, "10.86.86.41") == "silent")


def _poke(box: World) -> None:
    """Anything the kernel reports makes the box look at everything again."""
    run("ip", "-n", box.namespace("box"), "link", "set", "usb0", "down")


def _addresses_in(lan: str) -> tuple[str, str]:
    base, length = lan.split("/")
    head, last = base.rsplit(".", 1)
    return f"{head}.{int(last) + 50}/{length}", f"{head}.{int(last) + 1}"
