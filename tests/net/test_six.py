"""A line that speaks IPv6 only: HQ by its own IPv6 address, or by its IPv4 one through the line's NAT64."""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from appliance.core.codec import dump_private
from appliance.core.enrolment import read_ticket
from appliance.host import files
from scripts.exercise import desk, machines, six, topology
from scripts.exercise.namespaces import entered, socket_in
from tests.net import air
from tests.net.air import Seen
from tests.net.leaks.watch import may_leave
from tests.net.test_fit import carries, narrow
from tests.net.test_nothing_passes import plugged
from tests.net.test_same_networks import knock, screen
from tests.net.world import FLEET, OPEN, World, eventually

THROUGH = "2001:db8:64::cb00:710a"  # HQ's 203.0.113.10 in the line's NAT64
ROUTER = "fe80::1"
ADVERT = (
    bytes.fromhex("86000000400007080000000000000000")  # half an hour (RFC 4861, 4.2)
    + bytes.fromhex("030440c0000003840000038400000000")  # a network for addresses of one's own (4.6.2)
    + ipaddress.IPv6Address("2001:db8:66::").packed
)


@contextmanager
def six_only(world: World, router: str = "a", *, nat64: bool = True) -> Iterator[None]:
    six.only_six(world.place, router, nat64=nat64)
    try:
        yield
    finally:
        six.as_ever(world.place, router)


@contextmanager
def hq_with_six(world: World, router: str = "a") -> Iterator[None]:
    """HQ's machine has an IPv6 address, and names it first in tickets and assignments."""
    before = world.hub_config()

    def write(endpoints: tuple[str, ...]) -> None:
        world.stop_hub()
        path = world.state("hq") / "hub.json"
        files.write_private(path, dump_private(replace(world.hub_config(), endpoints=endpoints)))
        world.start_hub()

    six.wire_hq(world.place, router)
    write((f"[{six.HQ}]:51820", *before.endpoints))
    try:
        yield
    finally:
        write(before.endpoints)
        six.unwire_hq(world.place, router)


def is_allowed(frame: Seen, hub: str) -> bool:
    if frame.target == hub and frame.kind in ("udp", "tcp"):  # at whichever of HQ's doors
        return True
    lookup = frame.kind == "udp" and (frame.target, frame.dport) == (six.RESOLVER, 53)
    return lookup or may_leave(frame)


def endpoint(world: World) -> str:
    said = world.inside("field", "wg", "show", f"{world.place.prefix}-wg", "endpoints")
    return said.split("\t")[-1].strip()


def test_hq_is_reached_through_the_lines_nat64_and_nothing_else_is(box: World, tmp_path: Path) -> None:
    with six_only(box), air.tapped(box.namespace("router-a"), "lan0") as tap:
        box.protected()
        assert endpoint(box).startswith(f"[{THROUGH}]:")
        box.laptop.start()
        box.laptop.wait(FLEET, patience=15)
        eventually("the desktop", lambda: desk.greets(box.place, "laptop"))
        with screen(box) as laptop:
            assert laptop.open_desktop(box.access, tmp_path / "desktop.png").colours > 8
        knock(box, "192.0.2.80", "192.168.1.1")
        with plugged(box, "2001:db8:b::77/64", six.RESOLVER) as place:
            air.ping(place, six.RESOLVER, 0.3)
            air.tcp(place, six.RESOLVER, 53, 0.3)
        sent = [x for x in tap.frames() if not x.outgoing]
        assert any(x.target == THROUGH for x in sent)
        assert [x for x in sent if not is_allowed(x, THROUGH)] == []


def test_routers_words_stay_out_of_the_main_table_and_strangers_are_not_heard(box: World) -> None:
    with six_only(box):
        box.protected()
        main = box.inside("box", "ip", "-6", "route", "show", "table", "main")
        assert "default" not in main
        assert six.NETWORK not in main.replace("::/64", "::")
        assert ROUTER in box.inside("box", "ip", "-6", "route", "show", "table", "5001")
        _advertise(box, hops=64)  # as it would arrive from beyond the link
        time.sleep(1.0)
        assert addresses(box, "2001:db8:66:") == []
        _advertise(box, hops=255)  # the guard: from the link itself the same words are heard
        eventually("the other network", lambda: addresses(box, "2001:db8:66:"))
        eventually("the first one again", lambda: addresses(box, "2001:db8:b:"), patience=20)
        assert box.status()["phase"] in OPEN


def addresses(world: World, start: str) -> list[str]:
    found = json.loads(world.inside("box", "ip", "-json", "-6", "address", "show", "dev", "eth0"))
    return [y["local"] for x in found for y in x["addr_info"] if y["local"].startswith(start)]


def _advertise(world: World, hops: int) -> None:
    """The router names another network."""
    with entered(world.namespace("router-a")):
        saying = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        link = socket.if_nametoindex("lan0")
    with saying:
        saying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
        saying.bind((ROUTER, 0, 0, link))
        saying.sendto(ADVERT, ("ff02::1", 0, 0, link))


def test_hq_with_an_ipv6_address_of_its_own_is_reached_without_translation(box: World) -> None:
    with six_only(box, nat64=False), hq_with_six(box):
        text = box.ticket("disaster")
        assert read_ticket(text).endpoints == (f"[{six.HQ}]:51820", machines.ENDPOINT)
        box.power_on()
        box.join(text)
        box.until("PROTECTED")
        assert endpoint(box).startswith(f"[{six.HQ}]:")
        box.laptop.start()
        box.laptop.wait(FLEET, patience=15)
        eventually("the desktop", lambda: desk.greets(box.place, "laptop"))


def test_a_session_goes_from_an_ipv4_line_to_an_ipv6_line_and_back(box: World) -> None:
    with six_only(box, "b"):
        box.protected()
        topology.plug(box.place, "b")
        box.laptop.start()
        box.laptop.wait(FLEET, patience=15)
        eventually("two lines", lambda: sum(bool(x["address"]) for x in box.status()["uplinks"]) == 2)
        with socket_in(box.namespace("laptop")) as session:
            session.settimeout(8)
            session.connect((desk.ADDRESS, desk.PORT))
            topology.unplug(box.place, "a")
            session.sendall(desk.GREETING)
            assert session.recv(64)[5] == desk.CONFIRM
        assert endpoint(box).startswith(f"[{THROUGH}]:")
        topology.plug(box.place, "a")
        eventually("two lines", lambda: sum(bool(x["address"]) for x in box.status()["uplinks"]) == 2)
        with socket_in(box.namespace("laptop")) as session:
            session.settimeout(12)
            session.connect((desk.ADDRESS, desk.PORT))
            topology.blackhole(box.place, "b")
            topology.unplug(box.place, "b")
            session.sendall(desk.GREETING)
            assert session.recv(64)[5] == desk.CONFIRM
        assert endpoint(box).startswith("203.0.113.10:")


def test_an_ipv6_line_of_the_least_width_is_fitted(box: World) -> None:
    with six_only(box), narrow(box, "a", 1280):
        box.protected()
        eventually("the measured size", lambda: carries(box) == 1216, patience=12)
