"""Which blocks of an image hold anything, as `bmaptool create` writes it beside the image (format 2.0): only those
are written to a disk and read back, each range with its checksum."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from appliance.core.codec import Invalid

MOST_TEXT = 8 << 20  # octets; a map has a line for each range
MOST_IMAGE = 1 << 40  # octets
_FIELD = r"<{0}>\s*([0-9A-Za-z.]{{1,128}})\s*</{0}>"
_RANGE = re.compile(r'<Range chksum="([0-9a-f]{64})">\s*(\d{1,12})(?:-(\d{1,12}))?\s*</Range>', re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """`length` octets from `offset` on, and their SHA-256 in hex."""

    offset: int
    length: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockMap:
    image_size: int
    extents: tuple[Extent, ...]  # in their order, none overlaps another

    @property
    def octets(self) -> int:
        return sum(x.length for x in self.extents)


def read(text: str) -> BlockMap:
    """Raises Invalid where the map is not whole, or of a format we do not know."""
    if len(text) > MOST_TEXT:
        raise Invalid("the block map is too large")
    if not re.search(r'<bmap version="2\.\d+">', text):
        raise Invalid("not a block map of version 2")
    if _field(text, "ChecksumType") != "sha256":
        raise Invalid("the block map has no SHA-256 checksums")
    told = _field(text, "BmapFileChecksum")
    if hashlib.sha256(text.replace(told, "0" * len(told)).encode()).hexdigest() != told:
        raise Invalid("the block map is damaged")
    size, block = _number(text, "ImageSize"), _number(text, "BlockSize")
    if not 0 < size <= MOST_IMAGE or not 512 <= block <= 1 << 20:
        raise Invalid("the block map's sizes cannot be")
    extents = _extents(text, size, block)
    if len(extents) != text.count("<Range"):
        raise Invalid("a range of the block map cannot be read")
    return BlockMap(image_size=size, extents=extents)


def _extents(text: str, size: int, block: int) -> tuple[Extent, ...]:
    found, end = [], 0
    for match in _RANGE.finditer(text):
        first, last = int(match[2]), int(match[3] or match[2])
        offset, after = first * block, min((last + 1) * block, size)
        if offset < end or after <= offset:
            raise Invalid("the block map's ranges are out of order")
        found.append(Extent(offset=offset, length=after - offset, checksum=match[1]))
        end = after
    return tuple(found)


def _field(text: str, name: str) -> str:
    match = re.search(_FIELD.format(name), text)
    if match is None:
        raise Invalid(f"the block map does not tell its {name}")
    return match[1]


def _number(text: str, name: str) -> int:
    digits = _field(text, name)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise Invalid(f"the block map's {name} is no number")
    return int(digits)
