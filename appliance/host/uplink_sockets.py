"""UDP sockets that leave by one uplink each, whatever the routes say, and one wait for all of them."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Hashable
from typing import Generic, TypeVar

from appliance.core.ladder import split
from appliance.core.marks import SCOUT_MARK
from appliance.host.namespaces import inside

MOST = 2048  # octets of an answer that is read

Place = TypeVar("Place", bound=Hashable)


class UplinkSockets(Generic[Place]):
    """One socket for each `Place`, opened with the first packet. Used by one thread; `rouse` belongs to everybody."""

    def __init__(self, outside: str) -> None:
        self._outside = outside
        self._open: dict[Place, socket.socket] = {}
        self._poke, self._poked = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def rouse(self) -> None:
        """`wait` ends at once, or does so the next time."""
        with contextlib.suppress(BlockingIOError):
            self._poke.send(b"!", socket.MSG_DONTWAIT)

    def send(self, place: Place, link: str, endpoint: str, packet: bytes) -> None:
        """By `link` to `endpoint` ("203.0.113.10:51820"). A socket that fails is closed: the next packet opens it anew."""
        host, port = split(endpoint)
        try:
            if place not in self._open:
                self._open[place] = self._bound(link, host)
            self._open[place].sendto(packet, (host, port))
        except OSError:
            self.close(place)

    def close(self, place: Place) -> None:
        channel = self._open.pop(place, None)
        if channel is not None:
            channel.close()

    def close_all(self) -> None:
        for place in list(self._open):
            self.close(place)

    def wait(self, seconds: float | None) -> list[tuple[Place, bytes]]:
        """What came, by the place it came to, once something did, or somebody roused, or the time is up."""
        places = {channel: place for place, channel in self._open.items()}
        ready, _, _ = select.select([self._poked, *places], [], [], seconds)
        came = []
        for channel in ready:
            try:
                packet = channel.recv(MOST)
            except OSError:  # an ICMP error about where it leads
                if channel in places:
                    self.close(places[channel])
                continue
            if channel in places:
                came.append((places[channel], packet))
        return came

    def _bound(self, link: str, host: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with inside(self._outside):
            channel = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if not host.startswith("127."):  # the relay there binds its own way out
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, SCOUT_MARK)
        except OSError:
            channel.close()
            raise
        return channel
