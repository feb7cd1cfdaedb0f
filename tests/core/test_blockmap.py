"""A block map is believed only where it is whole: it says what gets read back from a card."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.blockmap import MOST_TEXT, BlockMap, Extent, read
from appliance.core.codec import Invalid

A, B = "a" * 64, "b" * 64
ZERO = "0" * 64


def sealed(text: str) -> str:
    return text.replace(ZERO, hashlib.sha256(text.encode()).hexdigest())


def a_map(ranges: str, size: int = 40960, kind: str = "sha256", version: str = "2.0") -> str:
    return sealed(
        f'<?xml version="1.0" ?>\n<bmap version="{version}">\n<ImageSize> {size} </ImageSize>\n'
        f"<BlockSize> 4096 </BlockSize>\n<ChecksumType> {kind} </ChecksumType>\n"
        f"<BmapFileChecksum> {ZERO} </BmapFileChecksum>\n<BlockMap>\n{ranges}\n</BlockMap>\n</bmap>\n"
    )


def test_ranges_become_octets() -> None:
    text = a_map(f'<Range chksum="{A}"> 0-1 </Range>\n<Range chksum="{B}"> 4 </Range>')
    assert read(text) == BlockMap(
        image_size=40960,
        extents=(
            Extent(offset=0, length=8192, checksum=A),
            Extent(offset=16384, length=4096, checksum=B),
        ),
    )
    assert read(text).octets == 12288


def test_the_last_block_ends_with_the_image() -> None:
    (last,) = read(a_map(f'<Range chksum="{A}"> 9 </Range>', size=40000)).extents
    assert last.offset + last.length == 40000


@pytest.mark.parametrize(
    "text",
    [
        "",
        a_map("").replace("40960", "40961"),
        a_map(f'<Range chksum="{A}"> 0-1 </Range>').replace("0-1", "0-2"),
        a_map(f'<Range chksum="{A}"> 0-1 </Range>', kind="sha1"),
        a_map(f'<Range chksum="{A}"> 0-1 </Range>', version="1.4"),
        a_map(f'<Range chksum="{A}"> 5-1 </Range>'),
        a_map(f'<Range chksum="{A}"> 3-4 </Range><Range chksum="{B}"> 4-5 </Range>'),
        a_map(f'<Range chksum="{A}"> 10-11 </Range>'),
        a_map("<Range> 0-1 </Range>"),
        a_map(f'<Range chksum="{A}"> 0-x </Range>'),
        a_map("", size=0),
        a_map("", size=1 << 50),
        "x" * (MOST_TEXT + 1),
    ],
)
def test_a_map_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


@given(st.text())
def test_no_text_does_more_than_being_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)
