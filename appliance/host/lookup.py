"""Asks the lines' own name servers where HQ is now, while HQ is silent at every address we know.

One thread, asleep while there is nothing to ask. What it heard is kept until the daemon ends.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable

from appliance.core.marks import LOOKUP_MARK
from appliance.core.names import AAAA, NO_QUESTIONS, A, Questions, addresses, question
from appliance.host.uplink_sockets import leaving_by

AGAIN = 5.0  # seconds between two rounds of questions
WITHIN = 2.0  # seconds for an answer
KEPT = 8  # addresses, the newest first
MOST_SERVERS = 6


class Lookup:
    """Start it once; read `found` at any time."""

    def __init__(self, outside: str, wake: Callable[[], None]) -> None:
        self._outside, self._wake = outside, wake
        self._questions = NO_QUESTIONS
        self._changed = threading.Event()
        self.found: tuple[str, ...] = ()

    def start(self) -> None:
        threading.Thread(target=self._run, name="lookup", daemon=True).start()

    def aim(self, questions: Questions) -> None:
        """What to ask from now on."""
        if questions != self._questions:
            self._questions = questions
            self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.clear()
            asked = self._questions
            if asked.names and asked.servers:
                heard = self._round(asked)
                found = tuple(dict.fromkeys((*heard, *self.found)))[:KEPT]
                if found != self.found:
                    self.found = found
                    self._wake()
            self._changed.wait(AGAIN if asked.names and asked.servers else None)

    def _round(self, asked: Questions) -> list[str]:
        """Every name at every server, at once."""
        waiting: dict[socket.socket, bytes] = {}
        with contextlib.ExitStack() as sockets:
            for link, server in asked.servers[:MOST_SERVERS]:
                for name in asked.names:
                    for kind in (A, AAAA):
                        text = question(name, kind, secrets.randbits(16))
                        with contextlib.suppress(OSError):
                            channel = sockets.enter_context(self._open(link, server))
                            channel.send(text)
                            waiting[channel] = text
            heard: list[str] = []
            deadline = time.monotonic() + WITHIN
            while waiting and (left := deadline - time.monotonic()) > 0:
                for channel in select.select(list(waiting), [], [], left)[0]:
                    with contextlib.suppress(OSError):
                        heard += addresses(waiting[channel], channel.recv(1500))
                    del waiting[channel]
        return heard

    def _open(self, link: str, server: str) -> socket.socket:
        """A port of its own for each question: a stranger would have to guess it and the number."""
        channel = leaving_by(self._outside, link, server, LOOKUP_MARK)
        try:
            channel.connect((server, 53))
        except OSError:
            channel.close()
            raise
        return channel
