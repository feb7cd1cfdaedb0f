"""What an IPv6 router may say on an uplink (RFC 4861), and how an IPv4-only HQ is reached from there: the prefix of the
line's NAT64, told by the router (RFC 8781) or found by the name `ipv4only.arpa` (RFC 7050). Octets in, a lease out.

The kernel reads no advertisement: routes of a router go into its own uplink's table, never anywhere else.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator, Mapping

from appliance.core.lease import Lease

NAME = "ipv4only.arpa"
_WELL_KNOWN = (ipaddress.IPv4Address("192.0.0.170"), ipaddress.IPv4Address("192.0.0.171"))  # RFC 7050
_LENGTHS = (96, 64, 56, 48, 40, 32)  # RFC 6052; the order is that of RFC 8781's code
_ADVERT, _PREFIX, _RESOLVERS, _NAT64 = 134, 3, 25, 38  # ICMPv6 type, and options
_AUTONOMOUS = 0x40
_INTERFACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}")
_AAAA, _IN = 28, 1
MOST_RESOLVERS = 3
MAX_SECONDS = 7 * 86400


def read_advert(record: Mapping[str, object], now: float) -> Lease | None:
    """What the listener wrote down → a lease, or None where anything in it is not what a router may say."""
    link, source = str(record.get("interface", "")), str(record.get("source", ""))
    try:
        packet = bytes.fromhex(str(record.get("packet", "")))
        own = bytes.fromhex(str(record.get("identifier", "")))
        answer = bytes.fromhex(str(record.get("answer", "")))
        router = ipaddress.IPv6Address(source)
    except ValueError:
        return None
    # A hop limit of 255 shows that no router passed it on: whoever said it is on this very link.
    if (
        not _INTERFACE.fullmatch(link)
        or len(own) != 8
        or record.get("hops") != 255
        or not router.is_link_local
    ):
        return None
    if len(packet) < 16 or packet[0] != _ADVERT or packet[1] != 0:
        return None
    (seconds,) = struct.unpack_from("!H", packet, 6)
    options = list(_options(packet[16:]))
    prefix = next((x for x in map(_prefix, options) if x is not None), None)
    if not seconds or prefix is None:
        return None
    return Lease(
        link=link,
        address=f"{ipaddress.IPv6Address(prefix + own)}/128",  # nothing on this link but its router is our business
        gateway=str(router),
        dns=tuple(x for option in options for x in _resolvers(option))[:MOST_RESOLVERS],
        nat64=next((x for x in map(_told_nat64, options) if x), "") or nat64_of(answer),
        obtained=now,
        seconds=min(seconds, MAX_SECONDS),
    )


def _options(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content; what follows a damaged one is left unread."""
    while len(text) >= 8 and text[1] and len(text) >= 8 * text[1]:
        yield text[0], text[2 : 8 * text[1]]
        text = text[8 * text[1] :]


def _prefix(option: tuple[int, bytes]) -> bytes | None:
    """The first half of an address that we may give ourselves (RFC 4862)."""
    kind, content = option
    if kind != _PREFIX or len(content) != 30:
        return None
    length, flags, valid, preferred = struct.unpack_from("!BBII", content)
    network = ipaddress.IPv6Address(content[14:22] + bytes(8))
    if length != 64 or not flags & _AUTONOMOUS or not valid or not preferred or not _usable(network):
        return None
    return content[14:22]


def _resolvers(option: tuple[int, bytes]) -> list[str]:
    """RFC 8106."""
    kind, content = option
    if kind != _RESOLVERS or len(content) < 22 or not any(content[2:6]):
        return []
    found = (ipaddress.IPv6Address(content[i : i + 16]) for i in range(6, len(content) - 15, 16))
    return [str(x) for x in found if _usable(x)]


def _told_nat64(option: tuple[int, bytes]) -> str:
    kind, content = option
    if kind != _NAT64 or len(content) != 14:
        return ""
    (lifetime_and_length,) = struct.unpack_from("!H", content)
    code = lifetime_and_length & 0x7
    if code >= len(_LENGTHS) or not lifetime_and_length >> 3:
        return ""
    return _network(content[2:14] + bytes(4), _LENGTHS[code])


def _usable(address: ipaddress.IPv6Address) -> bool:
    return not (
        address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified
    )


def _network(octets: bytes, length: int) -> str:
    network = ipaddress.IPv6Network((octets, length), strict=False)
    return str(network) if _usable(network.network_address) else ""


# ------------------------------------------------------------------------------------------ NAT64, DNS64


def through(prefix: str, address: str) -> str:
    """The IPv6 address by which a line's NAT64 reaches an IPv4 address (RFC 6052, 2.2)."""
    network, host = ipaddress.IPv6Network(prefix), ipaddress.IPv4Address(address).packed
    return str(ipaddress.IPv6Address(_embedded(network.network_address.packed, network.prefixlen, host)))


def _embedded(network: bytes, length: int, host: bytes) -> bytes:
    """Octet 8 of the result is always zero; the host's octets are laid around it."""
    before, place = bytearray(network[: length // 8]) + bytes(16 - length // 8), length // 8
    for octet in host:
        place += place == 8
        before[place] = octet
        place += 1
    return bytes(before)


def question(number: int) -> bytes:
    """The DNS query (RFC 1035) that every DNS64 answers with its own prefix."""
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + _asked()


def _asked() -> bytes:
    labels = b"".join(bytes([len(x)]) + x.encode() for x in NAME.split("."))
    return labels + b"\0" + struct.pack("!HH", _AAAA, _IN)


def is_answer(number: int, packet: bytes) -> bool:
    """Whether this is about our question; the name is ours to choose, so it comes back as it was written."""
    start = struct.pack("!H", number)
    return (
        packet[:2] == start and len(packet) > 12 and packet[2] & 0x80 > 0 and packet[12:].startswith(_asked())
    )


def nat64_of(answer: bytes) -> str:
    """The prefix in which the answer's addresses hold the well-known ones; "" where there is none."""
    for found in _addresses(answer):
        for length in _LENGTHS:
            for host in _WELL_KNOWN:
                if _embedded(found, length, host.packed) == found:
                    return _network(found, length)
    return ""


def _addresses(answer: bytes) -> Iterator[bytes]:
    """The AAAA records. Names in answers are skipped by their shape, never followed."""
    place = 12 + len(_asked())
    if len(answer) < place or answer[3] & 0x0F:
        return
    for _ in range(min(int.from_bytes(answer[6:8], "big"), 8)):
        while place < len(answer) and 0 < answer[place] < 0xC0:
            place += 1 + answer[place]
        place += 2 if place < len(answer) and answer[place] >= 0xC0 else 1
        if place + 10 > len(answer):
            return
        kind, family, _, length = struct.unpack_from("!HHIH", answer, place)
        place += 10
        if (kind, family, length) == (_AAAA, _IN, 16) and place + 16 <= len(answer):
            yield answer[place : place + 16]
        place += length
