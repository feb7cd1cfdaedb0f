"""What people dropped on the boot partition, as a folder: found, taken away, and what became of it written there.

A file that was taken is renamed first, then overwritten where it lies, then removed: wherever power fails, the next
start goes on from there. A card's own electronics may keep an older copy; nothing on this side can help that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from appliance.host import files

MOST_FILES = 8
_GOING = ".going"  # the end of a taken file's name until it is gone


def find(folder: Path, wanted: Callable[[str], bool], limit: int) -> tuple[tuple[Path, bytes], ...]:
    """The plain files by those names with their content, which is hostile. None of more than `limit` octets."""
    found: list[tuple[Path, bytes]] = []
    for path in sorted(_names(folder)):
        if wanted(path.name.lower()) and len(found) < MOST_FILES:
            octets = files.read_foreign(path, limit)
            if octets is not None:
                found.append((path, octets))
    return tuple(found)


def wipe(path: Path) -> None:
    """Raises OSError where the partition cannot be written to."""
    going = path.with_name(path.name + _GOING)
    path.replace(going)
    files.sync_folder(path.parent)
    _erase(going)


def finish(folder: Path) -> None:
    """What a power cut left half done."""
    for path in _names(folder):
        if path.name.lower().endswith(_GOING):
            with contextlib.suppress(OSError):
                _erase(path)
    files.remove_scraps(folder)


def _erase(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, bytes(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()
    files.sync_folder(path.parent)


def _names(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
