"""The Wi-Fi on the air: which radio is the access point, on which channel, with which security; or why there is none.

Japan's rules: 1-13 (2.4 GHz) and W56 anywhere, W52 and W53 indoors only; W53 and W56 share with weather radars, which
a radio must listen for. Channel 14 is for a dead standard. Nobody can choose another country.
Source: 総務省「無線LANの屋外利用について」 (tele.soumu.go.jp), wireless-regdb's JP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from appliance.core.identity import Identity
from appliance.core.model import AccessPoint, Air, Band, Config, Place, Security
from appliance.core.radio import Channel, Radio

COUNTRY = "JP"
TWO = frozenset(range(1, 14))
W52 = frozenset(range(36, 49, 4))
W53 = frozenset(range(52, 65, 4))
W56 = frozenset(range(100, 145, 4))
APART = (1, 6, 11)  # of 2.4 GHz: the three that do not overlap
UNOCCUPIED = 1800.0  # seconds after a radar in which nobody may send there
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds between tries of an access point that ends by itself
STANDS_AFTER = 60.0  # seconds on the air after which earlier failures are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """`point` as it should be on the air; without one `why` names the sentence (words.REFUSALS), "" for a box that
    has no Wi-Fi at all. `blocked_line`: a Wi-Fi line on a channel that the access point beside it must not use."""

    point: AccessPoint | None = None
    why: str = ""
    blocked_line: str = ""


def band_of(channel: int) -> Band:
    return Band.TWO if channel <= 14 else Band.FIVE


def lawful(channel: int, place: Place) -> bool:
    """Whether an access point may be there at all, by law."""
    return channel in TWO or channel in W56 or (place is Place.INDOORS and channel in W52 | W53)


def may_host(radio: Radio, channel: int, place: Place, *, shared: bool = False) -> bool:
    """Whether this radio can be an access point there now. `shared`: it is a client there, too, and cannot stop to
    listen for radars."""
    found = next((x for x in radio.channels if x.number == channel), None)
    if found is None or not lawful(channel, place) or found.disabled or found.listen_only or found.struck:
        return False
    return not found.radar or (radio.hears_radar and not shared)


def host(identity: Identity, radios: Sequence[Radio], air: Air, named: str = "", beside: int = 0) -> Hosting:
    """`named`: the interface that somebody chose by hand; else the built-in radio goes before one that is plugged
    in, which may be meant for a line. `beside`: the channel on which its radio's client wants to join; a radio that
    is on one channel at a time can join there only once the access point moved."""
    if not identity.ssid:
        return Hosting()
    able = sorted(
        (x for x in radios if x.hosts and x.link != x.client and x.link and named in ("", x.link)),
        key=lambda x: (x.plugged, x.bus, x.link),
    )
    if not able:
        return Hosting(why="no-radio" if radios or named else "")
    whys = []
    for radio in able:
        found = _on(radio, identity, air, beside)
        if found.point is not None:
            return found
        whys.append(found.why)
    return Hosting(why=whys[0])


def radio_on(identity: Identity, config: Config, radios: Sequence[Radio]) -> bool:
    """Whether any radio of this box is in use, or will be as soon as it can: a desktop that must never be opened
    over the air stays closed then. A box without a Wi-Fi name whose radios are in nobody's network has none on."""
    return config.wifi is not None or any(x.client_channel or (x.hosts and identity.ssid) for x in radios)


def _on(radio: Radio, identity: Identity, air: Air, beside: int) -> Hosting:
    if radio.switched_off:
        return Hosting(why="radio-switched-off")
    if not at_home(radio):
        return Hosting(why="radio-country")
    if identity.security is Security.WPA3 and not radio.sae:
        return Hosting(why="radio-no-wpa3")
    channel, blocked = _channel(radio, identity.serial, air, beside)
    if not channel:
        return Hosting(why="radio-no-channel")
    point = AccessPoint(
        link=radio.link,
        ssid=identity.ssid,
        passphrase=identity.passphrase,
        security=identity.security if radio.sae else Security.WPA2,
        channel=channel,
        band=band_of(channel),
    )
    return Hosting(point=point, blocked_line=blocked)


