"""A modem that speaks MBIM, as far as ModemManager needs it to connect: the hardware, its SIM and its carrier, played.

Source: USB-IF, Universal Serial Bus Communications Class Subclass Specification for Mobile Broadband Interface Model 1.0.
"""

from __future__ import annotations

import ipaddress
import struct
import uuid
from dataclasses import dataclass, field

OPEN, CLOSE, COMMAND, INDICATE = 1, 2, 3, 0x80000007
DONE = 0x80000000
BASIC = uuid.UUID("a289cc33-bcbb-8b4f-b6b0-133ec2aae6df")
INTERNET = uuid.UUID("7e5e2a7e-4e6f-7272-736b-656e7e5e2a7e")
QUERY, SET = 0, 1
SUCCESS, FAILURE, NOT_ACTIVATED, NO_SUPPORT, ACCESS_STRING = 0, 2, 16, 9, 20
(CAPS, SUBSCRIBER, RADIO, PIN, _, HOME, _, _, REGISTER, PACKET, SIGNAL, CONNECT, _, _, ADDRESS, SERVICES) = (
    range(1, 17)
)
SUBSCRIBE = 19
KNOWN = (CAPS, SUBSCRIBER, RADIO, PIN, HOME, REGISTER, PACKET, SIGNAL, CONNECT, ADDRESS, SERVICES, SUBSCRIBE)
SIMS = {"good": 1, "none": 2, "locked": 6}
NETWORKS = {"searching": 2, "home": 3, "roaming": 4, "denied": 6}
LTE = 1 << 5


class Body:
    """An answer's fixed part, with what varies in length behind it."""

    def __init__(self) -> None:
        self._fixed: list[int | bytes] = []
        self._tail: list[tuple[int, bytes]] = []

    def number(self, *values: int) -> Body:
        self._fixed += [struct.pack("<I", x) for x in values]
        return self

    def octets(self, value: bytes) -> Body:
        self._fixed.append(value)
        return self

    def behind(self, value: bytes) -> Body:
        """Its offset and its size here, itself behind."""
        self._tail.append((len(self._fixed), value))
        self._fixed.append(8)
        return self

    def text(self, value: str) -> Body:
        return self.behind(value.encode("utf-16-le"))

    def packed(self) -> bytes:
        at = sum(x if isinstance(x, int) else len(x) for x in self._fixed)
        fixed, tail = list(self._fixed), b""
        for index, value in self._tail:
            fixed[index] = struct.pack("<II", at + len(tail) if value else 0, len(value))
            tail += value + bytes(-len(value) % 4)
        return b"".join(x for x in fixed if isinstance(x, bytes)) + tail


