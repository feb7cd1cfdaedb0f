"""Asks an uplink's routers to speak (IPv6) and writes down what they say, raw, as the DHCP client does for IPv4. Where
the router does not tell its NAT64's prefix, asks the line's own name server for it. Decides nothing.

usage: python -m appliance.router_listener LINK
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from appliance.core.marks import LOOKUP_MARK
from appliance.core.router_advert import is_answer, question, read_advert

ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
SOLICIT = bytes([133, 0, 0, 0, 0, 0, 0, 0])  # RFC 4861, 4.1; the kernel adds the checksum
ADVERT = 134
_ICMP6_FILTER = 1  # linux/icmpv6.h
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds between questions to routers, doubled each time (RFC 7559)
LOOK_UP_AGAIN = 1.5  # seconds for a name server's answer


class Listener:
    def __init__(self, link: str, run: Path) -> None:
        self._link, self._run = link, run
        self._path = run / "leases" / f"{link}.six"
        self._channel = self._open()
        self._record: dict[str, Any] = {}
        self._until = 0.0  # when the router's word runs out
        self._number = 0
        self._lookup: socket.socket | None = None
        self._pause, self._ask_at, self._look_up_at = FIRST_PAUSE, 0.0, 0.0

    def _open(self) -> socket.socket:
        channel = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._link.encode())
        only = [0xFFFFFFFF] * 8  # a bit for each type that is kept away
        only[ADVERT // 32] ^= 1 << ADVERT % 32
        channel.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *only))
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        group = socket.inet_pton(socket.AF_INET6, ALL_NODES) + struct.pack(
            "=I", socket.if_nametoindex(self._link)
        )
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        channel.setblocking(False)
        return channel

    def run(self) -> None:
        while True:
            now = time.monotonic()
            if self._record and now > self._until:
                self._forget()
            if not self._record and now >= self._ask_at:
                self._solicit(now)
            if self._wants_prefix() and now >= self._look_up_at:
                self._ask_name(now)
            self._wait(now)

    def _solicit(self, now: float) -> None:
        try:
            index = socket.if_nametoindex(self._link)
            self._channel.sendto(SOLICIT, (ALL_ROUTERS, 0, 0, index))
            self._ask_at = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        except OSError:  # the link's own address is being checked still
            self._ask_at = now + 0.3

    def _wants_prefix(self) -> bool:
        lease = read_advert(self._record, 0.0) if self._record else None
        return lease is not None and not lease.nat64 and bool(lease.dns)

    def _wait(self, now: float) -> None:
        moments = [self._until if self._record else self._ask_at]
        if self._wants_prefix():
            moments.append(self._look_up_at)
        channels = [x for x in (self._channel, self._lookup) if x is not None]
        ready, _, _ = select.select(channels, [], [], max(0.0, min(min(moments) - now, 60.0)))
        if self._channel in ready:
            self._hear()
        if self._lookup is not None and self._lookup in ready:
            self._hear_name(self._lookup)

    def _hear(self) -> None:
        try:
            packet, ancillary, _, source = self._channel.recvmsg(2048, 64)
        except OSError:
            return
        hops = next((struct.unpack("=i", x[2][:4])[0] for x in ancillary if x[1] == socket.IPV6_HOPLIMIT), 0)
        own = self._identifier()
        record = {
            "interface": self._link,
            "source": source[0].partition("%")[0],
            "hops": hops,
            "packet": packet.hex(),
            "identifier": own,
        }
        lease = read_advert(record, 0.0)
        if lease is None:
            self._heed_farewell(record)
            return
        if self._record and self._record["source"] == record["source"]:
            record["answer"] = self._record.get("answer", "")
        elif self._record:
            return  # the first router's word holds until it runs out
        self._until = time.monotonic() + lease.seconds
        self._write(record)

    def _heed_farewell(self, record: dict[str, Any]) -> None:
        """Only our own router, by an advertisement without a lifetime, takes back what it said."""
        known = self._record.get("source")
        if known == record["source"] and record["hops"] == 255 and record["packet"][12:16] == "0000":
            self._forget()

    def _identifier(self) -> str:
        """The half of an address that the kernel found to be ours alone on this link."""
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            address, _, _, scope, _, link = line.split()
            if link == self._link and scope == "20":
                return address[16:]
        return ""

    def _ask_name(self, now: float) -> None:
        lease = read_advert(self._record, 0.0)
        self._look_up_at = now + LOOK_UP_AGAIN
        self._close_lookup()
        if lease is None:
            return
        self._number = int.from_bytes(os.urandom(2), "big")
        channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._link.encode())
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, LOOKUP_MARK)
            for server in lease.dns:
                with contextlib.suppress(OSError):  # our address is being checked still
                    channel.sendto(question(self._number), (server, 53))
        except OSError:
            channel.close()
            return
        self._lookup = channel

    def _hear_name(self, channel: socket.socket) -> None:
        try:
            packet = channel.recv(2048)
        except OSError:
            self._close_lookup()
            return
        if is_answer(self._number, packet):
            self._close_lookup()
            self._look_up_at = (
                time.monotonic() + LONGEST_PAUSE
            )  # an answer without a prefix is an answer, too
            self._write({**self._record, "answer": packet.hex()})

    def _close_lookup(self) -> None:
        if self._lookup is not None:
            self._lookup.close()
        self._lookup = None

    def _write(self, record: dict[str, Any]) -> None:
        if record == self._record:
            return
        self._record = record
        scratch = self._path.with_name(f".{self._link}.six")
        scratch.write_text(json.dumps(record))
        scratch.replace(self._path)
        self._ring()

    def _forget(self) -> None:
        self._record, self._pause, self._ask_at = {}, FIRST_PAUSE, 0.0
        self._close_lookup()
        self._path.unlink(missing_ok=True)
        self._ring()

    def _ring(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell, contextlib.suppress(OSError):
            bell.sendto(b"!", str(self._run / "wake"))


if __name__ == "__main__":
    Listener(sys.argv[1], Path(os.environ["NOROSHI_RUN_DIR"])).run()
