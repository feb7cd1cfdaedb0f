"""A stand-in desktop's listening end: every guest has a thread of its own until the listener is closed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import Place


class FarEnd:
    """On an address of the desktop machine. `serve` gets each guest, and sees OSError when it leaves."""

    def __init__(self, place: Place, address: str, port: int, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket_in(place.namespace("desk"))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # or the waiting accept(2) would keep the port
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()
