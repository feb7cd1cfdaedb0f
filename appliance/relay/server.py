"""HQ's end of the relay: TLS from boxes in, datagrams to HQ's own WireGuard out, and nowhere else.

    python -m appliance.relay.server CONFIGURATION

Unprivileged. It knows no box: WireGuard does. Until WireGuard has answered on a connection, that connection may say
little and does not last; whatever is not a WireGuard packet ends or is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import resource
import socket
import ssl
import sys
from collections import Counter
from pathlib import Path

from appliance.relay.frames import Bucket, is_answer, is_wireguard
from appliance.relay.pipe import Pipe, prepare, received

CONNECTIONS = 1024
FROM_ONE_SOURCE = 16  # an IPv4 address, or the /64 of an IPv6 one: a hall behind one address has a few boxes
HANDSHAKES = 64  # at a time
NEW_EACH_SECOND, NEW_AT_ONCE = 50.0, 200.0
HANDSHAKE_WITHIN = 8.0  # seconds
STRANGER_PACKETS, STRANGER_BURST = 50.0, 100.0  # a second, until WireGuard answers
STRANGER_LASTS = 20.0  # seconds
IDLE = 120.0  # seconds; a tunnel that lives says something every fifteen
OCTETS, OCTETS_BURST = 25e6, 4e6  # a second, of one connection
LOOPBACK = "127.0.0.1"


class Guest:
    """One box's connection, and the socket by which HQ's WireGuard knows it."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.since = self.heard = now
        self.known = False  # WireGuard answered
        self._stranger = Bucket(STRANGER_PACKETS, STRANGER_BURST, now)
        self._rate = Bucket(OCTETS, OCTETS_BURST, now)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((LOOPBACK, port))
        self.ended = asyncio.Event()
        self.pipe = Pipe(self._deliver, lambda _: True, self.ended.set)
        self._loop.add_reader(self._socket, self._read)

    def _deliver(self, packets: list[bytes]) -> None:
        now = self._loop.time()
        self.heard = now
        for x in packets:
            if not is_wireguard(x) or not self._rate.take(len(x), now):
                continue
            if self.known or self._stranger.take(1, now):
                with contextlib.suppress(OSError):  # WireGuard is not there just now, or is busy
                    self._socket.send(x)

    def _read(self) -> None:
        packets = [x for x, _ in received(self._socket)]
        self.known = self.known or any(is_answer(x) for x in packets)
        if packets:
            self.pipe.send(packets)

    def overdue(self, now: float) -> bool:
        return now - self.heard > IDLE or (not self.known and now - self.since > STRANGER_LASTS)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self.pipe.close()


class House:
    """All guests, and who is let in."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context, self._port = context, port
        self._loop = asyncio.get_running_loop()
        self._sources: Counter[str] = Counter()
        self._guests: set[Guest] = set()
        self._handshakes = 0
        self._new = Bucket(NEW_EACH_SECOND, NEW_AT_ONCE, self._loop.time())
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, listening: socket.socket) -> None:
        while True:
            try:
                channel, address = await self._loop.sock_accept(listening)
            except OSError as error:  # too many files, or a guest who left already
                sys.stderr.write(f"relay: {error}\n")
                await asyncio.sleep(0.1)
                continue
            source = source_of(str(address[0]))
            if not self._may_enter(source):
                channel.close()
                continue
            task = self._loop.create_task(self._serve(channel, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _may_enter(self, source: str) -> bool:
        return (
            self._sources.total() < CONNECTIONS
            and self._sources[source] < FROM_ONE_SOURCE
            and self._handshakes < HANDSHAKES
            and self._new.take(1, self._loop.time())
        )

    async def _serve(self, channel: socket.socket, source: str) -> None:
        self._sources[source] += 1
        try:
            prepare(channel)
            guest = Guest(self._port)
        except OSError:  # too many files
            channel.close()
            self._leave(source)
            return
        self._guests.add(guest)
        try:
            await self._shake_hands(channel, guest)
            await guest.ended.wait()
        except (OSError, TimeoutError, ssl.SSLError):
            channel.close()
        finally:
            guest.close()
            self._guests.discard(guest)
            self._leave(source)

    def _leave(self, source: str) -> None:
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    async def _shake_hands(self, channel: socket.socket, guest: Guest) -> None:
        self._handshakes += 1
        try:
            await asyncio.wait_for(
                self._loop.connect_accepted_socket(lambda: guest.pipe, channel, ssl=self._context),
                HANDSHAKE_WITHIN,
            )
        finally:
            self._handshakes -= 1

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(2)
            now = self._loop.time()
            for x in [x for x in self._guests if x.overdue(now)]:
                x.pipe.close()
                x.ended.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def source_of(address: str) -> str:
    """Whom a connection counts against."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(getattr(found, "ipv4_mapped", None) or found)


def listen(port: int) -> list[socket.socket]:
    found = []
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - boxes are anywhere
        try:
            channel = socket.socket(family, socket.SOCK_STREAM)
        except OSError:  # a machine without IPv6
            continue
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            channel.bind((host, port))
        except OSError:
            channel.close()
            if family == socket.AF_INET:
                raise
            continue
        channel.listen(128)
        channel.setblocking(False)
        found.append(channel)
    return found


async def serve(port: int, wireguard: int, certificate: str, key: str) -> None:
    """Carry until cancelled."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    house, doors = House(context, wireguard), listen(port)
    try:
        await asyncio.gather(house.sweep(), *(house.receive(x) for x in doors))
    finally:
        for x in doors:
            x.close()
        await house.close()


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two files a guest
    told = json.loads(Path(sys.argv[1]).read_text())
    asyncio.run(serve(told["port"], told["wireguard"], told["certificate"], told["key"]))


if __name__ == "__main__":
    main()
