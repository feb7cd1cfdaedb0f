"""An MBIM modem on USB, played for a virtual machine: control messages go to tests/host/mbim.py, its packets to a tun device
in the namespace that is its carrier's. Every packet from the machine is noted.

usage: python -m tests.vm.usb_modem CHANNEL WORLD NOTES
CHANNEL: QEMU's socket; WORLD: a JSON file of the modem's world, read again when it changes; NOTES: who was spoken to.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

from tests.host.mbim import Modem
from tests.vm.redirected import Device, Endpoint, Interface, Stalled

TUN = "mobile0"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
DESCRIPTOR, SEND_COMMAND, GET_RESPONSE, GET_NTB = 0x06, 0x00, 0x01, 0x80
RESPONSE_AVAILABLE = struct.pack("<BBHHH", 0xA1, 0x01, 0, 0, 0)
NTB = 16384
STRINGS = ("", "Played", "Modem", "0001")

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0xEF, 2, 1, 64, 0xFFFE, 0x0001, 0x0100, 1, 2, 3, 1)
_PARTS = (
    struct.pack("<BBBBBBBB", 8, 0x0B, 0, 2, 2, 0x0E, 0, 0),  # both interfaces are one function
    struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 1, 2, 0x0E, 0, 0),
    struct.pack("<BBBH", 5, 0x24, 0, 0x0110),
    struct.pack("<BBBBB", 5, 0x24, 6, 0, 1),
    struct.pack("<BBBHHBBHB", 12, 0x24, 0x1B, 0x0100, 4096, 16, 64, 2048, 0),
    struct.pack("<BBBBHB", 7, 5, 0x82, 3, 64, 9),
    struct.pack("<BBBBBBBBB", 9, 4, 1, 0, 0, 0x0A, 0, 2, 0),
    struct.pack("<BBBBBBBBB", 9, 4, 1, 1, 2, 0x0A, 0, 2, 0),
    struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0),
    struct.pack("<BBBBHB", 7, 5, 0x01, 2, 512, 0),
)
_REST = b"".join(_PARTS)
CONFIGURATION = struct.pack("<BBHBBBBB", 9, 2, 9 + len(_REST), 2, 1, 0, 0x80, 250) + _REST
QUALIFIER = struct.pack("<BBHBBBBBB", 10, 6, 0x0200, 0xEF, 2, 1, 64, 1, 0)
NTB_PARAMETERS = struct.pack("<HHIHHHHIHHHH", 28, 1, NTB, 4, 0, 4, 0, NTB, 4, 0, 4, 0)


class UsbModem(Device):
    vendor, product, kind = 0xFFFE, 0x0001, (0xEF, 2, 1)
    interfaces = (Interface(number=0, kind=(2, 0x0E, 0)), Interface(number=1, kind=(0x0A, 0, 2)))
    endpoints = (
        Endpoint(address=0x82, kind=3, interface=0, size=64, interval=9),
        Endpoint(address=0x81, kind=2, interface=1, size=512),
        Endpoint(address=0x01, kind=2, interface=1, size=512),
    )

    def __init__(self, channel: socket.socket, modem: Modem, tun: int) -> None:
        self.modem, self._tun = modem, tun
        self._answers: list[bytes] = []
        self._sequence = 0
        self.spoken_to: dict[str, int] = {}
        super().__init__(channel)

    def control(self, kind: int, request: int, value: int, index: int, length: int, data: bytes) -> bytes:
        match kind, request:
            case (0x80, 0x06):
                return _descriptor(value >> 8, value & 0xFF)
            case (0x21, 0x00):
                self.say(self.modem.hear(data))
                return b""
            case (0xA1, 0x01):
                return self._answers.pop(0) if self._answers else b""
            case (0xA1, 0x80):
                return NTB_PARAMETERS
            case (0x21, _) | (0x02, 0x01):
                return b""
        raise Stalled

    def say(self, messages: list[bytes]) -> None:
        for message in messages:
            self._answers.append(message)
            self.interrupt(RESPONSE_AVAILABLE)

    def taken(self, data: bytes) -> None:
        """Whatever the machine sends: IP packets in blocks (CDC NCM 1.0, 3.2 and 3.3)."""
        if len(data) < 12 or data[:4] != b"NCMH":
            return
        (at,) = struct.unpack_from("<H", data, 10)
        while at and at + 8 <= len(data):
            length, following = struct.unpack_from("<HH", data, at + 4)
            for entry in range(at + 8, at + length, 4):
                begin, size = struct.unpack_from("<HH", data, entry)
                if begin and size:
                    self._carry(data[begin : begin + size])
            at = following

    def _carry(self, packet: bytes) -> None:
        told = _told(packet)
        self.spoken_to[told] = self.spoken_to.get(told, 0) + 1
        if self.modem.connected and packet[0] >> 4 == 4:
            try:
                os.write(self._tun, packet)
            except OSError:
                return

    def from_carrier(self, packet: bytes) -> None:
        if not self.modem.connected:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        whole = 28 + len(packet)
        head = b"NCMH" + struct.pack("<HHHH", 12, self._sequence, whole, 12)
        table = b"IPS\0" + struct.pack("<HHHHHH", 16, 0, 28, len(packet), 0, 0)
        self.give(head + table + packet)


def _descriptor(kind: int, number: int) -> bytes:
    match kind:
        case 1:
            return DEVICE
        case 2:
            return CONFIGURATION
        case 3 if number == 0:
            return struct.pack("<BBH", 4, 3, 0x0409)
        case 3 if number < len(STRINGS):
            text = STRINGS[number].encode("utf-16-le")
            return struct.pack("<BB", 2 + len(text), 3) + text
        case 6:
            return QUALIFIER
    raise Stalled


def _told(packet: bytes) -> str:
    """Protocol, address and port of an IP packet, as text."""
    if packet[0] >> 4 != 4 or len(packet) < 28:
        return f"version {packet[0] >> 4}"
    protocol = {1: "icmp", 6: "tcp", 17: "udp"}.get(packet[9], str(packet[9]))
    address = ipaddress.IPv4Address(packet[16:20])
    at = (packet[0] & 0x0F) * 4
    port = struct.unpack_from(">H", packet, at + 2)[0] if protocol in ("tcp", "udp") else 0
    return f"{protocol} {address} {port}"


def open_tun(modem: Modem) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", TUN.encode(), IFF_TUN | IFF_NO_PI))
    os.set_blocking(descriptor, False)
    return descriptor


def main(channel: Path, world: Path, notes: Path) -> None:
    modem = Modem()
    change(modem, world)
    tun = open_tun(modem)
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(channel))
        device = UsbModem(wire, modem, tun)
        seen, noted = world.stat().st_mtime_ns, time.monotonic()
        while True:
            ready, _, _ = select.select([wire.fileno(), tun], [], [], 0.3)
            if wire.fileno() in ready and not device.serve():
                return
            if tun in ready:
                device.from_carrier(os.read(tun, 65536))
            if time.monotonic() - noted > 1:
                noted = time.monotonic()
                notes.write_text(json.dumps({"spoken_to": device.spoken_to, "dialled": modem.dialled}))
                if world.stat().st_mtime_ns != seen:
                    seen = world.stat().st_mtime_ns
                    change(modem, world)
                    device.say(modem.news())


def change(modem: Modem, world: Path) -> None:
    for name, value in json.loads(world.read_text()).items():
        setattr(modem, name, value)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
