"""One question to a name server and its answer (RFC 1035, RFC 3596): HQ's name, when HQ's addresses are silent. Pure.

Whoever answers may lie: an address is only one more door to knock at, and behind it WireGuard knows HQ by its key.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

A, AAAA = 1, 28
_IN = 1
_SIZES = {A: 4, AAAA: 16}
MOST = 4  # addresses of one answer
MOST_RECORDS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What to look up now: HQ's names, at each line's own name servers."""

    names: tuple[str, ...] = ()
    servers: tuple[tuple[str, str], ...] = ()  # uplink, address


NO_QUESTIONS = Questions()


def question(name: str, kind: int, number: int) -> bytes:
    """`name` has passed its grammar (enrolment.is_host)."""
    labels = b"".join(bytes([len(x)]) + x.encode("ascii") for x in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, _IN)


def addresses(asked: bytes, packet: bytes) -> tuple[str, ...]:
    """The addresses in the answer to this very question; () for anything else."""
    try:
        return _addresses(asked, packet)
    except (IndexError, struct.error):
        return ()


def _addresses(asked: bytes, packet: bytes) -> tuple[str, ...]:
    number, flags, questions, answers = struct.unpack_from("!4H", packet)
    body = asked[12:]
    if (number,) != struct.unpack_from("!H", asked) or not flags & 0x8000 or flags & 0x000F:
        return ()
    if questions != 1 or packet[12 : 12 + len(body)].lower() != body.lower():
        return ()
    (kind,) = struct.unpack_from("!H", asked, len(asked) - 4)
    place, found = 12 + len(body), []
    for _ in range(min(answers, MOST_RECORDS)):
        place = _behind_name(packet, place)
        record, family, _life, length = struct.unpack_from("!HHIH", packet, place)
        place += 10
        data = packet[place : place + length]
        place += length
        if (record, family, len(data)) == (kind, _IN, _SIZES[kind]):  # others: the aliases on the way
            found.append(ipaddress.ip_address(data))
    usable = [x for x in found if not _is_nowhere(x)]
    return tuple(str(x) for x in dict.fromkeys(usable))[:MOST]


def _behind_name(packet: bytes, place: int) -> int:
    while packet[place]:
        if packet[place] & 0xC0 == 0xC0:  # a pointer is the end of a name (4.1.4)
            return place + 2
        place += 1 + packet[place]
    return place + 1


def _is_nowhere(x: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return x.is_loopback or x.is_multicast or x.is_unspecified or x.is_link_local or x.is_reserved
