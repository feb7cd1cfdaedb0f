"""Files: written whole or not at all. The private file has a checksum and a previous copy, so that a cut at any
moment leaves the old configuration or the new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST_SCRAPS = 256  # of one folder at one start; each was a power cut at the wrong millisecond
_SCRAP = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9._-]*\.[0-9a-f]{8}")


class Damaged(ValueError):
    """Neither the file nor its previous copy can be read."""


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """The new content is on the disk before the name points to it (fsync, rename, fsync of the folder)."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_scraps(folder: Path) -> int:
    """What a power cut left of files that were being written; how many are gone. For the start, before anybody writes."""
    gone = 0
    with contextlib.suppress(OSError), os.scandir(folder) as names:
        for entry in names:
            if gone == MOST_SCRAPS:
                break
            if _SCRAP.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()
                    gone += 1
    return gone


def write_private(path: Path, data: Any) -> None:
    """The private file: JSON, mode 0600, first line its own checksum; then the same once more as `.previous`, for
    a card that loses what it said it had written. Between the two, each of them is whole, one new and one old."""
    text = _sealed(json.dumps(data, ensure_ascii=False, indent=1))
    write_atomically(path, text, 0o600)
    with contextlib.suppress(OSError):  # the new content counts already
        write_atomically(path.with_name(path.name + ".previous"), text, 0o600)


def read_private(path: Path) -> Any:
    """The newest whole content, or None where nothing was ever written. Raises Damaged."""
    previous = path.with_name(path.name + ".previous")
    for candidate in (path, previous):
        body = _read_checked(candidate)
        if body is not None:
            return json.loads(body)
    if path.exists() or previous.exists():
        raise Damaged(f"{path} cannot be read, nor its previous copy")
    return None


def _sealed(body: str) -> str:
    return f"sha256 {hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def _read_checked(path: Path) -> str | None:
    try:
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return body if first == f"sha256 {hashlib.sha256(body.encode()).hexdigest()}" else None


def digests(paths: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """path → SHA-256 of its content, for the paths that exist."""
    found = []
    for path in paths:
        try:
            found.append((path, hashlib.sha256(Path(path).read_bytes()).hexdigest()))
        except OSError:
            continue
    return tuple(found)


def read_foreign(path: Path, limit: int) -> bytes | None:
    """A file that an unprivileged process wrote: a plain file of at most `limit` octets, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def make_folder(path: Path, mode: int, user: int = 0, group: int = 0) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, user, group)


def sync_folder(path: Path) -> None:
    """Names in it are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