def at_home(radio: Radio) -> bool:
    """Under Japan's rules. A radio that decides by itself and knows no country yet keeps to what is allowed
    everywhere."""
    return radio.country == COUNTRY or (radio.self_managed and radio.country == "00")


def _channel(radio: Radio, serial: str, air: Air, beside: int) -> tuple[int, str]:
    """The channel (0: none), and the link of the client that cannot stay beside it."""
    shared = radio.client_channel or beside
    if shared and may_host(radio, shared, air.place, shared=True):
        return shared, ""
    wished = [x for x in order(serial, air) if may_host(radio, x, air.place)]
    return (wished[0] if wished else 0), (radio.client if radio.client_channel else "")


def order(serial: str, air: Air) -> tuple[int, ...]:
    """Channels, best first. Boxes side by side should not all begin with the same one, so the serial turns the
    order. 5 GHz only where somebody wished for it: 2.4 GHz reaches further, and every phone has it. W53 never: it
    would have to be left at once when the box is carried outdoors."""
    seed = hashlib.sha256(serial.encode()).digest()[0]
    two = (*_turned(APART, seed), *sorted(TWO - set(APART)))
    five = _turned(tuple(sorted(W52 if air.place is Place.INDOORS else W56)), seed)
    return (*five, *two) if air.band is Band.FIVE else two


def driven_away(wanted: AccessPoint | None, radios: Sequence[Radio]) -> bool:
    """Whether hostapd left its channel by itself, as it does for a radar only. The kernel forgets a radar as soon as
    nothing is on the air."""
    return wanted is not None and any(
        x.link == wanted.link and {x.host_channel, wanted.channel} <= W56 and x.host_channel != wanted.channel
        for x in radios
    )


def after_radar(air: Air, heard: bool) -> Air:
    """Outdoors 5 GHz is shared with weather radars. Where one was `heard`, laptops do not wait another minute for the
    next channel, on which there may be another one."""
    return replace(air, band=Band.TWO) if heard and air.place is Place.OUTDOORS else air


def notice(point: AccessPoint | None, wished: Air, *, on: bool, radar: bool) -> str:
    """What people should know of an access point that is as it should be: a key of words.REFUSALS, or ""."""
    if point is not None and not on and point.channel in W56:
        return "radio-listens"
    left = point is not None and on and radar and after_radar(wished, radar) != wished
    return "radio-radar" if left else ""


def part_of(channel: int) -> frozenset[int]:
    """The channels among which hostapd may choose by itself where it has to leave this one (a radar): lawful wherever
    this one is."""
    return next((x for x in (TWO, W52, W53, W56) if channel in x), frozenset())


def _turned(channels: tuple[int, ...], seed: int) -> tuple[int, ...]:
    at = seed % len(channels)
    return channels[at:] + channels[:at]


def pause(deaths: int) -> float:
    """Seconds until an access point that ended by itself so many times in a row is tried again."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(deaths, 10)) / 2)


def number_of(megahertz: int) -> int:
    """A frequency's channel in 2.4 and 5 GHz (IEEE 802.11, annex E); 0 for any other band."""
    if megahertz == 2484:
        return 14
    if 2412 <= megahertz <= 2472:
        return (megahertz - 2407) // 5
    return (megahertz - 5000) // 5 if 5170 <= megahertz <= 5885 else 0


def frequency_of(channel: int) -> int:
    """In MHz."""
    return 2407 + 5 * channel if channel <= 13 else 2484 if channel == 14 else 5000 + 5 * channel


def client_channels(radio: Radio, air: Air) -> tuple[Channel, ...]:
    """Where a client may be beside this radio's access point."""
    return tuple(x for x in radio.channels if may_host(radio, x.number, air.place, shared=True))
