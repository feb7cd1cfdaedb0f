"""The record of a disk's writes, read back; and which power cuts are made of it."""

from __future__ import annotations

import io
import struct
from random import Random

import pytest

from tests.vm import log_writes
from tests.vm.log_writes import ENTRY, MAGIC, SUPERBLOCK, Cut, Entry, Flag, NoLog

SECTOR = 512


def log_of(
    *written: tuple[int, bytes | int, Flag], count: int | None = None, sector: int = SECTOR
) -> io.BytesIO:
    """A log as the kernel's driver lays it out: (first sector, content or length of a discard, flags)."""
    blob = SUPERBLOCK.pack(MAGIC, 1, len(written) if count is None else count, sector).ljust(sector, b"\0")
    for first, content, flags in written:
        length = content if isinstance(content, int) else len(content)
        blob += ENTRY.pack(first, length // sector, flags, 0).ljust(sector, b"\0")
        blob += b"" if isinstance(content, int) else content
    return io.BytesIO(blob)


def sectors(letter: str, count: int = 1) -> bytes:
    return letter.encode() * SECTOR * count


FLUSH = (0, b"", Flag.FLUSH)


def test_each_entry_knows_its_place_on_the_disk_and_in_the_log() -> None:
    log = log_of(
        (8, sectors("a", 2), Flag.NONE), FLUSH, (40, 4096, Flag.DISCARD), (2, sectors("b"), Flag.FUA)
    )
    found = list(log_writes.entries(log))
    assert [(x.start, x.length, x.flags) for x in found] == [
        (4096, 1024, Flag.NONE),
        (0, 0, Flag.FLUSH),
        (20480, 4096, Flag.DISCARD),
        (1024, 512, Flag.FUA),
    ]
    assert log_writes.content(log, found[0]) == sectors("a", 2)
    assert log_writes.content(log, found[1]) == b""
    assert log_writes.content(log, found[2]) == bytes(4096)
    assert log_writes.content(log, found[3]) == sectors("b")


def test_a_log_with_large_sectors_is_read_by_them() -> None:
    log = log_of((1, b"x" * 4096, Flag.NONE), (3, b"y" * 8192, Flag.NONE), sector=4096)
    assert [(x.start, x.length) for x in log_writes.entries(log)] == [(4096, 4096), (12288, 8192)]


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "no superblock"),
        (SUPERBLOCK.pack(MAGIC + 1, 1, 0, 512), "magic"),
        (SUPERBLOCK.pack(MAGIC, 2, 0, 512), "version 2"),
        (SUPERBLOCK.pack(MAGIC, 1, 0, 500), "sectors of 500"),
        (SUPERBLOCK.pack(MAGIC, 1, 1, 512).ljust(512, b"\0"), "entry 0 of 1 is missing"),
        (
            SUPERBLOCK.pack(MAGIC, 1, 1, 512).ljust(512, b"\0") + struct.pack("<QQQQ", 0, 1, 64, 0),
            "entry 0 has flags 0x40",
        ),
    ],
)
def test_what_is_no_log_is_said_to_be_none(blob: bytes, why: str) -> None:
    with pytest.raises(NoLog, match=why):
        list(log_writes.entries(io.BytesIO(blob)))


def test_content_that_ends_early_is_not_padded() -> None:
    whole = log_of((0, sectors("a", 4), Flag.NONE)).getvalue()
    log = io.BytesIO(whole[:-1])
    with pytest.raises(NoLog, match="cut off"):
        log_writes.content(log, next(log_writes.entries(log)))


SESSION = (
    (0, sectors("a"), Flag.NONE),  # 0
    (1, sectors("b"), Flag.NONE),  # 1
    FLUSH,  # 2
    FLUSH,  # 3: nothing new before it
    (2, sectors("c"), Flag.FUA),  # 4: lasts by itself
    (3, sectors("d", 4), Flag.NONE),  # 5
    FLUSH,  # 6
    (4, sectors("e", 4), Flag.NONE),  # 7: never flushed
)


def session() -> list[Entry]:
    return list(log_writes.entries(log_of(*SESSION)))


def test_a_cut_is_made_behind_each_flush_that_has_something_to_flush() -> None:
    assert [x.end for x in log_writes.at_flushes(session())] == [0, 3, 7]


@pytest.mark.parametrize(
    ("end", "waiting"), [(0, []), (1, [0]), (2, [0, 1]), (3, []), (5, []), (6, [5]), (7, []), (8, [7])]
)
def test_only_what_no_flush_stands_behind_can_be_lost(end: int, waiting: list[int]) -> None:
    assert [x.index for x in log_writes.pending(session(), end)] == waiting


def test_random_cuts_lose_and_tear_only_what_was_pending() -> None:
    log = session()
    cuts = log_writes.at_random(log, 400, Random(1))
    assert len(cuts) == 400
    for cut in cuts:
        waiting = {x.index: x for x in log_writes.pending(log, cut.end)}
        assert cut.lost <= waiting.keys()
        if cut.torn >= 0:
            assert cut.torn in waiting.keys() - cut.lost
            assert 0 < cut.kept < waiting[cut.torn].length
            assert cut.kept % SECTOR == 0
    assert any(x.lost for x in cuts)
    assert any(x.torn >= 0 for x in cuts)
    assert any(x.clean for x in cuts)


def test_the_same_seed_makes_the_same_cuts() -> None:
    assert log_writes.at_random(session(), 50, Random(7)) == log_writes.at_random(session(), 50, Random(7))


def test_a_disk_nobody_wrote_to_has_no_random_cuts() -> None:
    assert log_writes.at_random([], 10, Random(1)) == []


@pytest.mark.parametrize(
    ("cut", "index", "octets"),
    [
        (Cut(end=8), 5, 2048),
        (Cut(end=5), 5, 0),
        (Cut(end=8, lost=frozenset({7})), 7, 0),
        (Cut(end=8, torn=7, kept=1024), 7, 1024),
        (Cut(end=8), 6, 0),
    ],
)
def test_what_is_left_of_a_write_after_a_cut(cut: Cut, index: int, octets: int) -> None:
    assert log_writes.left_by(cut, session()[index]) == octets
