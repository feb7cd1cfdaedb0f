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


def leaving_by(outside: str, link: str, host: str, mark: int) -> socket.socket:
    """A UDP socket for `host`, known to the rules by `mark`. It leaves by `link`, or as the routes say where that is "".
    Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with inside(outside):
        channel = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if link:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    except OSError:
        channel.close()
        raise
    return channel


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
                way = "" if host.startswith("127.") else link  # the relay there binds its own way out
                self._open[place] = leaving_by(self._outside, way, host, SCOUT_MARK)
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
