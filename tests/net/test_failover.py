"""Two lines: how the spare is tested, what leaves by which one, and what a session survives. How long it stalls is
measured by `scripts/bench failover`, not here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.benchmarks.cuts import CUTS
from scripts.benchmarks.session import Desk, Session
from scripts.exercise import topology
from scripts.exercise.processes import run, within
from tests.net import air
from tests.net.world import FLEET, World, eventually

HELLO = 148  # bytes of a scout's question (WireGuard's first message)
SPARE, ROUTER_B = "usb0", "198.51.100.130"
FAR_DESK, PORT = "10.10.0.41", 443


@pytest.fixture
def lines(box: World) -> World:
    """PROTECTED on router A, with router B's line tested and spare."""
    box.protected()
    topology.plug(box.place, "b")
    eventually("a tested spare line", lambda: line_of(box, SPARE) == "good")
    assert in_use(box) == "eth0"
    return box


@contextmanager
def working(world: World) -> Iterator[Session]:
    """Somebody works on a desktop: fifty messages a second each way on one TCP connection."""
    run("ip", "-n", world.namespace("desk"), "address", "replace", f"{FAR_DESK}/24", "dev", "eth0")
    far = Desk(world.place, FAR_DESK, PORT)
    world.ask_hub(
        "add-desktop",
        name="shigoto",
        title="仕事",
        hosts={"gateway": [FAR_DESK]},
        profile="rd-gateway",
        kind="shared-host",
        network="lgwan",
        drill=False,
    )
    world.laptop.start()
    world.laptop.wait(FLEET, patience=15)
    session = Session(world.place, FAR_DESK, PORT)
    session.start()
    try:
        eventually("the session", session.flows, patience=20)
        yield session
    finally:
        session.stop()
        far.close()
        world.ask_hub("remove-desktop", name="shigoto")


@contextmanager
def cut(world: World, name: str, router: str = "a") -> Iterator[None]:
    CUTS[name].begin(world.place, router)
    try:
        yield
    finally:
        CUTS[name].end(world.place, router)


def line_of(world: World, link: str) -> str:
    """What the scout says of a line; "" where it was not asked."""
    known = {x["link"]: x["state"] for x in world.ask_box("snapshot")["observed"]["lines"]}
    return str(known.get(link, ""))


def in_use(world: World) -> str:
    return next((x["link"] for x in world.status()["uplinks"] if x["active"]), "")


def copies(world: World) -> bool:
    return any(x["doubled"] for x in world.status()["uplinks"])


def outer(frames: list[air.Seen]) -> list[air.Seen]:
    """The tunnel's own packets towards HQ, without the scout's questions."""
    return [x for x in frames if x.kind == "udp" and x.dport == 51820 and len(payload(x)) != HELLO]


def payload(frame: air.Seen) -> bytes:
    return frame.raw[14 + 20 + 8 :]


def test_a_spare_line_is_asked_by_the_scout_alone_and_its_death_is_known_before_it_is_needed(
    lines: World,
) -> None:
    with air.tapped(lines.namespace("router-b"), "lan0") as spare:
        eventually("a hello", lambda: [x for x in spare.frames() if len(payload(x)) == HELLO])
        spare.frames()
        time.sleep(1.5)
        assert not outer(spare.frames())
        with cut(lines, "down only lost", "b"):
            eventually("the spare line's death", lambda: line_of(lines, SPARE) == "lost", patience=12)
            assert in_use(lines) == "eth0"
        eventually("its recovery", lambda: line_of(lines, SPARE) == "good")


def test_in_doubt_everything_leaves_by_two_lines_and_wireguard_drops_the_second_copy(lines: World) -> None:
    with working(lines) as session, air.tapped(lines.namespace("hq"), "wan0") as entrance:
        with cut(lines, "down only lost"):
            eventually("the other line", lambda: in_use(lines) == SPARE)
        seen: dict[bytes, set[str]] = {}
        for x in outer(entrance.frames()):
            if not x.outgoing:
                seen.setdefault(payload(x), set()).add(x.source)
        twice = [x for x in seen.values() if len(x) == 2]
        assert twice, "the very same packets came by both lines"
        assert any(ROUTER_B in x for x in twice)
        eventually("the session again", session.flows)
        assert session.lost == 0


