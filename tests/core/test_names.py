"""HQ's name: one question, and nothing but its very answer is believed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.names import AAAA, MOST, A, addresses, question

ASKED = question("hq.example", A, 0x1234)
POINTER = b"\xc0\x0c"


def record(kind: int, data: bytes, name: bytes = POINTER) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def answer(*records: bytes, asked: bytes = ASKED, flags: int = 0x8180, number: int = 0x1234) -> bytes:
    return struct.pack("!6H", number, flags, 1, len(records), 0, 0) + asked[12:] + b"".join(records)


HQ = record(A, bytes([203, 0, 113, 10]))


def test_a_question_is_what_rfc_1035_says() -> None:
    assert bytes.fromhex("123401000001000000000000") + b"\2hq\7example\0" + bytes.fromhex("00010001") == ASKED


def test_an_answer_names_addresses_and_the_aliases_on_the_way_are_passed_over() -> None:
    alias = record(5, b"\3www\xc0\x0c")
    assert addresses(ASKED, answer(HQ)) == ("203.0.113.10",)
    assert addresses(ASKED, answer(alias, record(A, bytes([203, 0, 113, 11]), b"\3www\xc0\x0c"))) == (
        "203.0.113.11",
    )


def test_ipv6_is_read_where_it_was_asked_for() -> None:
    asked = question("hq.example", AAAA, 7)
    six = record(AAAA, bytes.fromhex("20010db8000000000000000000000010"))
    assert addresses(asked, answer(six, HQ, asked=asked, number=7)) == ("2001:db8::10",)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        answer(HQ)[:-1],
        answer(HQ, number=0x1235),
        answer(HQ, flags=0x0100),  # a question
        answer(HQ, flags=0x8183),  # there is no such name
        answer(HQ, asked=question("hq.example.net", A, 0x1234)),
        answer(HQ, asked=question("hq.example", AAAA, 0x1234)),
        answer(record(A, b"\1\2\3")),
        answer(record(A, bytes([127, 0, 0, 1]))),
        answer(record(A, bytes([0, 0, 0, 0]))),
        answer(record(A, bytes([224, 0, 0, 1]))),
        answer(record(A, bytes([169, 254, 1, 1]))),
        answer(record(A, bytes([255, 255, 255, 255]))),
    ],
)
def test_anything_else_names_none(packet: bytes) -> None:
    assert addresses(ASKED, packet) == ()


def test_an_answer_with_many_addresses_is_cut_short() -> None:
    many = [record(A, bytes([198, 51, 100, x])) for x in range(1, 60)]
    assert len(addresses(ASKED, answer(*many))) == MOST


@given(st.binary(max_size=200))
def test_no_packet_makes_it_stumble(packet: bytes) -> None:
    assert addresses(ASKED, packet) == ()
    addresses(ASKED, answer()[:12] + ASKED[12:] + packet)
    addresses(ASKED, answer(HQ, HQ)[: 12 + len(ASKED) - 12] + packet)
