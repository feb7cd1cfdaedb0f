"""The proof of an activation: one at a time, in a thread of its own, with a laptop that the rules know while it lasts."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

from appliance.core.access_point import probe_address
from appliance.core.desktops import pinholes
from appliance.core.firewall import Seat
from appliance.core.model import Assignment, Desktop

RULES_WITHIN = 10.0  # seconds until the firewall must know the stand-in laptop


class Proving:
    """`proof` is the newest result, None before the first; `wake` lets the loop turn."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.proof: dict[str, Any] | None = None
        self._wake = wake
        self._busy = threading.Lock()
        self._laptop = ""  # what the registered stand-in is known by, while a proof runs
        self._seated = ""  # for which of them the rules were made last
        self._rules_loaded = threading.Event()

    def seat(self, assignment: Assignment | None, allowed: Sequence[Desktop]) -> tuple[Seat, ...]:
        """The stand-in's place in the rules of this turn."""
        self._seated = self._laptop
        if not self._seated or assignment is None:
            return ()
        address = probe_address(assignment.lan).split("/")[0]
        return (Seat(mac=self._seated, address=address, pinholes=pinholes(allowed)),)

    def turned(self, settled: bool) -> None:
        if settled and self._seated and self._seated == self._laptop:
            self._rules_loaded.set()

    def start(self, prove: Callable[[str], dict[str, Any]]) -> None:
        """`prove` gets the stand-in's hardware address. While one runs, another is not begun."""
        if not self._busy.acquire(blocking=False):
            return
        before = self.proof or {"at": 0.0, "ok": False, "rows": []}
        self.proof = {**before, "running": True}
        mac = "02:" + ":".join(f"{x:02x}" for x in secrets.token_bytes(5))
        self._rules_loaded.clear()
        self._laptop = mac

        def work() -> None:
            try:
                self._rules_loaded.wait(RULES_WITHIN)
                self.proof = prove(mac)
            finally:
                self._laptop = ""
                self._busy.release()
                self._wake()

        self._wake()
        threading.Thread(target=work, name="proof", daemon=True).start()