@dataclass(slots=True)
class Modem:
    """`apn`: the only one that its carrier lets in; "" for any."""

    sim: str = "good"
    network: str = "home"
    operator: str = "KDDI"
    apn: str = ""
    address: str = "10.64.12.34/30"
    gateway: str = "10.64.12.33"
    dns: tuple[str, ...] = ("10.64.0.1", "10.64.0.2")
    connected: bool = False
    dialled: list[tuple[str, str, str]] = field(default_factory=list)
    radio: int = 1

    def hear(self, message: bytes) -> list[bytes]:
        """One whole message → what the modem says to it."""
        kind, _, transaction = struct.unpack_from("<III", message)
        if kind in (OPEN, CLOSE):
            return [_framed(kind | DONE, transaction, struct.pack("<I", SUCCESS))]
        if kind != COMMAND:
            return []
        service = uuid.UUID(bytes=message[20:36])
        number, way, length = struct.unpack_from("<III", message, 36)
        given = message[48 : 48 + length]
        status, body = self._answer(service, number, way, given)
        head = struct.pack("<II", 1, 0) + service.bytes + struct.pack("<III", number, status, len(body))
        return [_framed(COMMAND | DONE, transaction, head + body)]

    def news(self) -> list[bytes]:
        """What a modem says by itself when its world changed."""
        found = []
        for number in (SUBSCRIBER, REGISTER, CONNECT):
            _, body = self._answer(BASIC, number, QUERY, b"")
            head = struct.pack("<II", 1, 0) + BASIC.bytes + struct.pack("<II", number, len(body))
            found.append(_framed(INDICATE, 0, head + body))
        return found

    def _answer(self, service: uuid.UUID, number: int, way: int, given: bytes) -> tuple[int, bytes]:  # noqa: C901 - one line for each
        if service != BASIC:
            return NO_SUPPORT, b""
        match number:
            case 1:
                caps = Body().number(1, 1, 1, 2, LTE, 0, 1, 1).text("").text("861234567890123")
                return SUCCESS, caps.text("played-1.0").text("Played modem").packed()
            case 2:
                known = self.sim == "good"
                told = Body().number(SIMS[self.sim]).text("440501234567890" if known else "")
                return SUCCESS, told.text("8981300000000000001" if known else "").number(0, 0).packed()
            case 3:
                if way == SET:
                    (self.radio,) = struct.unpack_from("<I", given)
                return SUCCESS, Body().number(1, self.radio).packed()
            case 4:
                return SUCCESS, Body().number(2, int(self.sim == "locked"), 3).packed()
            case 6:
                return SUCCESS, Body().text("44050").number(1).text(self.operator).number(1, 20, 99).packed()
            case 9:
                return SUCCESS, self._registered()
            case 10:
                attached = 2 if self.network == "home" else 4
                return SUCCESS, Body().number(0, attached, LTE).octets(struct.pack("<QQ", 0, 0)).packed()
            case 11:
                return SUCCESS, Body().number(21, 99, 5, 0xFFFFFFFF, 0xFFFFFFFF).packed()
            case 12:
                return self._connect(way, given)
            case 15:
                return SUCCESS, self._addressed()
            case 16:
                cids = struct.pack(f"<{len(KNOWN)}I", *KNOWN)
                service_told = BASIC.bytes + struct.pack("<III", 0, 0, len(KNOWN)) + cids
                return SUCCESS, Body().number(1, 0).behind(service_told).packed()
            case 19:
                return SUCCESS, given or Body().number(0).packed()
        return NO_SUPPORT, b""

    def _registered(self) -> bytes:
        there = self.network in ("home", "roaming") and self.sim == "good" and self.radio == 1
        state = NETWORKS[self.network] if self.sim == "good" else 1
        told = Body().number(0, state, 1, LTE, 1).text("44050" if there else "")
        return told.text(self.operator if there else "").text("").number(0).packed()

    def _connect(self, way: int, given: bytes) -> tuple[int, bytes]:
        status = SUCCESS
        if way == SET:
            _, wished = struct.unpack_from("<II", given)
            words = [_text(given, 8 + 8 * n) for n in range(3)]
            if wished:
                self.dialled.append((words[0], words[1], words[2]))
            let_in = not self.apn or self.apn == words[0]
            self.connected = bool(wished) and let_in
            status = SUCCESS if let_in or not wished else ACCESS_STRING
        state = 1 if self.connected else 3
        body = Body().number(0, state, 0, 1).octets(INTERNET.bytes).number(0).packed()
        return status, body

    def _addressed(self) -> bytes:
        own = ipaddress.IPv4Interface(self.address)
        data = struct.pack("<I", own.network.prefixlen) + own.ip.packed
        data += ipaddress.IPv4Address(self.gateway).packed if self.gateway else bytes(4)
        data += b"".join(ipaddress.IPv4Address(x).packed for x in self.dns)
        there = 1 | 2 * bool(self.gateway) | 4 | 8
        at = 15 * 4
        told = Body().number(
            0, there, 0, 1, at, 0, 0, at + 8 if self.gateway else 0, 0, len(self.dns), at + 12, 0, 0
        )
        return told.number(1428, 0).octets(data).packed()


def _text(given: bytes, at: int) -> str:
    offset, size = struct.unpack_from("<II", given, at)
    return given[offset : offset + size].decode("utf-16-le")


def _framed(kind: int, transaction: int, rest: bytes) -> bytes:
    return struct.pack("<III", kind, 12 + len(rest), transaction) + rest


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages, and the begun one."""
    found = []
    while len(buffer) >= 12:
        (length,) = struct.unpack_from("<I", buffer, 4)
        if len(buffer) < length:
            break
        found.append(buffer[:length])
        buffer = buffer[length:]
    return found, buffer
