"""The clock's mark lasts: whatever a cut leaves of the record being written, the one before it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.host import mark
from tests.machines import DAY, NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clock.mark"
    mark.write(path, NOW)
    mark.write(path, NOW + 600)
    return path


def test_what_was_never_written_is_no_time(tmp_path: Path) -> None:
    assert mark.read(tmp_path / "clock.mark") == 0.0


def test_the_newest_record_counts_and_only_its_owner_may_read_it(path: Path) -> None:
    assert mark.read(path) == NOW + 600
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_is_written_where_it_lies(path: Path) -> None:
    before = path.stat()
    for n in range(5):
        mark.write(path, NOW + 1200 + n)
        assert mark.read(path) == NOW + 1200 + n
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_blocks) == (before.st_ino, before.st_size, before.st_blocks)
    assert list(path.parent.iterdir()) == [path]


def test_a_write_touches_nothing_of_the_other_record(path: Path) -> None:
    before = path.read_bytes()
    mark.write(path, NOW + 1200)
    after = path.read_bytes()
    halves = [before[x : x + mark.BLOCK] == after[x : x + mark.BLOCK] for x in (0, mark.BLOCK)]
    assert sorted(halves) == [False, True]


@pytest.mark.parametrize("saved", [1, 2, 3])
def test_a_write_torn_at_any_octet_leaves_the_record_before_it(tmp_path: Path, saved: int) -> None:
    path = tmp_path / "clock.mark"
    for n in range(saved):
        mark.write(path, NOW + 600 * n)
    old = path.read_bytes()
    mark.write(path, NOW + 600 * saved)
    new = path.read_bytes()
    edges = (x + n for x in (0, mark.BLOCK) for n in range(-2, 200))
    whole = 0
    for at in sorted({*range(0, len(new), 61), *edges, len(new)}):
        path.write_bytes(new[:at] + old[at:])
        assert mark.read(path) in (NOW + 600 * (saved - 1), NOW + 600 * saved)
        whole += mark.read(path) == NOW + 600 * saved
    assert 0 < whole < len(new), "each of the two was met"


def test_a_torn_record_is_the_next_to_be_written(path: Path) -> None:
    octets = path.read_bytes()
    for at in (0, mark.BLOCK):
        torn = bytearray(octets)
        torn[at : at + 512] = bytes(512)
        path.write_bytes(torn)
        left = mark.read(path)
        assert left in (NOW, NOW + 600)
        mark.write(path, NOW + DAY)
        assert mark.read(path) == NOW + DAY
        assert repr(left) in path.read_text(), "the whole one stayed as it was"


def test_a_time_that_hq_set_back_is_the_newest_all_the_same(path: Path) -> None:
    mark.write(path, NOW - DAY)
    assert mark.read(path) == NOW - DAY


@pytest.mark.parametrize("octets", [b"", b"{}", b"x" * mark.BLOCK, bytes(2 * mark.BLOCK), b"\xff" * 99999])
def test_a_file_of_anything_else_is_no_time_and_is_replaced(path: Path, octets: bytes) -> None:
    path.write_bytes(octets)
    assert mark.read(path) == 0.0
    mark.write(path, NOW)
    assert mark.read(path) == NOW
    assert path.stat().st_size == mark.RECORDS * mark.BLOCK


@pytest.mark.parametrize("time", [-1.0, 0.0, 1e12, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_none(tmp_path: Path, time: float) -> None:
    path = tmp_path / "clock.mark"
    mark.write(path, time)
    assert mark.read(path) == 0.0
