"""The leak list (tests/net/leaks/rows.py), row by row and phase by phase; `scripts/leaks` runs the same table and writes
docs/leaks.md. A box lives one life through all its phases here; a row that fails sends it back to the factory."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from scripts.exercise import machines
from scripts.exercise.place import Place
from tests.net import air
from tests.net.leaks import guard, table
from tests.net.leaks.contenders import Contender, RaspAp, Unguarded, WgQuick
from tests.net.leaks.harness import Case, Outcome, cases, run_case
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.rows import ROWS
from tests.net.leaks.watch import is_wireguard, may_leave
from tests.net.world import HUB_OUTSIDE, World

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


def _theirs(kind: type[Contender]) -> Iterator[Contender]:
    subject = kind(Place(f"lk{os.getpid() % 10000}"))
    try:
        yield subject
    finally:
        subject.close()


@ROOT_ONLY
def test_guard_every_probe_of_a_box_without_protection_is_seen() -> None:
    for subject in _theirs(Unguarded):
        assert isinstance(subject, Unguarded)
        assert guard.unseen(subject) == []


@ROOT_ONLY
@pytest.mark.parametrize("kind", [WgQuick, RaspAp])
def test_guard_what_is_used_today_joins_and_is_seen_to_leak_once_its_tunnel_is_gone(
    kind: type[Contender],
) -> None:
    """The same harness, the same row: it can fail."""
    for subject in _theirs(kind):
        outcome = run_case(subject, Case(row="tunnel device deleted", phase="PROTECTED"))
        assert not outcome.passed
        assert "the internet" in outcome.where
        assert "Error" not in outcome.told


@pytest.fixture(scope="module")
def ours(world: World) -> Iterator[Noroshi]:
    world.forget()
    subject = Noroshi(world)
    try:
        yield subject
    finally:
        subject.close()
        world.unhush_desk()
        world.forget()


@pytest.mark.parametrize("case", list(cases(Noroshi)), ids=lambda x: x.label)
def test_nothing_leaks(ours: Noroshi, case: Case) -> None:
    outcome = run_case(ours, case)
    assert outcome.passed, outcome.told
    assert outcome.volleys, "something was fired"


# ------------------------------------------------------------------------------- the claim itself


def _udp(target: str, port: int, content: bytes) -> air.Seen:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(content), 0, 0, 64, 17, 0)
    ends = bytes([192, 168, 1, 50]) + bytes(int(x) for x in target.split("."))
    body = header + ends + struct.pack("!HHHH", 40000, port, 8 + len(content), 0) + content
    return air.read_frame("lan0", False, bytes(12) + b"\x08\x00" + body)


def test_only_wireguard_to_hqs_own_address_and_doors_may_leave() -> None:
    hello = b"\x01\0\0\0" + bytes(144)
    assert may_leave(_udp(HUB_OUTSIDE, 51820, hello))
    assert not may_leave(_udp(HUB_OUTSIDE, 51820, b"noroshi leak probe, and some more of it"))
    assert may_leave(_udp(HUB_OUTSIDE, 443, hello)), "one of HQ's further doors"
    assert not may_leave(_udp(HUB_OUTSIDE, 8443, hello))
    assert not may_leave(_udp("192.0.2.80", 51820, hello))


@pytest.mark.parametrize(
    ("payload", "is_it"),
    [
        (b"\x01\0\0\0" + bytes(144), True),
        (b"\x02\0\0\0" + bytes(88), True),
        (b"\x03\0\0\0" + bytes(60), True),
        (b"\x04\0\0\0" + bytes(28), True),
        (b"\x04\0\0\0" + bytes(29), False),
        (b"\x01\0\0\0" + bytes(143), False),
        (b"\x01\x01\0\0" + bytes(144), False),
        (b"\x05\0\0\0" + bytes(28), False),
        (b"", False),
    ],
)
def test_wireguard_is_known_by_its_content(payload: bytes, is_it: bool) -> None:
    assert is_wireguard(payload) is is_it


def test_the_table_tells_rows_phases_failures_and_what_nobody_can_try_yet() -> None:
    good = Outcome(row="a row", phase="SETUP", subject="Noroshi", passed=True, volleys=3, seconds=1.0)
    bad = Outcome(
        row="a row", phase="SETUP", subject="other", passed=False, told="1 packet", where=("the internet",)
    )
    text = table.markdown(
        [good, bad], {"kernel": "6", "date": "2026-01-01", "revision": "abc", "guard": "yes"}
    )
    assert "| a row | SETUP | passed | **leaks**: the internet | `sudo scripts/leaks --row 'a row'" in text
    assert (
        "| on the booted image | — | `sudo scripts/test-image pc --scene update --scene rollback` |" in text
    )
    assert "* other, a row [SETUP]: 1 packet" in text


def test_every_row_names_phases_that_a_box_has_and_a_way_to_bring_it_about() -> None:
    assert len({x.name for x in ROWS}) == len(ROWS)
    assert not [x.name for x in ROWS if "'" in x.name], "the table quotes it for a shell"
    for row in ROWS:
        if row.elsewhere:
            continue
        assert set(row.phases) <= set(Noroshi.phases), row.name
        assert (row.act is None) != (row.common is None), row.name
        assert bool(row.theirs) == (row.common is not None), row.name
    assert machines.table(Place("any"))["box"].told["uplinks"] == ["eth0", "usb0"]
