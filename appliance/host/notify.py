"""What systemd is told of this process: that it is ready, and that it still turns (sd_notify(3)). Where no systemd
started us, nobody is told anything."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

SHARE = 3.0  # of the watchdog's time passes between two signs of life at most


class Supervisor:
    """Who started us, if it wants to hear from us."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._ready = False
        told = environment.get("WATCHDOG_USEC", "")
        self.pace = int(told) / 1e6 / SHARE if told.isdigit() and int(told) else float("inf")

    def alive(self) -> None:
        """Called after each turn: the first time it means ready."""
        self._tell(b"WATCHDOG=1" if self._ready else b"READY=1")
        self._ready = True

    def _tell(self, word: bytes) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
        ):
            channel.sendto(word, address)
