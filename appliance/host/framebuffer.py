"""The machine's screen as the kernel's framebuffer: its size and its way to write a pixel, and a picture onto it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

DEVICE = Path("/dev/fb0")
_VARIABLE, _FIXED = 0x4600, 0x4602  # linux/fb.h: FBIOGET_VSCREENINFO, FBIOGET_FSCREENINFO
_KDSETMODE, _TEXT, _GRAPHICS = 0x4B3A, 0, 1  # linux/kd.h
RGB565 = "565"  # five bits of red, six of green, five of blue: what a Pi's screen has
MODES = {(32, 16): "BGRX", (32, 0): "RGBX", (24, 16): "BGR", (24, 0): "RGB", (16, 11): RGB565}


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """`line`: octets from one row to the next; `mode`: Pillow's name for how a pixel lies in memory."""

    width: int
    height: int
    line: int
    mode: str


def look(device: Path = DEVICE) -> Screen | None:
    """None where there is no screen, or one that we cannot write to."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        variable = fcntl.ioctl(descriptor, _VARIABLE, bytes(160))
        fixed = fcntl.ioctl(descriptor, _FIXED, bytes(80))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return read(variable, fixed)


def read(variable: bytes, fixed: bytes) -> Screen | None:
    """struct fb_var_screeninfo and struct fb_fix_screeninfo, as a 64-bit kernel lays them out."""
    width, height, _, _, _, _, bits, _, red = struct.unpack_from("9I", variable)
    (line,) = struct.unpack_from("I", fixed, 48)
    mode = MODES.get((bits, red))
    if mode is None or not 0 < width <= 8192 or not 0 < height <= 8192:
        return None
    return Screen(width=width, height=height, line=line or width * bits // 8, mode=mode)


def octets(picture: Image, screen: Screen) -> bytes:
    """The picture as it lies in the screen's memory, each row filled up to the next."""
    rows = _rgb565(picture) if screen.mode == RGB565 else picture.tobytes("raw", screen.mode)
    length = len(rows) // screen.height
    if length == screen.line:
        return rows
    filler = bytes(screen.line - length)
    return b"".join(rows[x : x + length] + filler for x in range(0, len(rows), length))


def _rgb565(picture: Image) -> bytes:
    from PIL import Image as pictures
    from PIL import ImageChops

    red, green, blue = picture.split()
    low = ImageChops.add(green.point(lambda x: (x & 0x1C) << 3), blue.point(lambda x: x >> 3))
    high = ImageChops.add(red.point(lambda x: x & 0xF8), green.point(lambda x: x >> 5))
    return pictures.merge("LA", (low, high)).tobytes()  # the lower octet first


def put(picture: Image, screen: Screen, device: Path = DEVICE) -> None:
    """Raises OSError."""
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        left, at = memoryview(octets(picture, screen)), 0
        while left:
            count = os.pwrite(descriptor, left, at)
            left, at = left[count:], at + count
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def quiet_console(terminal: int) -> Iterator[None]:
    """No cursor and no text of the kernel's over the picture, where `terminal` is a virtual console."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, _KDSETMODE, _GRAPHICS)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.ioctl(terminal, _KDSETMODE, _TEXT)
