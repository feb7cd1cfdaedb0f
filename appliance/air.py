"""The access point from turn to turn: one that ends by itself is tried again after a pause, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.core import air
from appliance.core.air import Hosting
from appliance.core.identity import Identity
from appliance.core.machine import Machine, Observed
from appliance.core.model import AccessPoint, Config
from appliance.core.words import refusal

UNIT = "hostapd"
SET_AGAIN = 30.0  # seconds between two tries to make the kernel obey Japan's rules


class OnAir:
    """Call `look` once a turn. `monotonic` is a clock that nobody sets."""

    def __init__(self, identity: Identity, monotonic: Callable[[], float]) -> None:
        self.identity = identity
        self._monotonic = monotonic
        self._wanted: AccessPoint | None = None
        self._deaths, self._held_until, self._up_since = 0, 0.0, 0.0
        self._country_at = float("-inf")
        self.hosting = Hosting()
        self.country = ""  # what the kernel has to be told now, "" for nothing

    def look(self, machine: Machine, config: Config, observed: Observed) -> AccessPoint | None:
        """What should be on the air now."""
        now = self._monotonic()
        running = UNIT in dict(observed.units)
        self._count(running, now)
        self._mind_country(observed, now)
        found = air.host(self.identity, observed.radios, config.air, machine.radio)
        if found.point is not None and not running and now < self._held_until:
            found = Hosting(why="radio-fails")
        self.hosting, self._wanted = found, found.point
        return found.point

    def _count(self, running: bool, now: float) -> None:
        """It was wanted in the last turn and does not run in this one: it ended by itself."""
        if running:
            self._up_since = self._up_since or now
            if now - self._up_since > air.STANDS_AFTER:
                self._deaths = 0
            return
        if self._wanted is not None and (self._up_since or self._deaths):
            self._deaths += 1
            self._held_until = now + air.pause(self._deaths)
        self._up_since = 0.0

    def _mind_country(self, observed: Observed, now: float) -> None:
        self.country = ""
        away = [x for x in observed.radios if x.country != air.COUNTRY and not x.self_managed]
        if away and now - self._country_at >= SET_AGAIN:
            self.country, self._country_at = air.COUNTRY, now

    def until_retry(self) -> float:
        """Seconds until something is tried again."""
        now = self._monotonic()
        return self._held_until - now if now < self._held_until else float("inf")

    def unmuted(self, observed: Observed) -> frozenset[str]:
        """Radios that nobody may keep quiet: those that could be the access point."""
        wanted = bool(self.identity.ssid)
        return frozenset(x.phy for x in observed.radios if wanted and x.hosts)

    def shown(self) -> dict[str, str] | None:
        """What a laptop needs to join; None where there is no Wi-Fi to join."""
        point = self.hosting.point
        return {"ssid": point.ssid, "passphrase": point.passphrase.reveal()} if point else None

    def view(self, observed: Observed, outside: str) -> dict[str, Any]:
        """For pages: whether the Wi-Fi is there, and if not, why."""
        point, why = self.hosting.point, self.hosting.why
        link = observed.link(outside, point.link) if point else None
        return {
            "on": link is not None and link.carrier and bool(link.master),
            "link": point.link if point else "",
            "ssid": self.identity.ssid,
            "channel": point.channel if point else 0,
            "security": point.security.value if point else "",
            "words": refusal(why).as_data() if why else None,
            "number": refusal(why).number if why else "",
        }
