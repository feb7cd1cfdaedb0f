"""What the box measures: the hub's answer, and what the network itself says about a hub that is silent."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from appliance.host import echo, icmp_errors
from appliance.host.line_check import LineCheck
from appliance.host.namespaces import inside
from appliance.host.probe import Probes, Target
from tests.host.spaces import needs_root, spaces

HUB = "203.0.113.10"


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def _line() -> Iterator[tuple[str, str, str]]:
    """Box, router and hub, one behind the other."""
    with spaces(3) as (box, router, hub):
        for left, right, name in ((box, router, "a"), (router, hub, "b")):
            _run(
                "ip",
                "-n",
                left,
                "link",
                "add",
                f"{name}0",
                "type",
                "veth",
                "peer",
                f"{name}1",
                "netns",
                right,
            )
        for space, link, address in (
            (box, "a0", "192.168.1.5/24"),
            (router, "a1", "192.168.1.1/24"),
            (router, "b0", "203.0.113.1/24"),
            (hub, "b1", f"{HUB}/24"),
        ):
            _run("ip", "-n", space, "address", "add", address, "dev", link)
            _run("ip", "-n", space, "link", "set", link, "up")
        _run("ip", "-n", box, "route", "add", "default", "via", "192.168.1.1")
        _run("ip", "-n", hub, "route", "add", "default", "via", "203.0.113.1")
        _run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield box, router, hub


def _until(look: Callable[[], bool], patience: float = 8.0) -> None:
    deadline = time.monotonic() + patience
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reply_is_known_by_all_of_its_marks() -> None:
    request = echo.request(7, 9)
    header = bytes([0x45]) + bytes(19)
    reply = header + struct.pack("!BBHHH", 0, 0, 0, 7, 9)
    assert echo.reply(reply, 7) == 9
    assert echo.reply(reply, 8) is None
    assert echo.reply(header + request, 7) is None, "our own question is no answer"
    for length in range(len(reply)):
        assert echo.reply(reply[:length], 7) is None


@needs_root
def test_a_line_that_works_and_an_entrance_that_is_closed() -> None:
    with _line() as (box, _, _):
        check = LineCheck(box)
        target = Target(hub="10.210.0.1", endpoint=f"{HUB}:51820")
        _until(lambda: check.look(target) == "port")
        check.stop()
        assert check.heard == ""


@needs_root
@pytest.mark.parametrize("fault", ["no route", "unplugged"])
def test_the_router_beside_us_without_a_way_out(fault: str) -> None:
    with _line() as (box, router, hub):
        if fault == "no route":
            _run("ip", "-n", router, "link", "set", "b0", "down")
        else:
            _run("ip", "-n", hub, "link", "set", "b1", "down")
        check = LineCheck(box)
        target = Target(hub="10.210.0.1", endpoint=f"{HUB}:51820")
        _until(lambda: check.look(target) == "internet")
        assert check.look(target) == "internet", "it stays said while the next packet is under way"


@needs_root
def test_a_router_far_away_that_says_no_is_not_the_one_beside_us() -> None:
    with _line() as (box, router, far):
        _run("ip", "-n", router, "route", "add", "198.51.100.0/24", "via", HUB)
        _run("ip", "netns", "exec", far, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        _run("ip", "-n", far, "route", "add", "unreachable", "198.51.100.0/24")
        with inside(box):
            channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with channel:
            icmp_errors.keep(channel)
            channel.settimeout(3)
            channel.connect(("198.51.100.9", 9))
            channel.send(b"\0")
            with pytest.raises(OSError, match="No route to host"):
                channel.recv(1)
            assert not icmp_errors.is_said_next_door(channel)


@needs_root
def test_nothing_that_comes_back_is_told_as_nothing() -> None:
    with _line() as (box, router, _):
        rules = "table ip t { chain c { type filter hook forward priority 0; policy drop; }; }"
        subprocess.run(["ip", "netns", "exec", router, "nft", "-f", "-"], input=rules, text=True, check=True)
        check = LineCheck(box)
        for _ in range(3):
            assert check.look(Target(hub="10.210.0.1", endpoint=f"{HUB}:51820")) == ""
        check.stop()


@needs_root
def test_no_address_is_no_error_of_ours() -> None:
    with spaces(1) as (box,):
        assert LineCheck(box).look(Target(hub="10.210.0.1", endpoint=f"{HUB}:51820")) == ""


@needs_root
def test_the_hub_is_measured_and_its_silence_is_told() -> None:
    woken: list[float] = []
    with _line() as (box, router, _):
        probes = Probes(box, box, {}, lambda: woken.append(time.monotonic()))
        probes.start()
        try:
            probes.aim(Target(hub=HUB, tunnel_key="k", interval=0.1))
            _until(lambda: probes.hub.last_answer > 0)
            assert 0 < probes.hub.round_trip < 1
            assert woken
            _run("ip", "-n", router, "link", "set", "b0", "down")
            _until(lambda: probes.hub.loss > 0)
            probes.line_changed()
            _run("ip", "-n", router, "link", "set", "b0", "up")
            _until(lambda: probes.hub.loss == 0, patience=4)
            probes.aim(Target(hub=HUB, tunnel_key="another"))
            assert probes.hub.last_answer == 0, "what was measured under the old key counts no more"
        finally:
            probes.aim(Target())
