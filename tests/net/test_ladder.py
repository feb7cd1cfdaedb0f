"""Lines that close HQ's usual door: the box finds another one by itself, remembers it, and comes back to the usual one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.core.enrolment import read_ticket
from appliance.core.machine import Machine
from scripts.exercise import machines
from scripts.exercise.processes import within
from tests.net import air
from tests.net.leaks.watch import is_check
from tests.net.world import HUB, HUB_OUTSIDE, INTERNET, OPEN, ROUTER, World, eventually

RELAY = Machine().relay_uid

CLOSED = """
table ip closed
delete table ip closed
table ip closed {{
  chain passing {{
    type filter hook forward priority -5; policy accept;
    oifname "wan0" {match} {verdict}
    iifname "wan0" {back} {verdict}
  }}
}}
"""
LOOSE = "table ip closed\ndelete table ip closed\n"
# What a line lets through, as its router's rules say what it does not.
USUAL_CLOSED = ("udp dport 51820", "udp sport 51820")
DNS_AND_QUIC = ("udp dport != { 53, 443 }", "udp sport != { 53, 443 }")
ONLY_DNS = ("udp dport != 53", "udp sport != 53")


def close(world: World, closed: tuple[str, str], verdict: str = "drop", router: str = "a") -> None:
    match, back = closed
    world.inside(
        f"router-{router}", "nft", "-f", "-", text=CLOSED.format(match=match, back=back, verdict=verdict)
    )


def loosen(world: World, router: str = "a") -> None:
    world.inside(f"router-{router}", "nft", "-f", "-", text=LOOSE)


@pytest.fixture
def line(box: World) -> Iterator[World]:
    loosen(box)
    yield box
    loosen(box)
    loosen(box, "b")


def opens(world: World, patience: float) -> None:
    def seen() -> object:
        status = world.status()
        return {x: status.get(x) for x in ("phase", "reason", "uplinks", "joining")}

    try:
        eventually("open desktops", lambda: world.status().get("phase") in OPEN, patience)
    except AssertionError as error:
        raise AssertionError(f"{error}; the box says {seen()}\n{world.log()[-2000:]}") from None


def door(world: World) -> str:
    """The door that the box uses now: "udp/443"."""
    return next((str(x["door"]) for x in world.status().get("uplinks", []) if x["active"]), "")


def opened_in(world: World, patience: float = 30.0) -> float:
    world.power_on()
    started = time.monotonic()
    opens(world, patience)
    return time.monotonic() - started


def joined_in(world: World, patience: float = 30.0) -> float:
    world.power_on()
    started = time.monotonic()
    world.join(world.ticket())
    opens(world, patience)
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("closed", "verdict", "expected"),
    [
        (USUAL_CLOSED, "drop", "udp/443"),
        (USUAL_CLOSED, "reject", "udp/443"),
        (DNS_AND_QUIC, "drop", "udp/443"),
        (ONLY_DNS, "drop", "udp/53"),
    ],
)
def test_a_new_box_joins_over_a_line_that_closes_doors(
    line: World, closed: tuple[str, str], verdict: str, expected: str
) -> None:
    close(line, closed, verdict)
    assert joined_in(line) < 15
    assert door(line) == expected
    line.until("PROTECTED")


def test_what_worked_is_remembered_and_tried_first_after_a_power_cut(line: World) -> None:
    close(line, ONLY_DNS)
    joined_in(line)
    remembered = line.state() / "lines.json"
    eventually("a memory", lambda: remembered.exists() and "udp/203.0.113.10:53" in remembered.read_text())
    line.power_off()
    assert opened_in(line) < 8
    assert door(line) == "udp/53"
    line.power_off()
    remembered.write_text(json.dumps("torn"))
    remembered.with_name("lines.json.previous").unlink()
    assert opened_in(line) < 15


def test_doors_that_close_under_a_running_session_cost_seconds_and_open_ones_are_come_back_to(
    line: World,
) -> None:
    line.protected()
    assert door(line) == "udp/51820"
    shaken = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    close(line, USUAL_CLOSED)
    started = time.monotonic()
    eventually("another door", lambda: door(line) == "udp/443")
    eventually("an answer", lambda: line.status()["phase"] == "PROTECTED")
    assert time.monotonic() - started < 6
    line.inside("field", "ping", "-c", "3", "-i", "0.2", "-W", "1", HUB)
    loosen(line)
    line.inside("field", "ping", "-c", "1", "-W", "1", HUB)
    again = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    assert again == shaken, "the session is the same one"


def test_without_the_closing_rule_the_usual_door_is_used(line: World) -> None:
    """Guard of the tests above."""
    joined_in(line)
    assert door(line) == "udp/51820"


# ------------------------------------------------------------------------------- no UDP at all: the relay

NO_UDP = ("meta l4proto udp", "meta l4proto udp")


def test_a_new_box_joins_over_a_line_without_udp_and_says_so_in_words(line: World) -> None:
    close(line, NO_UDP)
    assert joined_in(line) < 20
    assert door(line) == "relay/443"
    line.until("PROTECTED")
    (way,) = [x["way"] for x in line.status()["uplinks"] if x["active"]]
    assert "HTTPS" in way["ja"]
    assert "443" in way["en"]
    assert way["ja"] in line.cli("box", "status").stdout
    assert way["ja"] in line.cli("box", "doctor").stdout
    remembered = line.state() / "lines.json"
    eventually("a memory", lambda: remembered.exists() and "relay/" in remembered.read_text())
    line.power_off()
    assert opened_in(line) < 10
    assert door(line) == "relay/443"


def test_when_udp_works_again_the_box_returns_to_it_within_the_same_session(line: World) -> None:
    close(line, NO_UDP)
    joined_in(line)
    line.until("PROTECTED")
    assert door(line) == "relay/443"
    shaken = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    loosen(line)
    eventually("the usual door", lambda: door(line) == "udp/51820", patience=60)
    line.inside("field", "ping", "-c", "5", "-i", "0.2", "-W", "1", HUB)
    again = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    assert again == shaken


def test_a_running_session_moves_to_the_relay_when_udp_is_cut(line: World) -> None:
    line.protected()
    shaken = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    close(line, NO_UDP)
    started = time.monotonic()
    eventually("the relay", lambda: door(line) == "relay/443")
    eventually("an answer", lambda: air.ping(line.namespace("field"), HUB) == "answered")
    assert time.monotonic() - started < 10
    again = line.inside("field", "wg", "show", f"{line.place.prefix}-wg", "latest-handshakes")
    assert again == shaken


@pytest.mark.parametrize("closed", [("udp dport 0", "udp sport 0"), ONLY_DNS, NO_UDP])
def test_by_whatever_door_nothing_leaves_but_what_goes_to_hq_s_doors(
    line: World, closed: tuple[str, str]
) -> None:
    close(line, closed)
    with air.tapped(line.namespace("box"), "eth0") as tap:
        joined_in(line)
        line.until("PROTECTED")
        time.sleep(2)
        seen = [x for x in tap.frames() if x.outgoing]
    assert seen
    strange = [x for x in seen if not _is_ours(x)]
    assert strange == []


def _is_ours(x: air.Seen) -> bool:
    """Address resolution, DHCP, neighbour discovery, HQ's doors, and its own check of a silent line."""
    if x.kind in ("arp", "icmp6") or (x.kind == "udp" and x.dport == 67):
        return True
    return (x.target == HUB_OUTSIDE and (x.kind, x.dport) in machines.DOORS) or is_check(x)


