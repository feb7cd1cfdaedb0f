"""HQ's role where `hub.json` and its previous copy are damaged: everything is closed, and whoever asks is told so."""

from __future__ import annotations

from typing import Any

from appliance.core.desired_hub import without_config
from appliance.core.machine import Desired, Firewall, Machine, Observed
from appliance.core.words import Refused

CODE = "hub-damaged"


class DamagedHub:
    """It writes nothing: whatever is left of the file is for whoever mends it."""

    def __init__(self, machine: Machine) -> None:
        self._desired = without_config(machine)

    def judge(self, observed: Observed) -> Desired:
        return self._desired

    def closed(self) -> tuple[Firewall, ...]:
        return self._desired.firewalls

    def after(self, observed: Observed, settled: bool) -> None:
        """A hub reports to nobody."""

    def next_time(self, now: float) -> float:
        return 60.0

    def changes(self, request: dict[str, Any]) -> bool:
        return False

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        raise Refused(CODE)

    def obey(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        raise Refused(CODE)
