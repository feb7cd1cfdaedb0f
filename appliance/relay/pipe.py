"""The TCP side of the relay, alike at both ends: frames in, frames out, and never a growing queue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from typing import cast

from appliance.relay.frames import NotFrames, Queue, Reader, framed

WAITING = 128 * 1024  # octets of packets that wait for the line: half a second at 2 Mbit/s
AT_ONCE = 32 * 1024  # octets handed to TLS in one go
UNSENT = 32 * 1024  # octets the kernel may hold unsent: what waits there cannot be dropped any more
DEAD_AFTER = 10_000  # milliseconds without an acknowledgement
TCP_NOTSENT_LOWAT = 25  # linux/tcp.h
BATCH = 64  # datagrams read in one go


class Pipe(asyncio.Protocol):
    """`deliver` gets what came in, `opened` may refuse the other end, `lost` is told once at the end."""

    def __init__(
        self,
        deliver: Callable[[list[bytes]], None],
        opened: Callable[[Pipe], bool],
        lost: Callable[[], None],
    ) -> None:
        self._deliver, self._opened, self._lost = deliver, opened, lost
        self._reader, self._queue = Reader(), Queue(WAITING)
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.ready = False

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=AT_ONCE)
        if not self._opened(self):
            self._transport.abort()
            return
        self.ready = True
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.ready = False
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._reader.feed(data)
        except NotFrames:
            self.close()
            return
        if packets:
            self._deliver(packets)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def send(self, packets: Iterable[bytes]) -> None:
        self._queue.put(packets)
        self._flush()

    def _flush(self) -> None:
        while self.ready and not self._paused and self._queue and self._transport is not None:
            self._transport.write(framed(self._queue.take(AT_ONCE)))

    def close(self) -> None:
        self.ready = False
        if self._transport is not None:
            self._transport.abort()


def prepare(channel: socket.socket) -> None:
    """A TCP socket for packets that are late soon: no waiting for more, no long queue, dead ends noticed."""
    channel.setblocking(False)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER)
    with contextlib.suppress(OSError):
        channel.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)


def received(channel: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    """Every datagram that waits, up to a batch, with where it came from."""
    found: list[tuple[bytes, tuple[str, int]]] = []
    with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
        while len(found) < BATCH:
            packet, source = channel.recvfrom(4096)
            found.append((packet, source[:2] if source else ("", 0)))
    return found
