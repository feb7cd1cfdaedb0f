"""Questions for the time, and what an answer must look like to count."""

from __future__ import annotations

import struct

import pytest

from appliance.host.echo import checksum
from appliance.host.gauge import answer, question

HEADER = bytes([0x45]) + bytes(19)
GOOD = struct.pack("!BBHHHIII", 14, 0, 0, 7, 42, 0, 1500, 1501)


def test_a_question_is_a_whole_timestamp_request() -> None:
    asked = question(7, 42)
    assert len(asked) == 20
    assert asked[0] == 13
    assert checksum(asked) == 0


def test_an_answer_tells_when_the_question_came_and_when_it_left() -> None:
    assert answer(HEADER + GOOD, 7) == (42, 1.5, 1.501)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        HEADER,
        HEADER + GOOD[:19],
        HEADER + b"\x00" + GOOD[1:],  # an echo's answer
        HEADER + struct.pack("!BBHHHIII", 14, 0, 0, 8, 42, 0, 1500, 1501),  # to somebody else
        HEADER + struct.pack("!BBHHHIII", 14, 0, 0, 7, 42, 0, 1500 | 0x80000000, 1501),  # no clock of UTC
    ],
)
def test_anything_else_is_not_believed(packet: bytes) -> None:
    assert answer(packet, 7) is None