def test_hq_may_have_everything_leave_by_both_lines_and_inside_nothing_is_doubled(lines: World) -> None:
    name = lines.newest_box()["name"]
    lines.ask_hub("set-policy", box=name, changes={"both_lines": True})
    eventually("copies", lambda: copies(lines))
    with air.tapped(lines.namespace("router-b"), "lan0") as spare:
        eventually("the tunnel on the spare line", lambda: outer(spare.frames()))
    watch = ("timeout", "3", "tcpdump", "-lnni", f"{lines.place.prefix}-hub", "icmp[icmptype]=icmp-echo")
    told = run(*within(lines.namespace("hq"), watch), check=False).splitlines()
    asked = [x.split(" seq ")[1].split(",")[0] for x in told if " seq " in x]
    assert asked
    assert len(asked) == len(set(asked))
    with cut(lines, "blackhole, lamp on"):
        eventually("the other line", lambda: in_use(lines) == SPARE)


def test_a_line_that_was_left_is_not_taken_back_early_but_a_wish_counts_at_once(lines: World) -> None:
    with cut(lines, "cable out"):
        eventually("the other line", lambda: in_use(lines) == SPARE)
    eventually("the first line's recovery", lambda: line_of(lines, "eth0") == "good")
    time.sleep(2.0)
    assert in_use(lines) == SPARE
    assert lines.cli("box", "line", "eth0", "--first").returncode == 0
    eventually("the wished line", lambda: in_use(lines) == "eth0", patience=5)
    assert lines.cli("box", "line", "eth9", "--first").returncode != 0


def test_hq_s_order_of_kinds_and_a_line_only_in_need(lines: World) -> None:
    name = lines.newest_box()["name"]
    lines.ask_hub("set-policy", box=name, changes={"prefer": ["usb"], "in_need": ["ethernet"]})

    def ranked() -> bool:
        return [(x["link"], x["in_need"]) for x in lines.status()["uplinks"]] == [
            ("usb0", False),
            ("eth0", True),
        ]

    eventually("the new order", ranked)
    assert lines.cli("box", "line", "eth0", "--freely").returncode == 0
    eventually("the wish", lambda: not any(x["in_need"] for x in lines.status()["uplinks"]))


def test_a_carrier_that_translates_anew_is_followed_without_a_switch(lines: World) -> None:
    with working(lines) as session:
        before = lines.newest_box()["endpoint"]
        with cut(lines, "NAT rebinding"):
            eventually("another outside port", lambda: lines.newest_box()["endpoint"] != before)
            eventually("the session", session.flows)
            assert (session.lost, in_use(lines)) == (0, "eth0")


def test_a_router_that_comes_back_with_another_network_keeps_the_session(box: World) -> None:
    """One line only: its address changes under a running session."""
    box.protected()
    with working(box) as session:
        topology.unplug(box.place, "a")
        try:
            topology.serve(box.place, "a", "192.168.77.1/24")
            topology.plug(box.place, "a")
            eventually(
                "another address",
                lambda: any(str(x["address"]).startswith("192.168.77.") for x in box.status()["uplinks"]),
            )
            eventually("the session", session.flows)
            assert session.lost == 0
        finally:
            topology.unplug(box.place, "a")
            topology.serve_as_ever(box.place, "a")


def test_where_only_names_are_dead_nothing_is_in_doubt(lines: World) -> None:
    dead = "table ip names { chain in { type filter hook input priority raw; udp dport 53 drop; tcp dport 53 drop; }; chain passing { type filter hook forward priority raw; udp dport 53 drop; tcp dport 53 drop; }; }"
    lines.inside("router-a", "nft", dead)
    try:
        with working(lines) as session:
            assert air.udp(lines.namespace("router-a"), "192.168.1.1", 53, air.name_query()) == "silent"
            begun = time.monotonic()
            while time.monotonic() < begun + 2.0:
                assert (in_use(lines), copies(lines)) == ("eth0", False)
                time.sleep(0.1)
            assert session.flows()
            assert session.lost == 0
    finally:
        lines.inside("router-a", "nft", "delete table ip names")