def test_nobody_but_the_relay_s_own_user_reaches_hq_over_tcp_and_it_reaches_nothing_else(line: World) -> None:
    close(line, NO_UDP)
    joined_in(line)
    where = line.namespace("box")

    def connects(user: int, host: str, port: int) -> bool:
        code = (
            "import socket,sys\n"
            "s=socket.socket();s.setsockopt(socket.SOL_SOCKET,socket.SO_BINDTODEVICE,b'eth0');s.settimeout(1)\n"
            f"s.connect(({host!r},{port}))"
        )
        who = ("setpriv", f"--reuid={user}", "--clear-groups")
        done = subprocess.run(
            within(where, (*who, machines.python(), "-c", code)), check=False, capture_output=True
        )
        return done.returncode == 0

    assert connects(RELAY, HUB_OUTSIDE, 443), "guard: this is how the relay does it"
    assert not connects(0, HUB_OUTSIDE, 443)
    assert not connects(64301, HUB_OUTSIDE, 443)
    assert not connects(RELAY, HUB_OUTSIDE, 8443)
    assert not connects(RELAY, INTERNET, 443)
    assert not connects(RELAY, ROUTER, 80)


def test_hq_s_relay_is_reached_by_its_door_only(line: World) -> None:
    outside = line.namespace("internet")
    assert air.tcp(outside, HUB_OUTSIDE, 443) == "open"
    assert air.tcp(outside, HUB_OUTSIDE, 8443) == "silent"


# ------------------------------------------------------------------------------------------ HQ's name


NOWHERE = "203.0.113.77"


def _renamed(world: World, name: str) -> str:
    """An invitation whose pinned address is dead, to an HQ that has a name."""
    text = world.ticket()
    doors = replace(read_ticket(text).entrance, names=(name,))
    return world.forged(text, endpoints=(f"{NOWHERE}:51820",), entrance=doors)


def test_when_every_pinned_address_is_silent_hq_s_name_is_looked_up(line: World) -> None:
    line.power_on()
    line.join(_renamed(line, "hq.example"))
    opens(line, 45)


def test_a_name_that_leads_nowhere_does_not_keep_a_box_from_the_pinned_address(line: World) -> None:
    text = line.ticket()
    doors = replace(read_ticket(text).entrance, names=("server.example",))
    line.power_on()
    with air.tapped(line.namespace("box"), "eth0") as tap:
        line.join(line.forged(text, entrance=doors))
        line.until("PROTECTED")
        asked = [x for x in tap.frames() if x.outgoing and x.target == ROUTER and x.dport == 53]
    assert asked == [], "nobody is asked while HQ answers"
