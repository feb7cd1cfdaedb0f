"""A disk at any moment of its life: the image, and the record of what was written to it since, cut anywhere.

Each partition is a file of its own, moved forward entry by entry; what a power cut leaves is made beside it, as a copy
of those partitions only that pending writes reach.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from scripts.exercise.processes import run
from tests.vm import disk, log_writes
from tests.vm.disk import Partition
from tests.vm.log_writes import Cut, Entry


@dataclass(slots=True)
class Medium:
    """`parts` are the partitions to keep; what is written elsewhere (the table itself) is counted and left."""

    log: BinaryIO
    entries: Sequence[Entry]
    parts: tuple[Partition, ...]
    folder: Path
    at: int = 0  # entries applied
    written: dict[str, int] = field(default_factory=dict)  # by partition: the number of the last write + 1
    elsewhere: int = 0

    @classmethod
    def begin(cls, image: Path, log: BinaryIO, parts: tuple[Partition, ...], folder: Path) -> Medium:
        """`folder` holds the partitions as files; a tmpfs makes it quick."""
        folder.mkdir(parents=True, exist_ok=True)
        found = tuple(log_writes.entries(log))
        for part in parts:
            disk.extract(image, part, folder / part.name)
        return cls(log=log, entries=found, parts=parts, folder=folder)

    def forward(self, to: int) -> None:
        """Every entry before `to` is on the medium, whole."""
        assert to >= self.at, "a medium does not go back"
        for entry in self.entries[self.at : to]:
            part = self._part(entry)
            if part is None:
                self.elsewhere += entry.writes
                continue
            self.written[part.name] = entry.index + 1
            self._write(entry, part, self.folder / part.name, entry.length)
        self.at = to

    def after(self, cut: Cut) -> dict[str, Path]:
        """The partitions as this cut leaves them, by name; good until the next call. Cuts have to come in the order of
        their last flush."""
        waiting = log_writes.pending(self.entries, cut.end)
        start = waiting[0].index if waiting and not cut.clean else cut.end
        self.forward(start)
        found = {part.name: self.folder / part.name for part in self.parts}
        left = self.folder / ".left"
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        for entry in self.entries[start : cut.end]:
            part, length = self._part(entry), log_writes.left_by(cut, entry)
            if part is None or not length:
                continue
            if found[part.name].parent != left:
                copy(self.folder / part.name, left / part.name)
                found[part.name] = left / part.name
            self._write(entry, part, found[part.name], length)
        return found

    def _part(self, entry: Entry) -> Partition | None:
        return next((x for x in self.parts if entry.writes and x.holds(entry.start)), None)

    def _write(self, entry: Entry, part: Partition, path: Path, length: int) -> None:
        length = min(length, part.start + part.size - entry.start)
        with path.open("r+b") as file:
            if entry.discards:
                _punch(file, entry.start - part.start, length)
                return
            file.seek(entry.start - part.start)
            file.write(log_writes.content(self.log, entry)[:length])


def copy(source: Path, target: Path) -> None:
    run("cp", "--sparse=always", "--reflink=auto", str(source), str(target), timeout=120)


def _punch(file: BinaryIO, start: int, length: int) -> None:
    """Zeros, without room on the disk that is beneath."""
    while length > 0:
        step = min(length, 1 << 24)
        file.seek(start)
        file.write(bytes(step))
        start, length = start + step, length - step


def by_last_flush(entries: Sequence[Entry], cuts: Sequence[Cut]) -> list[Cut]:
    """The order in which one medium, which never goes back, can be cut again and again."""

    def base(cut: Cut) -> tuple[int, int]:
        waiting = log_writes.pending(entries, cut.end)
        return (waiting[0].index if waiting and not cut.clean else cut.end, cut.end)

    return sorted(cuts, key=base)


def room() -> Path:
    """Where copies are quick: memory, where there is enough of it."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and os.statvfs(memory).f_bavail * os.statvfs(memory).f_frsize > 6 << 30
    return memory if enough else Path("/var/tmp")
