"""The scout's hello and its answer, one against the other: no WireGuard of a hub is asked here."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.core import scout
from appliance.core.scout import ANSWER_SIZE, HELLO_SIZE
from tests.machines import NOW, key_pair

BOX, BOX_PUBLIC = key_pair(1)
HUB, HUB_PUBLIC = key_pair(2)
MOMENT = int(NOW) * 10**9


def ephemeral(number: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def test_box_and_hub_make_the_same_scouts_and_nobody_else_does() -> None:
    keys = [scout.public_key(HUB, BOX_PUBLIC, x) for x in range(scout.KEYS)]
    assert keys == [scout.public_key(BOX, HUB_PUBLIC, x) for x in range(scout.KEYS)]
    assert len({*keys, BOX_PUBLIC, HUB_PUBLIC}) == scout.KEYS + 2
    other = key_pair(3)[1]
    assert scout.public_key(HUB, other, 0) not in keys


def test_a_hello_is_wireguard_s_first_message() -> None:
    key = scout.initiator(BOX, HUB_PUBLIC, 0)
    first, second = key.hello(7, MOMENT, ephemeral(5)), key.hello(7, MOMENT + 1, ephemeral(5))
    assert len(first.message) == HELLO_SIZE
    assert first.message[:8] == b"\x01\0\0\0\x07\0\0\0"
    assert first.message[-16:] == bytes(16)
    assert first.message != second.message


def test_nothing_but_the_hub_s_answer_is_one() -> None:
    key = scout.initiator(BOX, HUB_PUBLIC, 0)
    hello = key.hello(7, MOMENT, ephemeral(5))
    forged = (
        b"\x02\0\0\0" + bytes(4) + b"\x07\0\0\0" + ephemeral(6).public_key().public_bytes_raw() + bytes(48)
    )
    assert len(forged) == ANSWER_SIZE
    assert scout.receiver(forged) == 7
    for packet in (forged, forged[:-1], bytes(ANSWER_SIZE), b"", forged[:12] + bytes(80)):
        assert not key.is_answer(hello, packet)
