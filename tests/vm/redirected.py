"""A USB device that is played from outside the machine it is plugged into, by QEMU's usb-redir: who answers which transfer.

Source: usbredir's protocol, version 0.7, as far as one device without isochronous transfers needs it.
"""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

HELLO, CONNECT, RESET, INTERFACES, ENDPOINTS = 0, 1, 3, 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION = 6, 7, 8
SET_ALT, GET_ALT, ALT = 9, 10, 11
START_INTERRUPTS, STOP_INTERRUPTS, INTERRUPTS = 15, 16, 17
CANCEL = 21
CONTROL, BULK, INTERRUPT = 100, 101, 103
# A device's version, its endpoints' packet sizes, long numbers, long bulk transfers: without them QEMU's xHCI refuses.
CAPABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6
SHORT, LONG = "<III", "<IIQ"  # a packet's kind, length and number: before both greeted, and afterwards
DONE, CANCELLED, STALL = 0, 1, 4
HIGH_SPEED = 2
NO_ENDPOINT = 255
IN = 0x80


class Stalled(Exception):
    """The device does not know this request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    number: int
    kind: tuple[int, int, int]  # class, subclass, protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    address: int
    kind: int  # 2 bulk, 3 interrupt
    interface: int
    size: int
    interval: int = 0


class Device(ABC):
    """One device at the end of a stream socket. `serve` handles what has come; whoever holds it may `interrupt` and `give`."""

    vendor, product = 0, 0
    kind = (0, 0, 0)
    interfaces: Sequence[Interface] = ()
    endpoints: Sequence[Endpoint] = ()

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer, self._head = b"", SHORT
        self._alternate = 0
        self._number = 0
        self._asked: list[tuple[int, int]] = []  # of bulk data that is not there yet: number, length
        self._waiting: list[bytes] = []
        self._listening = False
        self._said: list[bytes] = []
        self._send(HELLO, 0, b"noroshi".ljust(64, b"\0") + struct.pack("<I", CAPABILITIES))

    @abstractmethod
    def control(self, kind: int, request: int, value: int, index: int, length: int, data: bytes) -> bytes:
        """A request on endpoint zero; raises Stalled."""

    @abstractmethod
    def taken(self, data: bytes) -> None:
        """Bulk data from the machine."""

    # ---------------------------------------------------------------------------------- to the machine

    def interrupt(self, data: bytes) -> None:
        self._said.append(data)
        self._flush()

    def give(self, data: bytes) -> None:
        """Bulk data, when the machine asks for it. Nobody keeps a line's packets for long."""
        self._waiting = [*self._waiting[-200:], data]
        self._flush()

    def _flush(self) -> None:
        while self._listening and self._said:
            data = self._said.pop(0)
            self._number += 1
            head = struct.pack("<BBH", self._inward(3), DONE, len(data))
            self._send(INTERRUPT, self._number, head + data)
        while self._asked and self._waiting:
            number, _ = self._asked.pop(0)
            self._bulk_in(number, DONE, self._waiting.pop(0))

    def _inward(self, kind: int) -> int:
        return next(x.address for x in self.endpoints if x.kind == kind and x.address & IN)

    def _bulk_in(self, number: int, status: int, data: bytes = b"") -> None:
        head = struct.pack("<BBHIH", self._inward(2), status, len(data) & 0xFFFF, 0, len(data) >> 16)
        self._send(BULK, number, head + data)

    def _send(self, kind: int, number: int, data: bytes) -> None:
        self._channel.sendall(struct.pack(self._head, kind, len(data), number) + data)

    # -------------------------------------------------------------------------------- from the machine

    def serve(self) -> bool:
        """Handle what has come; False when the machine is gone."""
        came = self._channel.recv(65536)
        self._buffer += came
        while len(self._buffer) >= (begin := struct.calcsize(self._head)):
            kind, length, number = struct.unpack_from(self._head, self._buffer)
            if len(self._buffer) < begin + length:
                break
            data, self._buffer = self._buffer[begin : begin + length], self._buffer[begin + length :]
            self._handle(kind, number, data)
        return bool(came)

    def _handle(self, kind: int, number: int, data: bytes) -> None:  # noqa: C901 - one line for each kind
        match kind:
            case 0:
                self._head = LONG
                self._describe()
                version = struct.pack("<BBBBHHH", HIGH_SPEED, *self.kind, self.vendor, self.product, 0x0100)
                self._send(CONNECT, 0, version)
            case 3:
                self._alternate, self._asked, self._listening = 0, [], False
            case 6:
                self._describe()
                self._send(CONFIGURATION, number, struct.pack("<BB", DONE, data[0]))
            case 7:
                self._send(CONFIGURATION, number, struct.pack("<BB", DONE, 1))
            case 9:
                self._alternate = data[1]
                self._describe()
                self._send(ALT, number, struct.pack("<BBB", DONE, data[0], data[1]))
            case 10:
                self._send(ALT, number, struct.pack("<BBB", DONE, data[0], self._alternate))
            case 15 | 16:
                self._listening = kind == START_INTERRUPTS
                self._send(INTERRUPTS, number, struct.pack("<BB", DONE, data[0]))
                self._flush()
            case 21:
                if number in [x for x, _ in self._asked]:
                    self._asked = [x for x in self._asked if x[0] != number]
                    self._bulk_in(number, CANCELLED)
            case 100:
                self._control(number, data)
            case 101:
                self._bulk(number, data)

    def _control(self, number: int, data: bytes) -> None:
        endpoint, request, kind, _, value, index, length = struct.unpack_from("<BBBBHHH", data)
        status, answer = DONE, b""
        try:
            answer = self.control(kind, request, value, index, length, data[10:])[:length]
        except Stalled:
            status = STALL
        told = len(answer) if kind & IN else length
        head = struct.pack("<BBBBHHH", endpoint, request, kind, status, value, index, told)
        self._send(CONTROL, number, head + (answer if kind & IN else b""))

    def _bulk(self, number: int, data: bytes) -> None:
        endpoint, _, length, stream, more = struct.unpack_from("<BBHIH", data)
        if endpoint & IN:
            self._asked.append((number, length))
            self._flush()
            return
        self.taken(data[10:])
        self._send(BULK, number, struct.pack("<BBHIH", endpoint, DONE, length, stream, more))

    def _describe(self) -> None:
        """What there is now: bulk endpoints are those of the data interface's second form only."""
        count = len(self.interfaces)
        rows = [
            bytes([x.number for x in self.interfaces]),
            *(bytes([x.kind[i] for x in self.interfaces]) for i in range(3)),
        ]
        self._send(INTERFACES, 0, struct.pack("<I", count) + b"".join(x.ljust(32, b"\0") for x in rows))
        kinds, intervals, homes, sizes = [NO_ENDPOINT] * 32, [0] * 32, [0] * 32, [0] * 32
        kinds[0] = kinds[16] = 0
        sizes[0] = sizes[16] = 64
        for x in self.endpoints:
            if x.kind == 2 and not self._alternate:
                continue
            at = (x.address & IN) >> 3 | x.address & 0x0F
            kinds[at], intervals[at], homes[at], sizes[at] = x.kind, x.interval, x.interface, x.size
        told = bytes(kinds) + bytes(intervals) + bytes(homes) + struct.pack("<32H", *sizes)
        self._send(ENDPOINTS, 0, told)
