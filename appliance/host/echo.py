"""Echo requests and their answers as octets (RFC 792), and the socket that carries them."""

from __future__ import annotations

import socket
import struct

from appliance.host.namespaces import inside

_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h
_ONLY_ECHO_REPLIES = struct.pack("=I", 0xFFFFFFFF ^ 1)  # a bit for each type that is kept away
_IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE = 10, 3  # linux/in.h: never in pieces, whatever the route says
HEADERS = 28  # of IPv4 and ICMP
_BODY = b"noroshi!"


def channel(namespace: str, *, whole: bool = False) -> socket.socket:
    """`whole`: what it sends arrives in one piece or not at all."""
    with inside(namespace):
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    made.setblocking(False)
    made.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLIES)
    if whole:
        made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE)
    return made


def request(identity: int, sequence: int, size: int = HEADERS + len(_BODY)) -> bytes:
    """`size`: of the whole packet, an even number."""
    body = _BODY.ljust(size - HEADERS, b"\0")
    header = struct.pack("!BBHHH", 8, 0, 0, identity, sequence)
    return struct.pack("!BBHHH", 8, 0, checksum(header + body), identity, sequence) + body


def reply(packet: bytes, identity: int) -> int | None:
    """The sequence number of an answer to us."""
    header = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < header + 8:
        return None
    kind, code, _, theirs, number = struct.unpack_from("!BBHHH", packet, header)
    return number if (kind, code, theirs) == (0, 0, identity) else None


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return int(~(total + (total >> 16)) & 0xFFFF)
