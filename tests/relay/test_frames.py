"""What the relay's ends say to one another: any stream of frames is read alike, and queues never grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.relay.frames import Bucket, NotFrames, Queue, Reader, framed, is_answer, is_wireguard

HELLO = b"\x01\0\0\0" + bytes(144)
ANSWER = b"\x02\0\0\0" + bytes(88)
DATA = b"\x04\0\0\0" + bytes(28)


@given(
    st.lists(st.binary(min_size=32, max_size=2048), max_size=8), st.lists(st.integers(1, 700), max_size=60)
)
def test_however_the_stream_is_cut_the_packets_are_the_same(packets: list[bytes], cuts: list[int]) -> None:
    stream, reader, found = framed(packets), Reader(), []
    for cut in [*cuts, len(stream) + 1]:
        part, stream = stream[:cut], stream[cut:]
        found += reader.feed(part)
    assert found == packets


@pytest.mark.parametrize("stream", [b"GET / HTTP/1.1\r\n", b"\0\0", b"\0\x1f" + bytes(31), b"\xff\xff"])
def test_whoever_speaks_another_language_is_found_out(stream: bytes) -> None:
    with pytest.raises(NotFrames):
        Reader().feed(stream)


@pytest.mark.parametrize("packet", [HELLO, ANSWER, b"\x03\0\0\0" + bytes(60), DATA, DATA + bytes(16 * 80)])
def test_the_tunnel_s_packets_are_known(packet: bytes) -> None:
    assert is_wireguard(packet)


@pytest.mark.parametrize(
    "packet", [b"", HELLO[:-1], HELLO + b"\0", DATA + b"\0", b"\x05" + bytes(47), bytes(148), b"\x04" * 48]
)
def test_nothing_else_is_taken_for_one(packet: bytes) -> None:
    assert not is_wireguard(packet)


def test_only_what_wireguard_says_to_a_known_key_makes_a_guest_known() -> None:
    assert [is_answer(x) for x in (HELLO, ANSWER, DATA, b"\x03\0\0\0" + bytes(60))] == [
        False,
        True,
        True,
        False,
    ]


def test_a_full_queue_drops_the_oldest() -> None:
    queue = Queue(100)
    queue.put([b"a" * 40, b"b" * 40])
    queue.put([b"c" * 40])
    assert (queue.take(1000), queue.dropped) == ([b"b" * 40, b"c" * 40], 1)
    assert queue.take(1000) == []


def test_a_queue_gives_at_least_one_packet_and_no_more_than_asked_for() -> None:
    queue = Queue(1000)
    queue.put([b"a" * 40, b"b" * 40, b"c" * 40])
    assert [len(queue.take(x)) for x in (10, 80, 80)] == [1, 2, 0]


def test_a_bucket_holds_a_rate() -> None:
    bucket = Bucket(10, 5, 0.0)
    assert [bucket.take(1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1, 0.2) for _ in range(3)] == [True, True, False]
    assert sum(bucket.take(1, 1000.0) for _ in range(10)) == 5
