"""In no phase does anything pass but what the phase names. Taps lie on the line's far side and inside HQ.

The first tests take the protection away: then the very same probes are seen. A tap that sees nothing where
something is to be seen would make every other test here worthless.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from scripts.exercise import desk, processes
from scripts.exercise.processes import run
from tests.net import air
from tests.net.air import PASSES, Seen
from tests.net.world import (
    CORPORATE,
    HUB,
    HUB_OUTSIDE,
    INTERNET,
    ROUTER,
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


# By the outside way: the uplink's far side would see it.
TO_THE_INTERNET = (
    _tcp(INTERNET, 80),
    _udp(INTERNET, 443),
    _udp(INTERNET, 53, air.name_query()),
    _ping(INTERNET),
    _tcp(ROUTER, 80),
    _udp(ROUTER, 53, air.name_query()),
    _ping(ROUTER),
    _tcp(HUB_OUTSIDE, 22),
    _udp(HUB_OUTSIDE, 51820),
    _ping(HUB_OUTSIDE),
)
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
SIX = (_tcp(INTERNET_V6, 80), _udp(INTERNET_V6, 53), _ping(INTERNET_V6))
DESKTOP = _tcp(desk.ADDRESS, desk.PORT)


def is_the_boxes_own(frame: Seen) -> bool:
    """What the box itself may send into a line: DHCP, the tunnel, and the neighbour talk of its link."""
    if frame.kind == "arp":
        return True
    if frame.kind == "udp":
        dhcp = (frame.sport, frame.dport) == (68, 67)
        return dhcp or (frame.target, frame.dport) == (HUB_OUTSIDE, 51820)
    neighbours = frame.target.startswith("ff02:") or frame.target.startswith("fe80:")
    return frame.kind == "icmp6" and neighbours and frame.raw[14 + 40] in (135, 136)


def sent_by_the_box(frames: list[Seen]) -> list[Seen]:
    return [x for x in frames if not x.outgoing]


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


def test_guard_an_unprotected_router_lets_every_probe_out_and_the_tap_sees_it(box: World) -> None:
    place = box.namespace("box")
    run("ip", "-n", box.namespace("router-a"), "link", "set", "lan0", "up")
    for line in (
        "address add 192.168.1.50/24 dev eth0",
        "address add 10.86.86.1/26 dev port1",
        "link set eth0 up",
        "link set port1 up",
        f"route add default via {ROUTER}",
    ):
        run("ip", "-n", place, *line.split())
    rules = (
        'table ip open { chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }'
    )
    box.inside("box", "nft", "-f", "-", text=rules)
    box.inside("box", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    with (
        plugged(box, "10.86.86.40/26", BOX) as laptop,
        air.tapped(box.namespace("router-a"), "lan0") as tap,
    ):
        for probe in TO_THE_INTERNET:
            probe.send(laptop)
            seen = [x for x in sent_by_the_box(tap.frames()) if not is_the_boxes_own(x)]
            if "51820" not in probe.name:  # by its address and port it could be the tunnel's own
                assert seen, f"{probe.name} left and the tap did not see it"


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


# ------------------------------------------------------------------------------------ every phase


def _boot(box: World) -> None:
    """The rules of the very first moment, and no daemon."""
    assert box.cli("box", "block").returncode == 0


def _setup(box: World) -> None:
    box.power_on()
    box.until_line()
    box.until("SETUP")


def _connecting(box: World) -> None:
    box.inside("internet", "ip", "link", "set", "hq0", "down")
    box.power_on()
    box.join(box.ticket())
    box.until("CONNECTING")


def _standby(box: World) -> None:
    box.power_on()
    box.join(box.ticket(mission=None))
    box.until("STANDBY")


def _protected(box: World) -> None:
    """Open for any laptop: the widest that HQ can open, so that no probe is refused for the wrong reason."""
    name = box.protected()
    box.ask_hub("emergency", box=name, hours=1)
    eventually("the emergency at the box", lambda: box.status()["any_laptop_until"] > 0, patience=25)


def _revoked(box: World) -> None:
    name = box.protected()
    box.ask_hub("revoke", box=name)
    box.until("BLOCKED", "revoked", patience=14)


def _daemon_killed(box: World) -> None:
    _protected(box)
    processes.finish((box.daemon(),), patience=0.0)


PHASES = {
    "boot": _boot,
    "SETUP": _setup,
    "CONNECTING": _connecting,
    "STANDBY": _standby,
    "PROTECTED": _protected,
    "revoked": _revoked,
    "daemon killed": _daemon_killed,
}


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_but_the_named_desktop_passes(box: World, phase: str) -> None:
    router, internet, hq = (box.namespace(x) for x in ("router-a", "internet", "hq"))
    with (
        air.tapped(router, "lan0") as line,
        air.tapped(internet, "ra0", "lo") as provider,
        air.tapped(hq, "corp0") as corporate,
    ):
        try:
            PHASES[phase](box)
            may_open = phase in ("PROTECTED", "daemon killed")
            corporate.frames()
            passed = []
            for address, gateway in _places_to_stand(box):
                with plugged(box, address, gateway) as laptop:
                    assert (air.ping(laptop, gateway) == "answered") == (phase != "boot")
                    passed += [(address, *x) for x in _try_all(laptop) if x[1] in PASSES]
                    reached = DESKTOP.send(laptop)
                    in_lan = not address.startswith("10.86.")
                    assert (reached == "open") == (may_open and in_lan), (phase, address, reached)
            assert not passed
            leaked = [x for x in sent_by_the_box(line.frames()) if not is_the_boxes_own(x)]
            assert not leaked
            assert not [x for x in provider.frames() if x.target == INTERNET]
            assert not [x for x in corporate.frames() if not _is_desktop_or_arp(x)]
        finally:
            box.inside("internet", "ip", "link", "set", "hq0", "up")


def _try_all(laptop: str) -> list[tuple[str, str]]:
    probes = (*TO_THE_INTERNET, *TO_HQ, *SIX)
    with ThreadPoolExecutor(6) as pool:
        return list(zip((x.name for x in probes), pool.map(lambda x: x.send(laptop), probes), strict=True))


def _places_to_stand(box: World) -> list[tuple[str, str]]:
    """In the wizard's network, and in the one that HQ gave, whatever DHCP would say."""
    lan = box.status().get("lan") or (_last_lan(box))
    return [("10.86.86.40/26", BOX), *([_addresses_in(lan)] if lan else [])]


def _last_lan(box: World) -> str:
    try:
        assignment = box.config().get("assignment")
    except FileNotFoundError:
        return ""
    return str(assignment["lan"]) if assignment else ""


def _is_desktop_or_arp(frame: Seen) -> bool:
    """Between HQ's hub and the desk: the desktop itself, and who-has."""
    desktops = (desk.ADDRESS, "10.10.0.30")
    tcp = frame.kind == "tcp" and (
        (frame.target in desktops and frame.dport == 3389)
        or (frame.source in desktops and frame.sport == 3389)
    )
    return tcp or frame.kind == "arp" or frame.kind.startswith("icmp6") or frame.kind.startswith("other")
