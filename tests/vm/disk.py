"""The image as a file, prepared for one boot: copied, its table read, and files laid onto its FAT partition from
outside. Nothing inside a Linux partition is ever touched.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.exercise.processes import run

SECTOR = 512


class NoSuchPartition(LookupError):
    """The image has no partition of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One line of the partition table, in octets."""

    number: int
    name: str
    start: int
    size: int

    def holds(self, place: int) -> bool:
        return self.start <= place < self.start + self.size


def partitions(table: dict[str, Any]) -> tuple[Partition, ...]:
    """What `sfdisk --json` says of a disk. A partition without a name has its number for one."""
    told = table["partitiontable"]
    sector = int(told.get("sectorsize", SECTOR))
    found = []
    for number, row in enumerate(told["partitions"], start=1):
        name, start, size = row.get("name", str(number)), int(row["start"]), int(row["size"])
        found.append(Partition(number=number, name=name, start=start * sector, size=size * sector))
    return tuple(found)


def read_table(disk: Path) -> tuple[Partition, ...]:
    return partitions(json.loads(run("sfdisk", "--json", str(disk))))


def named(found: tuple[Partition, ...], *names: str) -> Partition:
    """The first partition with one of these names, however it is written."""
    for wanted in names:
        for x in found:
            if x.name.casefold() == wanted.casefold():
                return x
    raise NoSuchPartition(f"no partition {' or '.join(names)} among {', '.join(x.name for x in found)}")


def copy(image: Path, target: Path) -> None:
    """Holes stay holes, and where the file system can, nothing is copied at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run("cp", "--sparse=always", "--reflink=auto", str(image), str(target), timeout=300)


def layer(base: Path, target: Path) -> None:
    """A disk that begins as `base` and keeps what is written to itself."""
    target.unlink(missing_ok=True)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(target))


def put_on_fat(disk: Path, fat: Partition, name: str, content: bytes) -> None:
    """A file in the root of the FAT partition, as a person drops it there on any computer."""
    scratch = disk.with_suffix(".put")
    scratch.write_bytes(content)
    try:
        _mtools("mcopy", "-o", "-i", f"{disk}@@{fat.start}", str(scratch), f"::{name}")
    finally:
        scratch.unlink()


def take_from_fat(disk: Path, fat: Partition, name: str) -> str:
    return _mtools("mtype", "-i", f"{disk}@@{fat.start}", f"::{name}")


def take_bytes(fat: Path, name: str) -> bytes | None:
    """A file of a FAT partition that is a file of its own; None where it has no such file."""
    argv = ("mtype", "-i", str(fat), f"::{name}")
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False, env=_QUIET)
    return None if done.returncode else done.stdout


def list_fat(disk: Path, fat: Partition) -> tuple[str, ...]:
    told = _mtools("mdir", "-b", "-a", "-i", f"{disk}@@{fat.start}", "::")
    return tuple(line.removeprefix("::/") for line in told.splitlines() if line)


# mtools else refuses a file system whose size is not a whole number of tracks.
_QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}


def _mtools(*argv: str) -> str:
    return run("env", *(f"{key}={value}" for key, value in _QUIET.items()), *argv)


def extract(disk: Path, part: Partition, target: Path) -> None:
    """One partition as a file of its own, holes kept."""
    with disk.open("rb") as source, target.open("wb") as sink:
        sink.truncate(part.size)
        place, end = part.start, part.start + part.size
        while place < end:
            try:
                place = max(place, os.lseek(source.fileno(), place, os.SEEK_DATA))
            except OSError:  # nothing but a hole follows
                return
            stop = min(end, os.lseek(source.fileno(), place, os.SEEK_HOLE))
            while place < stop:
                source.seek(place)
                part_read = source.read(min(1 << 20, stop - place))
                sink.seek(place - part.start)
                sink.write(part_read)
                place += len(part_read)
