"""The access point from turn to turn: one that ends by itself is tried again after a pause, and said in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from appliance.core import air, wifi_line
from appliance.core.air import Hosting
from appliance.core.identity import Identity
from appliance.core.machine import Desired, Machine, Observed, Uplink
from appliance.core.model import AccessPoint, Air, Config
from appliance.core.wifi_line import Client, State
from appliance.core.words import refusal

UNIT = "hostapd"
SETTLED = frozenset({None, State.JOINED, State.NO_RADIO, State.NOT_LET_IN})  # no look would change these
SET_AGAIN = 30.0  # seconds between two tries to make the kernel obey Japan's rules


class OnAir:
    """Call `fitted` once a turn. `monotonic` is a clock that nobody sets."""

    def __init__(self, identity: Identity, monotonic: Callable[[], float]) -> None:
        self.identity = identity
        self._monotonic = monotonic
        self._meant: AccessPoint | None = None  # but for the pause after it fell
        self._wanted: AccessPoint | None = None
        self._deaths, self._held_until, self._up_since = 0, 0.0, 0.0
        self._country_at = float("-inf")
        self.hosting = Hosting()
        self.client: Client | None = None  # the radio that is, or could be, in somebody else's Wi-Fi
        self.state: State | None = None  # how that goes
        self._chosen: tuple[object, ...] = ()
        self._heard_at = float("-inf")  # the chosen network
        self._asked = Air()  # what people wished
        self._radar, self._radar_at = False, float("-inf")  # whether a radar spoke against it
        self._listens = False
        self._beside = 0  # the channel on which the chosen network was heard last
        self._waited_since = 0.0
        self._showing_until = self._looked_at = float("-inf")
        self.country = ""  # what the kernel has to be told now, "" for nothing

    def fitted(self, machine: Machine, config: Config, observed: Observed) -> Machine:
        """The machine with the Wi-Fi that somebody chose among its lines. Once a turn, before anything else here."""
        self._look(machine, config, observed)
        self.client = wifi_line.client(observed.radios, self._meant, config.air)
        self._beside = wifi_line.channel_to_join(self.client, config.wifi, observed.heard) or self._beside
        self._judge_line(config, observed)
        if config.wifi is None or self.client is None or self.client.link in machine.uplinks:
            return machine
        return replace(machine, uplinks=(*machine.uplinks, self.client.link))

    def _judge_line(self, config: Config, observed: Observed) -> None:
        network, now = config.wifi, self._monotonic()
        if network is None:
            self.state, self._chosen, self._beside = None, (), 0
            return
        heard = any(x.ssid == network.ssid for x in observed.heard)
        if self._chosen[:1] != (network,):
            self._heard_at = float("-inf")
        if self._chosen != (network, heard):
            self._chosen, self._waited_since = (network, heard), now
        link = observed.link("", self.client.link) if self.client else None
        joined = link is not None and link.carrier
        if heard or joined:
            self._heard_at = now
        waited = now - self._waited_since
        self.state = wifi_line.state(self.client, network, observed.heard, joined=joined, waited=waited)

    @property
    def joining(self) -> Client | None:
        """The client, while it may be in the chosen network, or try to."""
        silent = self._monotonic() - self._heard_at
        return self.client if wifi_line.may_join(self.state, silent) else None

    def refused(self, uplinks: tuple[Uplink, ...]) -> tuple[Uplink, ...]:
        return wifi_line.refused(uplinks, self.client, self.state)

    def show_networks(self) -> None:
        """Somebody chooses a network: what there is around is looked for, for a minute."""
        self._showing_until = self._monotonic() + wifi_line.SCAN_FOR

    def with_radios(self, desired: Desired, config: Config, observed: Observed) -> Desired:
        """What the radios themselves have to be told."""
        now, showing = self._monotonic(), self._monotonic() < self._showing_until
        wanted = self.client is not None and (showing or config.wifi is not None)
        link = self.client.link if self.client and wanted else ""
        seeking = showing or self.joining is None
        scan = link if seeking and now - self._looked_at >= wifi_line.SCAN_EVERY else ""
        there = observed.link("", scan) if scan else None
        if there is not None and there.up:
            self._looked_at = now
        return replace(
            desired,
            country=self.country,
            unmuted=self._unmuted(observed, bool(link)),
            client=(link, self.client.phy) if self.client and self.client.made and link else ("", ""),
            links_up=desired.links_up | ({("", link)} if link else set()),
            scan=(scan, config.wifi.ssid if config.wifi else ""),
        )

    @property
    def point(self) -> AccessPoint | None:
        """What should be on the air now."""
        return self.hosting.point

    def _look(self, machine: Machine, config: Config, observed: Observed) -> None:
        now = self._monotonic()
        running = UNIT in dict(observed.units)
        self._count(running, now, started=not observed.failures)
        self._mind_country(observed, now)
        self._mind_radars(config.air, observed, now, running=running)
        wished = air.after_radar(config.air, self._radar)
        found = air.host(self.identity, observed.radios, wished, machine.radio, self._beside)
        self._meant = found.point
        if found.point is not None and not running and now < self._held_until:
            found = Hosting(why="radio-fails")
        self.hosting, self._wanted = found, found.point

    def _mind_radars(self, wished: Air, observed: Observed, now: float, *, running: bool) -> None:
        """One counts until people wish something else, and for half an hour at least: the box does not go back by itself,
        which would take laptops off the Wi-Fi for another minute."""
        if wished != self._asked:
            self._asked, self._radar = wished, self._radar and now - self._radar_at < air.UNOCCUPIED
        left = running and not observed.failures and air.driven_away(self._wanted, observed.radios)
        if left or any(y.struck for x in observed.radios for y in x.channels):
            if not self._radar:
                sys.stderr.write("noroshi: a weather radar was heard: the Wi-Fi leaves its channel\n")
            self._radar, self._radar_at = True, now
        link = observed.link("", self._wanted.link) if self._wanted else None
        there = link is not None and link.carrier
        self._listens = self._wanted is not None and self._wanted.channel in air.W56 and not there

    def _count(self, running: bool, now: float, *, started: bool) -> None:
        """It was wanted in the last turn and does not run in this one: it ended by itself. `started`: nothing kept that
        turn from starting it."""
        if running:
            self._up_since = self._up_since or now
            if now - self._up_since > air.STANDS_AFTER:
                self._deaths = 0
            return
        if self._wanted is not None and started:
            self._deaths += 1
            self._held_until = now + air.pause(self._deaths)
        self._up_since = 0.0

    def _mind_country(self, observed: Observed, now: float) -> None:
        self.country = ""
        away = [x for x in observed.radios if x.country != air.COUNTRY and not x.self_managed]
        if away and now - self._country_at >= SET_AGAIN:
            self.country, self._country_at = air.COUNTRY, now

    def until_retry(self) -> float:
        """Seconds until something is tried or looked at again."""
        now, pause = self._monotonic(), float("inf")
        if now < self._held_until:
            pause = self._held_until - now
        if self.state not in SETTLED or self._listens or now < self._showing_until:
            pause = min(pause, 2.0)
        return pause

    def _unmuted(self, observed: Observed, client: bool) -> frozenset[str]:
        """Radios that nobody may keep quiet: those that are wanted for either end."""
        wanted = bool(self.identity.ssid)
        return frozenset(x.phy for x in observed.radios if (wanted and x.hosts) or client)

    def shown(self) -> dict[str, str] | None:
        """What a laptop needs to join; None where there is no Wi-Fi to join."""
        point = self.hosting.point
        return {"ssid": point.ssid, "passphrase": point.passphrase.reveal()} if point else None

    def line_view(self, config: Config, observed: Observed) -> dict[str, Any]:
        """For pages: the Wi-Fi that somebody chose as a line, how that goes, and what else there is."""
        words = wifi_line.STATE_WORDS[self.state] if self.state else ("", "")
        return {
            "able": self.client is not None,
            "ssid": config.wifi.ssid if config.wifi else "",
            "state": self.state.value if self.state else "",
            "words": {"ja": words[0], "en": words[1]},
            "around": wifi_line.shown(observed.heard, self.identity.ssid),
            "looking": self._monotonic() < self._showing_until,
        }

    def view(self, observed: Observed, outside: str) -> dict[str, Any]:
        """For pages: whether the Wi-Fi is there, and if not, why."""
        point = self.hosting.point
        link = observed.link(outside, point.link) if point else None
        on = link is not None and link.carrier and bool(link.master)
        why = self.hosting.why or air.notice(point, self._asked, on=on, radar=self._radar)
        return {
            "on": on,
            "link": point.link if point else "",
            "ssid": self.identity.ssid,
            "channel": point.channel if point else 0,
            "security": point.security.value if point else "",
            "words": refusal(why).as_data() if why else None,
            "number": refusal(why).number if why else "",
        }
