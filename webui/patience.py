"""gunicorn's threaded worker with an end to its patience: a few slow clients must not silence the wizard.

Kept by the worker's own loop, once a second: a connection that says nothing waits in the poller and holds no
thread; the head of a request has ten seconds, the whole of it (a photo over a weak Wi-Fi) a minute; and when every
thread is held, whoever holds one longer than five seconds lets go. What is late is shut, quietly.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

SILENCE_SECONDS = 0.05
HEAD_SECONDS = 10.0
WHOLE_SECONDS = 60.0
CROWDED_SECONDS = 5.0


class PatientWorker(gthread.ThreadWorker):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: dict[Any, tuple[float, float]] = {}  # connection: thread taken at, to be done by

    def handle(self, conn: Any) -> Any:
        # Browsers open spare connections in advance: those go straight to the poller.
        if not conn.initialized and not conn.data_ready and not conn.wait_for_data(SILENCE_SECONDS):
            return gthread._DEFER
        self._hold(conn, HEAD_SECONDS)
        try:
            return super().handle(conn)
        finally:
            self._held.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        self._hold(conn, WHOLE_SECONDS)
        return super().handle_request(req, conn)

    def _hold(self, conn: Any, seconds: float) -> None:
        now = time.monotonic()
        self._held[conn] = (now, now + seconds)

    def murder_pending(self) -> None:
        """Called by the loop at each turn, at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        held = list(self._held.items())
        crowded = len(held) >= self.cfg.threads
        for conn, (since, until) in held:
            if now > until or (crowded and now - since > CROWDED_SECONDS):
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)  # its thread reads an end of file and lets go
