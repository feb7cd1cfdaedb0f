"""What is on a screen: reads the frame buffer file that `Xvfb -fbdir` keeps, and judges the picture. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL import Image

LSB_FIRST = 0
HEADER = struct.Struct(">25I")  # XWDFile.h: 25 CARD32, big-endian
DESKTOP_SHARE = 0.10  # of the screen must be the session's own background
DESKTOP_COLOURS = 8  # and so many colours show that windows are drawn on it
TOLERANCE = 10  # per channel: RDP's codecs may move a colour by a few steps


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    colours: int
    share: float  # 0..1 of the screen in the session's background colour

    @property
    def is_desktop(self) -> bool:
        """A black screen, a dialog of xrdp or one single colour is not a desktop."""
        return self.colours >= DESKTOP_COLOURS and self.share >= DESKTOP_SHARE


def picture(dump: bytes) -> Image.Image:
    """The image in an XWD dump of a 24-bit screen. ValueError if it is none, or not complete yet."""
    if len(dump) < HEADER.size:
        raise ValueError("the dump is shorter than its header")
    head = HEADER.unpack_from(dump)
    header_size, version, _, depth, width, height, _, order = head[:8]
    bits, stride, colours = head[11], head[12], head[19]
    if (version, depth, bits, order) != (7, 24, 32, LSB_FIRST) or not width or not height:
        raise ValueError(f"not a 24-bit screen dump: version {version}, depth {depth}, {bits} bits")
    start = header_size + colours * 12  # XWDColor
    if len(dump) < start + stride * height:
        raise ValueError("the dump ends before the picture does")
    pixels = dump[start : start + stride * height]
    return Image.frombuffer("RGB", (width, height), pixels, "raw", "BGRX", stride, 1)


def view(image: Image.Image, background: tuple[int, int, int]) -> View:
    counted = image.getcolors(maxcolors=image.width * image.height) or []
    near = 0
    for count, colour in counted:
        assert isinstance(colour, tuple)
        if all(abs(a - b) <= TOLERANCE for a, b in zip(colour, background, strict=True)):
            near += count
    return View(colours=len(counted), share=near / (image.width * image.height))
