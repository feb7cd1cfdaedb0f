"""What a curious laptop tries, and what somebody with a wire tap sees of it."""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.host import icmp_errors
from scripts.exercise.namespaces import entered

PASSES = frozenset({"open", "refused", "answered"})  # the packet got there
ETH_P_ALL, PACKET_OUTGOING = 0x0003, 4  # linux/if_ether.h, linux/if_packet.h
_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "refused",
    errno.EHOSTUNREACH: "prohibited",
    errno.ENETUNREACH: "no route",
    errno.EACCES: "prohibited",
    errno.EPERM: "prohibited",
    errno.EADDRNOTAVAIL: "no route",
    errno.ETIMEDOUT: "silent",
}


def tcp(namespace: str, host: str, port: int, seconds: float = 0.5) -> str:
    """open, refused (by the host itself), prohibited (by somebody on the way), no route, or silent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with entered(namespace), socket.socket(family) as channel:
        channel.settimeout(seconds)
        try:
            channel.connect((host, port))
        except TimeoutError:
            return "silent"
        except OSError as error:
            return _ERRORS[error.errno or 0]
    return "open"


def udp(namespace: str, host: str, port: int, content: bytes = b"\0", seconds: float = 0.5) -> str:
    """answered, refused (port unreachable from the host itself), prohibited, no route or silent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with entered(namespace), socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(seconds)
        if family == socket.AF_INET:
            icmp_errors.keep(channel)
        try:
            channel.connect((host, port))
            channel.send(content)
            channel.recv(512)
        except TimeoutError:
            return "silent"
        except OSError as error:
            return _ERRORS[error.errno or 0]
    return "answered"


def name_query(name: str = "example.jp") -> bytes:
    """A DNS question (RFC 1035) for an address."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    return struct.pack("!6H", 0x4E52, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def ping(namespace: str, host: str, seconds: float = 0.5) -> str:
    """answered or silent."""
    six = ":" in host
    family, protocol = (socket.AF_INET6, 58) if six else (socket.AF_INET, 1)
    with entered(namespace), socket.socket(family, socket.SOCK_RAW, protocol) as channel:
        header = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0x4E52, 1)
        checksum = 0 if six else _checksum(header)
        try:
            channel.sendto(header[:2] + struct.pack("!H", checksum) + header[4:], (host, 0))
        except OSError as error:
            return _ERRORS[error.errno or 0]
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            channel.settimeout(left)
            try:
                packet, source = channel.recvfrom(256)
            except TimeoutError:
                break
            start = 0 if six else (packet[0] & 15) * 4
            if source[0] == host and packet[start] == (129 if six else 0):
                return "answered"
    return "silent"


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return int(~((total >> 16) + (total & 0xFFFF)) & 0xFFFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One frame: what it was, from whom and to whom."""

    link: str
    outgoing: bool  # sent by the machine whose link this is
    kind: str  # arp, udp, tcp, icmp, icmp6, other
    source: str = ""
    target: str = ""
    sport: int = 0
    dport: int = 0
    raw: bytes = b""


class Tap:
    """Every frame on some links of one machine since the tap was put on."""

    def __init__(self, namespace: str, *links: str) -> None:
        self._sockets = []
        with entered(namespace):
            for link in links:
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                tap.bind((link, 0))
                tap.setblocking(False)
                self._sockets.append((link, tap))

    def frames(self) -> list[Seen]:
        """What came since the last look."""
        found = []
        for link, tap in self._sockets:
            while select.select([tap], [], [], 0)[0]:
                try:
                    frame, address = tap.recvfrom(65536)
                except OSError as error:  # told once each time the link goes down
                    assert error.errno == errno.ENETDOWN
                    continue
                found.append(read_frame(link, address[2] == PACKET_OUTGOING, frame))
        return found

    def close(self) -> None:
        for _, tap in self._sockets:
            tap.close()


@contextmanager
def tapped(namespace: str, *links: str) -> Iterator[Tap]:
    tap = Tap(namespace, *links)
    try:
        yield tap
    finally:
        tap.close()


def read_frame(link: str, outgoing: bool, frame: bytes) -> Seen:
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0806:
        return Seen(link=link, outgoing=outgoing, kind="arp", raw=frame)
    body = frame[14:]
    if kind == 0x0800 and len(body) >= 20:
        start, protocol = (body[0] & 15) * 4, body[9]
        source, target = (str(ipaddress.ip_address(body[x : x + 4])) for x in (12, 16))
    elif kind == 0x86DD and len(body) >= 40:
        start, protocol = 40, body[6]
        source, target = (str(ipaddress.ip_address(body[x : x + 16])) for x in (8, 24))
    else:
        return Seen(link=link, outgoing=outgoing, kind=f"other {kind:#06x}", raw=frame)
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 0: "icmp6"}.get(protocol, f"protocol {protocol}")
    ports = struct.unpack_from("!HH", body, start) if name in ("tcp", "udp") else (0, 0)
    return Seen(
        link=link,
        outgoing=outgoing,
        kind=name,
        source=source,
        target=target,
        sport=ports[0],
        dport=ports[1],
        raw=frame,
    )
