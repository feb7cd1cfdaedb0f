"""An image onto a disk or into a file, and read back: nobody should find out at a shelter that a card was bad."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from appliance.core import blockmap
from appliance.core.blockmap import BlockMap, Extent
from appliance.core.codec import Invalid
from appliance.host.run import streamed

CHUNK = 4 << 20  # octets
_BLKFLSBUF = 0x1261  # linux/fs.h: forget what was read of this device

Progress = Callable[[int], None]  # octets done since the last call


class DamagedImage(ValueError):
    """The image is not what its map says, or ends too early."""


class Differs(OSError):
    """The disk does not hold what was written to it."""


def find_map(image: Path) -> BlockMap | None:
    """The `.bmap` that lies beside the image, or None. Raises DamagedImage where it cannot be used."""
    names = [
        f"{image.name}.bmap",
        f"{image.name.removesuffix('.zst')}.bmap",
        f"{image.name.split('.img')[0]}.bmap",
    ]
    for path in (image.with_name(x) for x in names):
        if path.is_file():
            try:
                return blockmap.read(path.read_text("utf-8", "replace")[: blockmap.MOST_TEXT + 1])
            except Invalid as error:
                raise DamagedImage(f"{path}: {error}") from error
    return None


@contextlib.contextmanager
def opened(target: Path) -> Iterator[int]:
    """For writing. A disk is taken for ourselves alone: the kernel refuses one that is mounted (O_EXCL), and while
    we hold its lock no desktop mounts what it finds there (systemd.io/BLOCK_DEVICE_LOCKING)."""
    is_disk = target.exists() and stat.S_ISBLK(target.stat().st_mode)
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if is_disk else os.O_CREAT)
    descriptor = os.open(target, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def write(image: Path, held: BlockMap | None, target: int, progress: Progress) -> tuple[Extent, ...]:
    """What was written where. Only what the map names, else all of it. Raises DamagedImage, OSError."""
    if stat.S_ISREG(os.fstat(target).st_mode):
        os.ftruncate(target, 0)
        if held:
            os.ftruncate(target, held.image_size)
    with _stream(image) as source:
        done = _mapped(source, held, target, progress) if held else _whole(source, target, progress)
    os.fsync(target)
    return done


def check(done: tuple[Extent, ...], target: int, progress: Progress) -> None:
    """Reads from the medium, not from the kernel's memory. Raises Differs."""
    if stat.S_ISBLK(os.fstat(target).st_mode):
        with contextlib.suppress(OSError):
            fcntl.ioctl(target, _BLKFLSBUF)
    os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
    for x in done:
        found = hashlib.sha256()
        for offset in range(x.offset, x.offset + x.length, CHUNK):
            part = os.pread(target, min(CHUNK, x.offset + x.length - offset), offset)
            found.update(part)
            progress(len(part))
        if found.hexdigest() != x.checksum:
            raise Differs(f"octets {x.offset} to {x.offset + x.length}")


@contextlib.contextmanager
def _stream(image: Path) -> Iterator[IO[bytes]]:
    if image.name.endswith(".zst"):
        with streamed(["zstd", "--decompress", "--stdout", "--quiet", "--", str(image)]) as source:
            yield source
    else:
        with image.open("rb") as plain:
            yield plain


def _mapped(source: IO[bytes], held: BlockMap, target: int, progress: Progress) -> tuple[Extent, ...]:
    at = 0
    for x in held.extents:
        while at < x.offset:
            at += len(_exactly(source, min(CHUNK, x.offset - at)))
        found = hashlib.sha256()
        while at < x.offset + x.length:
            part = _exactly(source, min(CHUNK, x.offset + x.length - at))
            found.update(part)
            _put(target, part, at)
            at += len(part)
            progress(len(part))
        if found.hexdigest() != x.checksum:
            raise DamagedImage(f"octets {x.offset} to {at}")
    return held.extents


def _whole(source: IO[bytes], target: int, progress: Progress) -> tuple[Extent, ...]:
    done, at = [], 0
    while part := source.read(CHUNK):
        _put(target, part, at)
        done.append(Extent(offset=at, length=len(part), checksum=hashlib.sha256(part).hexdigest()))
        at += len(part)
        progress(len(part))
    if not done:
        raise DamagedImage("the image is empty")
    return tuple(done)


def _exactly(source: IO[bytes], length: int) -> bytes:
    part = source.read(length)
    if len(part) != length:
        raise DamagedImage("the image ends too early")
    return part


def _put(target: int, part: bytes, at: int) -> None:
    view = memoryview(part)
    while view:
        count = os.pwrite(target, view, at)
        view, at = view[count:], at + count


def unlock(target: int) -> None:
    """For mtools, which wants the lock for itself. A disk stays ours (O_EXCL) as long as it is open."""
    fcntl.flock(target, fcntl.LOCK_UN)
