"""Asks the network about a packet to the hub's entrance: what comes back as an ICMP error tells a dead line from a
closed entrance. Nothing waits: a router needs seconds to find that its own way out is gone."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

from appliance.host import icmp_errors
from appliance.host.namespaces import inside

if TYPE_CHECKING:
    from appliance.host.probe import Target

INTERVAL = 5.0  # seconds a packet may bring an error; Linux routers take three to give a neighbour up
TO_NOBODY = b"\x04" + bytes(31)  # a WireGuard packet of no session: nothing else ever leaves a line
AT_ONCE = 100  # milliseconds that are waited for an error that comes at once


class LineCheck:
    """One question at a time. `heard` is "internet" (the router beside us has no way out), "port" (the hub's machine
    is there but its entrance is closed) or "" (nothing came back, or somebody far away said no, which moving the
    router to a window will not mend)."""

    def __init__(self, outside: str) -> None:
        self._outside = outside
        self._channel: socket.socket | None = None
        self._asked = 0.0
        self._fresh = False
        self.heard = ""

    def look(self, target: Target) -> str:
        """Call it again and again while the hub is silent."""
        if time.monotonic() - self._asked > INTERVAL:
            if not self._fresh:  # the last packet brought nothing at all
                self.heard = ""
            self._close()
            self._ask(target)
        if self._channel is not None:
            self._read(self._channel)
        return self.heard

    def stop(self) -> None:
        """The hub answers, or the way to it is another one: what was heard counts no more."""
        self._close()
        self._asked, self.heard = 0.0, ""

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def _ask(self, target: Target) -> None:
        self._asked, self._fresh = time.monotonic(), False
        host, _, port = target.endpoint.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with inside(self._outside):
                channel = socket.socket(family, socket.SOCK_DGRAM)
        except OSError:
            return
        try:
            channel.setblocking(False)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, target.mark)
            icmp_errors.keep(channel)
            channel.connect((host, int(port)))
            channel.send(TO_NOBODY)
        except OSError:
            channel.close()
            return
        self._channel = channel

    def _read(self, channel: socket.socket) -> None:
        poll = select.poll()
        poll.register(channel, select.POLLIN | select.POLLERR)
        if not poll.poll(AT_ONCE):
            return
        self._fresh = True
        try:
            channel.recv(1)
            self.heard = ""
        except ConnectionRefusedError:
            self.heard = "port"
        except OSError:
            self.heard = "internet" if icmp_errors.is_said_next_door(channel) else ""
        channel.close()
        self._channel = None
