"""What both ends of the relay speak: a packet behind its length, WireGuard's packets and no others. Pure.

Two octets of length, then the packet. TCP keeps the order; what does not fit into the queue is dropped, oldest first,
as a line would: an old packet is worth less than a new one.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable

LARGEST = 2048  # octets of a packet; the tunnel's are 1360 at most
_SIZES = {b"\x01\0\0\0": 148, b"\x02\0\0\0": 92, b"\x03\0\0\0": 64}  # WireGuard whitepaper 5.4
_DATA = b"\x04\0\0\0"


class NotFrames(ValueError):
    """The other end does not speak this language."""


def is_wireguard(packet: bytes) -> bool:
    """A handshake message of its very size, or data: header, counter, 16 octets at a time, authenticator."""
    if packet[:4] == _DATA:
        return 32 <= len(packet) <= LARGEST and len(packet) % 16 == 0
    return _SIZES.get(packet[:4]) == len(packet)


def is_answer(packet: bytes) -> bool:
    """What WireGuard says only to somebody whose key it knows."""
    return packet[:4] == b"\x02\0\0\0" or packet[:4] == _DATA


def framed(packets: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for x in packets:
        parts += (struct.pack("!H", len(x)), x)
    return b"".join(parts)


class Reader:
    """A stream in, packets out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Raises NotFrames; then the connection is worth nothing any more."""
        data, place, found = self._rest + data, 0, []
        while len(data) - place >= 2:
            (length,) = struct.unpack_from("!H", data, place)
            if not 32 <= length <= LARGEST:
                raise NotFrames(length)
            if len(data) - place - 2 < length:
                break
            found.append(data[place + 2 : place + 2 + length])
            place += 2 + length
        self._rest = data[place:]
        return found


class Queue:
    """Packets that wait, `most` octets of them; the oldest go first, whichever way."""

    def __init__(self, most: int) -> None:
        self._most, self._octets = most, 0
        self._packets: deque[bytes] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, packets: Iterable[bytes]) -> None:
        for x in packets:
            self._packets.append(x)
            self._octets += len(x)
        while self._octets > self._most:
            self._octets -= len(self._packets.popleft())
            self.dropped += 1

    def take(self, octets: int) -> list[bytes]:
        """At least one packet where there is one, then as many as fit."""
        found: list[bytes] = []
        taken = 0
        while self._packets and (not found or taken + len(self._packets[0]) <= octets):
            x = self._packets.popleft()
            self._octets -= len(x)
            taken += len(x)
            found.append(x)
        return found


class Bucket:
    """A rate: `rate` tokens a second, `burst` at most. Times are the caller's, in seconds."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._tokens, self._at = rate, burst, burst, now

    def take(self, tokens: float, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True
