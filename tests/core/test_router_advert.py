"""What a router may say on an IPv6 line; everything else is no lease. And the NAT64's prefix, told or asked for."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.router_advert import is_answer, nat64_of, question, read_advert, through

OWN = "021122fffe334455"
PREFIX, ROUTER, RESOLVER = "2001:db8:b::", "fe80::1", "2001:db8:b::53"


def packed(address: str) -> bytes:
    return ipaddress.IPv6Address(address).packed


def prefix(
    address: str = PREFIX, length: int = 64, flags: int = 0xC0, valid: int = 900, good: int = 900
) -> bytes:
    return struct.pack("!BBBBIII", 3, 4, length, flags, valid, good, 0) + packed(address)


def resolvers(*addresses: str, lifetime: int = 900) -> bytes:
    return struct.pack("!BBHI", 25, 1 + 2 * len(addresses), 0, lifetime) + b"".join(map(packed, addresses))


def nat64(network: str = "64:ff9b::", code: int = 0, lifetime: int = 100) -> bytes:
    return struct.pack("!BBH", 38, 2, lifetime << 3 | code) + packed(network)[:12]


def advert(*options: bytes, lifetime: int = 1800) -> bytes:
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0) + b"".join(options)


def record(octets: bytes, **changed: Any) -> dict[str, object]:
    said = {"interface": "usb0", "source": ROUTER, "hops": 255, "packet": octets.hex(), "identifier": OWN}
    return {**said, **changed}


USUAL = advert(prefix(), resolvers(RESOLVER))


def test_a_routers_word_becomes_a_lease() -> None:
    lease = read_advert(record(advert(prefix(), resolvers(RESOLVER), nat64())), 5.0)
    assert lease is not None
    assert lease.address == "2001:db8:b:0:211:22ff:fe33:4455/128"
    assert (lease.link, lease.gateway, lease.dns) == ("usb0", ROUTER, (RESOLVER,))
    assert (lease.nat64, lease.seconds, lease.obtained) == ("64:ff9b::/96", 1800, 5.0)


@pytest.mark.parametrize(
    "said",
    [
        record(USUAL, hops=64),
        record(USUAL, source="2001:db8:b::1"),
        record(USUAL, interface="../usb0"),
        record(USUAL, identifier=""),
        record(USUAL, packet="xyz"),
        record(USUAL[:15]),
        record(advert(prefix(), lifetime=0)),
        record(advert()),
        record(advert(prefix(length=48))),
        record(advert(prefix(flags=0x80))),
        record(advert(prefix(valid=0))),
        record(advert(prefix("fe80::"))),
        record(advert(prefix("ff02::"))),
        record(bytes([136]) + USUAL[1:]),
        record(advert(bytes([3, 0]) + prefix())),
        {},
    ],
)
def test_anything_else_is_no_lease(said: dict[str, object]) -> None:
    assert read_advert(record(USUAL), 0.0) is not None
    assert read_advert(said, 0.0) is None


@given(st.binary(max_size=200), st.binary(max_size=80))
def test_no_octets_break_the_reader(packet: bytes, answer: bytes) -> None:
    for head in (b"", USUAL):
        read_advert(record(head + packet, answer=(answered("64:ff9b::c000:aa") + answer).hex()), 0.0)
    nat64_of(answer)
    is_answer(7, answer)


def answered(*addresses: str, number: int = 7) -> bytes:
    asked = question(number)
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 28, 1, 60, 16) + packed(x) for x in addresses)
    return asked[:2] + struct.pack("!HHHHH", 0x8180, 1, len(addresses), 0, 0) + asked[12:] + records


@pytest.mark.parametrize(
    ("network", "code", "length"),
    [
        ("64:ff9b::", 0, 96),
        ("2001:db8:122:344:0:0:0:0", 1, 64),
        ("2001:db8:122:300::", 2, 56),
        ("2001:db8:122::", 3, 48),
        ("2001:db8:100::", 4, 40),
        ("2001:db8::", 5, 32),
    ],
)
def test_the_prefix_is_found_whether_told_or_asked_for(network: str, code: int, length: int) -> None:
    wanted = str(ipaddress.IPv6Network(f"{network}/{length}"))
    told = read_advert(record(advert(prefix(), nat64(network, code))), 0.0)
    assert told is not None
    assert told.nat64 == wanted
    both = answered(through(wanted, "192.0.0.170"), through(wanted, "192.0.0.171"))
    assert nat64_of(both) == wanted
    asked = read_advert(record(USUAL, answer=both.hex()), 0.0)
    assert asked is not None
    assert asked.nat64 == wanted


@pytest.mark.parametrize(
    ("network", "address"),  # the examples of RFC 6052, 2.4
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ],
)
def test_addresses_are_laid_into_prefixes_as_the_rfc_shows(network: str, address: str) -> None:
    assert through(network, "192.0.2.33") == str(ipaddress.IPv6Address(address))


def test_a_name_server_without_a_nat64_gives_no_prefix() -> None:
    assert nat64_of(answered()) == ""
    assert nat64_of(answered("2001:db8::1")) == ""
    assert nat64_of(b"") == ""
    refused = bytearray(answered("64:ff9b::c000:aa"))
    refused[3] |= 5
    assert nat64_of(bytes(refused)) == ""


def test_only_the_answer_to_our_question_counts() -> None:
    assert is_answer(7, answered(number=7))
    assert not is_answer(8, answered(number=7))
    assert not is_answer(7, question(7))
    assert not is_answer(7, answered()[:12])
