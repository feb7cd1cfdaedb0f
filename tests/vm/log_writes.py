"""The record of every write to a disk, in the format of Linux's dm-log-writes (Documentation/admin-guide/
device-mapper/log-writes.rst, drivers/md/dm-log-writes.c), as QEMU's blklogwrites makes it. Pure but for reading it.

A superblock, then entries: each a header of one sector, followed by its data unless it discards. A flush is an entry
without sectors. A write that stands before a flush survives a power cut behind it; a write without a flush behind it
may be there, or not, or in part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from random import Random
from typing import BinaryIO

MAGIC = 0x6A736677736872
VERSION = 1
SUPERBLOCK = struct.Struct("<QQQI")  # magic, version, number of entries, octets of a sector
ENTRY = struct.Struct("<QQQQ")  # first sector, sectors, flags, length (used by marks only)


class NoLog(ValueError):
    """This is no write log, or one that ends in the middle of an entry."""


class Flag(IntFlag):
    NONE = 0
    FLUSH = 1
    FUA = 2
    DISCARD = 4
    MARK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One write: where it goes on the disk and where its content lies in the log, all in octets."""

    index: int
    start: int
    length: int
    flags: Flag
    content: int  # offset in the log; meaningless for a discard and a flush

    @property
    def flushes(self) -> bool:
        return Flag.FLUSH in self.flags

    @property
    def discards(self) -> bool:
        return Flag.DISCARD in self.flags

    @property
    def writes(self) -> bool:
        return self.length > 0 and Flag.MARK not in self.flags

    @property
    def lasts(self) -> bool:
        """It is on the medium once it is answered."""
        return Flag.FUA in self.flags


def entries(log: BinaryIO, *, most: int | None = None) -> Iterator[Entry]:
    """Every entry that the superblock counts, oldest first; `most` of them at most."""
    log.seek(0)
    head = log.read(SUPERBLOCK.size)
    if len(head) < SUPERBLOCK.size:
        raise NoLog("no superblock")
    magic, version, count, sector = SUPERBLOCK.unpack(head)
    if (magic, version) != (MAGIC, VERSION) or sector < 512 or sector & (sector - 1):
        raise NoLog(f"magic {magic:#x}, version {version}, sectors of {sector}")
    place = sector
    for index in range(count if most is None else min(count, most)):
        log.seek(place)
        header = log.read(ENTRY.size)
        if len(header) < ENTRY.size:
            raise NoLog(f"entry {index} of {count} is missing")
        first, sectors, flags, _ = ENTRY.unpack(header)
        if flags > sum(Flag):
            raise NoLog(f"entry {index} has flags {flags:#x}")
        found = Entry(
            index=index,
            start=first * sector,
            length=sectors * sector,
            flags=Flag(flags),
            content=place + sector,
        )
        place += sector + (0 if found.discards else found.length)
        yield found


def content(log: BinaryIO, entry: Entry) -> bytes:
    """What was written; zeros for a discard, which is what a disk may or may not return."""
    if entry.discards or not entry.writes:
        return bytes(entry.length if entry.discards else 0)
    log.seek(entry.content)
    found = log.read(entry.length)
    if len(found) < entry.length:
        raise NoLog(f"entry {entry.index} is cut off")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The power goes after `end` entries; of those since the last flush, `lost` never reached the medium, and of the
    write `torn` only its first `kept` octets did."""

    end: int
    lost: frozenset[int] = frozenset()
    torn: int = -1
    kept: int = 0

    @property
    def clean(self) -> bool:
        return not self.lost and self.torn < 0


def at_flushes(log: Sequence[Entry]) -> list[Cut]:
    """A cut behind every flush that has a write before it, and the one before everything."""
    cuts, fresh = [Cut(end=0)], False
    for entry in log:
        fresh = fresh or entry.writes
        if entry.flushes and fresh:
            cuts.append(Cut(end=entry.index + 1))
            fresh = False
    return cuts


def pending(log: Sequence[Entry], end: int) -> list[Entry]:
    """The writes before `end` that no flush stands behind, and that do not last by themselves."""
    found: list[Entry] = []
    for entry in reversed(log[:end]):
        if entry.flushes:
            break
        if entry.writes and not entry.lasts:
            found.append(entry)
    return found[::-1]


def at_random(
    log: Sequence[Entry], count: int, chance: Random, places: Sequence[int] = (), sector: int = 512
) -> list[Cut]:
    """Cuts behind any write, or at one of `places`: each pending write is lost by the toss of a coin, and one in two times the
    last that was not lost is torn between two sectors."""
    places = places or [x.index + 1 for x in log if x.writes]
    cuts = []
    for _ in range(count if places else 0):
        end = chance.choice(places)
        waiting = pending(log, end)
        lost = {x.index for x in waiting if chance.random() < 0.5}
        there = [x for x in waiting if x.index not in lost and not x.discards and x.length > sector]
        torn, kept = -1, 0
        if there and chance.random() < 0.5:
            torn = there[-1].index
            kept = sector * chance.randrange(1, there[-1].length // sector)
        cuts.append(Cut(end=end, lost=frozenset(lost), torn=torn, kept=kept))
    return sorted(cuts, key=lambda x: (x.end, sorted(x.lost), x.torn))


def left_by(cut: Cut, entry: Entry) -> int:
    """How many octets of this write are on the medium after the cut."""
    if entry.index >= cut.end or entry.index in cut.lost or not entry.writes:
        return 0
    return cut.kept if entry.index == cut.torn else entry.length
