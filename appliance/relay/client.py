"""The box's end of the relay: the tunnel's datagrams on loopback in, TLS to HQ out, by one uplink each.

    python -m appliance.relay.client CONFIGURATION

Unprivileged. It believes one certificate, by its fingerprint, and says nothing before it has seen it. Each local sender
(the tunnel, the finder's hellos) has a connection of its own, so that answers find their way back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.relay.frames import is_wireguard
from appliance.relay.pipe import Pipe, prepare, received

CONNECT_WITHIN = 8.0  # seconds, and as long again for TLS
IDLE = 30.0  # seconds without a local packet until a connection is closed
DEAF = 12.0  # seconds in which much was said and nothing heard: a new connection may find another way
SENDERS = 4  # a way: the tunnel and the finder, and what they were before they last opened anew
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds until the next attempt to connect
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Datagrams to `port` on loopback leave by `device`, for HQ's relay at `address`."""

    port: int
    device: str
    address: str
    to: int


class Trust:
    """The one certificate that counts."""

    def __init__(self, pin: str, name: str) -> None:
        self._pin, self.name = pin, name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE  # no authority is asked: the fingerprint is compared below

    def holds(self, transport: asyncio.Transport | None) -> bool:
        connection = transport.get_extra_info("ssl_object") if transport else None
        certificate = connection.getpeercert(binary_form=True) if connection else None
        found = hashlib.sha256(certificate).hexdigest() if certificate else ""
        return hmac.compare_digest(found, self._pin)


class Sender:
    """One local socket whose packets are carried, and the connection that carries them."""

    def __init__(self, way: Way, trust: Trust, local: socket.socket, source: tuple[str, int]) -> None:
        self._way, self._trust, self._local, self._source = way, trust, local, source
        self._loop = asyncio.get_running_loop()
        self._pipe = self._new_pipe()
        self._connecting: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self.used = self._heard = self._loop.time()

    def _new_pipe(self) -> Pipe:
        return Pipe(self._deliver, lambda x: self._trust.holds(x.transport), self._lost)

    def carry(self, packets: list[bytes]) -> None:
        now = self._loop.time()
        if now - self.used > DEAF / 2:
            self._heard = now  # nobody asked meanwhile
        self.used = now
        if self._pipe.ready and now - self._heard > DEAF:
            self._pipe.close()
        self._pipe.send(packets)
        if not self._pipe.ready and self._connecting is None and now >= self._not_before:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        pause = PAUSES[min(self._failures + 1, len(PAUSES) - 1)]
        try:
            channel = await self._open()
            pipe = self._pipe
            await asyncio.wait_for(
                self._loop.create_connection(
                    lambda: pipe, sock=channel, ssl=self._trust.context, server_hostname=self._trust.name
                ),
                CONNECT_WITHIN,
            )
            self._heard = self._loop.time()
        except (OSError, TimeoutError, ssl.SSLError, asyncio.CancelledError) as error:
            sys.stderr.write(f"relay: {self._way.device}: {error or type(error).__name__}\n")
            self._failures += 1
            self._not_before = self._loop.time() + pause
            self._pipe = self._new_pipe()  # what waited is late by now
        finally:
            self._connecting = None

    async def _open(self) -> socket.socket:
        six = ":" in self._way.address
        channel = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        try:
            prepare(channel)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._way.device.encode())
            await asyncio.wait_for(
                self._loop.sock_connect(channel, (self._way.address, self._way.to)), CONNECT_WITHIN
            )
        except BaseException:
            channel.close()
            raise
        return channel

    def _deliver(self, packets: list[bytes]) -> None:
        self._heard, self._failures = self._loop.time(), 0
        with contextlib.suppress(OSError):
            for x in packets:
                if is_wireguard(x):
                    self._local.sendto(x, self._source)

    def _lost(self) -> None:
        self._pipe = self._new_pipe()
        self._failures += 1
        self._not_before = self._loop.time() + PAUSES[min(self._failures, len(PAUSES) - 1)]

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        self._failures = 0
        self._pipe.close()


class Mouth:
    """One way's socket on loopback."""

    def __init__(self, way: Way, trust: Trust) -> None:
        self._way, self._trust = way, trust
        self._senders: dict[tuple[str, int], Sender] = {}
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((LOOPBACK, way.port))
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        by_source: dict[tuple[str, int], list[bytes]] = {}
        for packet, source in received(self._socket):
            if is_wireguard(packet):
                by_source.setdefault(source, []).append(packet)
        for source, packets in by_source.items():
            self._sender(source).carry(packets)

    def _sender(self, source: tuple[str, int]) -> Sender:
        if source not in self._senders:
            while len(self._senders) >= SENDERS:
                oldest = min(self._senders, key=lambda x: self._senders[x].used)
                self._senders.pop(oldest).close()
            self._senders[source] = Sender(self._way, self._trust, self._socket, source)
        return self._senders[source]

    def sweep(self, now: float) -> None:
        for source in [x for x, y in self._senders.items() if now - y.used > IDLE]:
            self._senders.pop(source).close()

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        for x in self._senders.values():
            x.close()
        self._socket.close()


def read(configuration: Mapping[str, Any]) -> tuple[Trust, tuple[Way, ...]]:
    trust = Trust(str(configuration["pin"]), str(configuration["name"]))
    return trust, tuple(Way(**x) for x in configuration["ways"])


async def serve(configuration: Mapping[str, Any]) -> None:
    """Carry until cancelled."""
    trust, ways = read(configuration)
    mouths = [Mouth(x, trust) for x in ways]
    try:
        while True:
            await asyncio.sleep(5)
            for x in mouths:
                x.sweep(asyncio.get_running_loop().time())
    finally:
        for x in mouths:
            x.close()


def main() -> None:
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
