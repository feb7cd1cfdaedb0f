"""The clock's mark on the disk: two records in one small file, overwritten in turn where they lie. A cut tears at most the
one being written; the other one, at most one save older, is whole. So a save costs the card one block, not new files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from appliance.host import files

BLOCK = 4096  # octets for each record: a disk writes no less, and no write touches the other one
RECORDS = 2


def read(path: Path) -> float:
    """The newest whole record's time, or 0.0."""
    return max(_records(path), default=(0, 0.0))[1]


def write(path: Path, mark: float) -> None:
    """On the disk when it returns. Raises OSError; then what was saved before is still there."""
    records = _records(path)
    newest = max(records, default=(0, 0.0))[0]
    if not path.is_file() or path.stat().st_size != RECORDS * BLOCK:
        files.write_atomically(path, _sealed(newest + 1, mark) * RECORDS, 0o600)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        number = newest + 1
        os.pwrite(descriptor, _sealed(number, mark).encode(), number % RECORDS * BLOCK)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _records(path: Path) -> list[tuple[int, float]]:
    """(number, time) of each whole record. The number tells which is newer: HQ may set a time back."""
    octets = files.read_foreign(path, RECORDS * BLOCK) or b""
    found = (_opened(octets[at : at + BLOCK]) for at in range(0, len(octets), BLOCK))
    return [x for x in found if x is not None]


def _sealed(number: int, mark: float) -> str:
    body = json.dumps({"number": number, "mark": mark})
    return f"{hashlib.sha256(body.encode()).hexdigest()} {body}".ljust(BLOCK - 1) + "\n"


def _opened(block: bytes) -> tuple[int, float] | None:
    checksum, _, rest = block.partition(b" ")
    body = rest.rstrip()
    if checksum != hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        record = json.loads(body)
        number, mark = int(record["number"]), float(record["mark"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (number, mark) if number > 0 and 0 < mark < 1e11 else None
