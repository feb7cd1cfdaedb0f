"""Files on a FAT partition of a disk or an image, through mtools: nothing gets mounted."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.host.disks import fat_offsets
from appliance.host.run import Failed, run

TIMEOUT = 60.0  # seconds: a slow stick


class NoPartition(LookupError):
    """No FAT partition has that label."""


def partition(path: Path, label: str) -> str:
    """mtools' name of the partition: "FILE@@OFFSET". Raises NoPartition or Failed."""
    for offset in fat_offsets(path):
        drive = f"{path}@@{offset}"
        try:
            told = run(["mlabel", "-s", "-i", drive, "::"], timeout=TIMEOUT)
        except Failed:
            continue
        match = re.search(r"Volume label is (.+?)\s*(?:\(abbr=.*)?$", told, re.MULTILINE)
        if match and match[1].strip() == label:
            return drive
    raise NoPartition(label)


def put(drive: str, name: str, text: str) -> None:
    """The file, new or instead of the one there. Raises Failed, also where it does not read back the same."""
    run(["mcopy", "-o", "-i", drive, "-", f"::{name}"], text=text, timeout=TIMEOUT)
    if read(drive, name) != text:
        raise Failed(f"{name} did not read back as it was written")


def read(drive: str, name: str) -> str:
    """Raises Failed where there is no such file."""
    return run(["mtype", "-i", drive, f"::{name}"], timeout=TIMEOUT)
