"""What disks there are (lsblk), and where the partitions of a disk or of an image's file lie (sfdisk)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.core.disks import FAT_TYPES, Disk
from appliance.host.run import run

_COLUMNS = "PATH,TYPE,SIZE,LOG-SEC,RO,MODEL,MOUNTPOINTS"
_HEAD = 1 << 20  # octets in which a partition table lies


def disk_at(path: Path) -> Disk:
    """The block device at `path`. Raises Failed."""
    told = json.loads(run(["lsblk", "--json", "--bytes", "--output", _COLUMNS, "--", str(path)]))
    (found,) = told["blockdevices"]
    disk = _disk(found)
    # lsblk tells what its own mount namespace sees; where our root lies is known for certain.
    if _holds(path, Path("/")):
        disk = replace(disk, mounts=(*disk.mounts, "/"))
    return disk


def _disk(found: dict[str, Any]) -> Disk:
    parts = list(_below(found))
    mounts = [y for x in (found, *parts) for y in x.get("mountpoints") or () if y]
    return Disk(
        path=found["path"],
        kind=found["type"],
        size=int(found["size"]),
        sector=int(found["log-sec"]),
        read_only=bool(found["ro"]),
        model=" ".join(str(found.get("model") or "").split())[:60],
        mounts=tuple(mounts),
        holders=tuple(x["type"] for x in parts if x["type"] != "part"),
    )


def _below(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for x in found.get("children", ()):
        yield x
        yield from _below(x)


def _holds(device: Path, folder: Path) -> bool:
    """Whether the file system of `folder` lies on this disk, or on a part of it."""
    number, below = device.stat().st_rdev, folder.stat().st_dev
    here = Path(f"/sys/dev/block/{os.major(below)}:{os.minor(below)}")
    wanted = f"{os.major(number)}:{os.minor(number)}"
    if not here.exists():
        return False
    places = (here.resolve(), here.resolve().parent)
    return any((x / "dev").is_file() and (x / "dev").read_text().strip() == wanted for x in places)


def fat_offsets(path: Path) -> tuple[int, ...]:
    """Where the partitions begin, in octets, that may be FAT. Raises Failed where there is no partition table.

    Looked up in a copy of the table, as a file of the same size: sfdisk would count a disk's sectors as the disk does,
    and an image's have 512 octets."""
    with path.open("rb") as source, tempfile.NamedTemporaryFile() as copy:
        copy.write(source.read(_HEAD))
        copy.truncate(source.seek(0, os.SEEK_END))
        copy.flush()
        table = json.loads(run(["sfdisk", "--json", copy.name]))["partitiontable"]
    sector = int(table.get("sectorsize", 512))
    return tuple(
        int(x["start"]) * sector
        for x in table.get("partitions", ())
        if str(x["type"]) in FAT_TYPES or str(x["type"]).upper() in FAT_TYPES
    )
