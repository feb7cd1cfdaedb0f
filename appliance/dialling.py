"""The modem from turn to turn: told to connect, tried again after longer and longer pauses, and said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from appliance.core import modem_line
from appliance.core.machine import Desired, Machine, Observed
from appliance.core.model import Config, MobileNetwork, Reason
from appliance.core.modem import Mobile
from appliance.core.words import words
from appliance.request import text

LOOK_AGAIN = 5.0  # seconds, while a modem is on its way


def network_told(config: Config, request: Mapping[str, Any]) -> Config:
    """What somebody wrote down from the SIM's papers. A password that is left empty stays: no page ever shows it."""
    apn, user, password, auth = (text(request, x) for x in ("apn", "user", "password", "auth"))
    held = config.mobile
    if not password and held is not None and (held.apn, held.user) == (apn, user):
        password = held.password.reveal()
    return modem_line.with_network(config, apn, user, password, auth, request.get("roaming") is True)


class Dialling:
    """Call `look` once a turn, then `with_modem`. `monotonic` is a clock that nobody sets."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._came = float("inf")  # when hardware was first seen
        self._mobile = Mobile()
        self._dialled: tuple[MobileNetwork | None] | None = None  # with what, last
        self._held_until = float("-inf")
        self.missing: Reason | None = None  # why there is a modem and no line

    def look(self, config: Config, observed: Observed) -> None:
        now, mobile = self._monotonic(), observed.mobile
        if mobile.hardware:
            self._came = min(self._came, now)
        if mobile.failed > self._mobile.failed:
            self._held_until = now + modem_line.pause(mobile.failed)
        self._mobile = mobile
        if self._dialled is not None and self._dialled != (config.mobile,):
            self._held_until = now  # somebody wrote down something else: it is tried at once
        self.missing = modem_line.missing(mobile, config.mobile, now - self._came)

    def with_modem(self, desired: Desired, machine: Machine, config: Config) -> Desired:
        """ModemManager runs once there was a modem, and for as long as we do: one that resets itself is away for a
        moment only."""
        if self._came == float("inf"):
            return desired
        now = self._monotonic()
        changed = self._dialled is not None and self._dialled != (config.mobile,)
        order = modem_line.order(self._mobile, config.mobile, changed=changed)
        if order is not None and now < self._held_until:
            order = None
        if order is not None:
            self._held_until = now + modem_line.FIRST_PAUSE
            self._dialled = (config.mobile,) if order.connect else self._dialled
        return replace(modem_line.with_program(desired, machine), order=order)

    def until_retry(self) -> float:
        """Seconds until something is tried or looked at again."""
        now = self._monotonic()
        if self._held_until > now:
            return self._held_until - now
        return LOOK_AGAIN if self.missing is Reason.MODEM_STARTING else float("inf")

    def view(self, config: Config) -> dict[str, Any] | None:
        """For pages; None where there is no modem and nobody wrote down a network. The password is never shown."""
        modem = modem_line.chosen(self._mobile.modems)
        if modem is None and not self._mobile.hardware and config.mobile is None:
            return None
        told = words(self.missing) if self.missing else None
        network = config.mobile
        return {
            "model": modem.model if modem else "",
            "operator": modem.operator if modem else "",
            "signal": modem.signal if modem else 0,
            "connected": modem is not None and self.missing is None,
            "words": told.as_data() if told else None,
            "number": told.number if told else "",
            "apn": network.apn if network else "",
            "user": network.user if network else "",
            "auth": network.auth.value if network else "",
            "roaming": network is not None and network.roaming,
        }
