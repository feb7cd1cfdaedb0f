"""Wi-Fi as a line: which radio joins somebody's network, what wpa_supplicant is told, and how it goes.

The access point comes first. With a radio of its own the client is free; on the access point's radio both share a
channel, so a network that is only on channels which the access point must not use is not joined, and words say why.
Nor is one that says it obeys another country's rules: the kernel of whoever joins it obeys them, too, and with it every
radio of this box. So nothing is joined before it was heard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from appliance.core.air import COUNTRY, at_home, client_channels, frequency_of
from appliance.core.identity import LONGEST_SSID, is_ssid
from appliance.core.machine import FileContent, Uplink
from appliance.core.model import AccessPoint, Air, Config, Reason, Secret, WifiNetwork
from appliance.core.radio import Heard, Radio
from appliance.core.words import Refused

UNIT = "wifi"
LINK = "wl-line"  # the client's interface on the access point's radio
MOST_SHOWN = 30
PATIENCE = 20.0  # seconds from being heard to being let in
SCAN_FOR, SCAN_EVERY = 60.0, 8.0  # seconds that somebody who chooses a network is shown what there is
SILENT = 60.0  # seconds without hearing the network after which it has to be heard before it is joined again

_NAME, _COUNTRY = 0, 7  # numbers of elements (IEEE 802.11, 9.4.2.1)
_PASSPHRASE = re.compile(r"[\x20-\x7e]{8,63}")


class State(StrEnum):
    JOINED = "joined"
    TRYING = "trying"
    NO_RADIO = "no-radio"
    NOT_HEARD = "not-heard"
    CHANNEL = "channel"
    COUNTRY = "country"
    NOT_LET_IN = "not-let-in"


STATE_WORDS = {
    State.JOINED: ("つながっています", "joined"),
    State.TRYING: ("つないでいます", "joining"),
    State.NO_RADIO: ("この箱の無線では、回線に使えません", "this box's radio cannot be a line"),
    State.NOT_HEARD: ("電波が届いていません", "not heard here"),
    State.CHANNEL: (
        "このWi-Fiは、この箱が使ってはいけないチャンネルにあります",
        "it is on a channel that this box must not use",
    ),
    State.COUNTRY: (
        "このWi-Fiの機器が、外国の設定です",
        "its router is set to another country",
    ),
    State.NOT_LET_IN: (
        "入れません。暗証番号を確かめてください",
        "not let in: check the key",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`made`: the interface is not there by itself. `channels`: where it may be; () = anywhere."""

    link: str
    phy: str
    made: bool = False
    channels: tuple[int, ...] = ()


def with_network(config: Config, ssid: str, passphrase: str) -> Config:
    """Somebody on site chose a network; no name: none. Raises Refused."""
    if not ssid:
        return replace(config, wifi=None)
    if not is_ssid(ssid):
        raise Refused("wifi-name")
    if passphrase and not _PASSPHRASE.fullmatch(passphrase):
        raise Refused("wifi-key")
    return replace(config, wifi=WifiNetwork(ssid=ssid, passphrase=Secret(passphrase)))


def client(radios: Sequence[Radio], point: AccessPoint | None, air: Air) -> Client | None:
    """A radio that is not the access point's, a plugged-in one first; else the access point's own, if it can be both."""
    good = [x for x in radios if at_home(x) and not x.switched_off and x.channels]
    own = next((x for x in good if point is not None and x.link == point.link), None)
    free = sorted((x for x in good if x is not own and x.link), key=lambda x: (not x.plugged, x.bus, x.link))
    if free:
        return Client(link=free[0].link, phy=free[0].phy)
    if own is None or not own.both:
        return None
    channels = tuple(x.number for x in client_channels(own, air))
    return Client(link=LINK, phy=own.phy, made=True, channels=channels)


def supplicant(run: str, client: Client, network: WifiNetwork) -> FileContent:
    """The name as octets, so that nothing in it is read as anything else; the key passed a grammar without line ends."""
    key = network.passphrase.reveal()
    if not is_ssid(network.ssid) or (key and not _PASSPHRASE.fullmatch(key)):
        raise ValueError("network")
    kinds = "WPA-PSK WPA-PSK-SHA256 SAE" if key else "NONE"
    lines = [
        f"country={COUNTRY}",
        "sae_pwe=2",
        "p2p_disabled=1",
        "network={",
        f"  ssid={network.ssid.encode().hex()}",
        "  scan_ssid=1",
        f"  key_mgmt={kinds}",
        *([f'  psk="{key}"', "  ieee80211w=1"] if key else []),
        *(
            [f"  freq_list={' '.join(str(frequency_of(x)) for x in client.channels)}"]
            if client.channels
            else []
        ),
        "}",
    ]
    return FileContent(path=f"{run}/wifi.conf", content=Secret("\n".join(lines) + "\n"), mode=0o600)


def channel_to_join(client: Client | None, network: WifiNetwork | None, heard: Sequence[Heard]) -> int:
    """Where the access point has to be, so that its own radio can join the network; 0 where it may be anywhere."""
    if client is None or network is None or not client.made:
        return 0
    there = [x for x in heard if x.ssid == network.ssid and x.channel in client.channels and not is_abroad(x)]
    return max(there, key=lambda x: x.signal).channel if there else 0


def state(
    client: Client | None, network: WifiNetwork, heard: Sequence[Heard], *, joined: bool, waited: float
) -> State:
    """`waited`: seconds since the network was first heard, or chosen."""
    there = [x for x in heard if x.ssid == network.ssid]
    if any(is_abroad(x) for x in there):  # of several the supplicant might choose that one
        return State.COUNTRY
    if client is None:
        return State.NO_RADIO
    if joined:
        return State.JOINED
    if there and client.channels and not any(x.channel in client.channels for x in there):
        return State.CHANNEL
    if waited < PATIENCE:
        return State.TRYING
    return State.NOT_LET_IN if there else State.NOT_HEARD


def may_join(now: State | None, silent: float) -> bool:
    """Whether the supplicant runs. `silent`: seconds since the network was heard, or was joined."""
    return now in (State.JOINED, State.TRYING, State.NOT_LET_IN, State.NOT_HEARD) and silent < SILENT


def is_abroad(network: Heard) -> bool:
    """Codes that begin with X stand for no country (ISO 3166), and no kernel has rules for them."""
    return network.country not in ("", COUNTRY) and not network.country.startswith("X")


_WHY = {State.CHANNEL: Reason.WIFI_CHANNEL, State.COUNTRY: Reason.WIFI_COUNTRY}


def refused(uplinks: tuple[Uplink, ...], client: Client | None, now: State | None) -> tuple[Uplink, ...]:
    """A Wi-Fi line that cannot be taken for its channel or its country says so among the lines."""
    why = _WHY.get(now) if now else None
    if client is None or why is None:
        return uplinks
    return tuple(replace(x, refused=why) if x.link == client.link else x for x in uplinks)


def name_in(elements: bytes) -> str:
    """The network's name among a beacon's elements (IEEE 802.11, 9.4.2.2); "" where there is none that is text. What
    stands there was sent by anybody."""
    octets = _element(elements, _NAME)
    try:
        return octets.decode() if len(octets) <= LONGEST_SSID else ""
    except UnicodeDecodeError:
        return ""


def country_in(elements: bytes) -> str:
    """The two letters of the country whose rules a beacon says it obeys (IEEE 802.11, 9.4.2.8), "" for none."""
    octets = _element(elements, _COUNTRY)[:2]
    return octets.decode().upper() if len(octets) == 2 and octets.isalpha() else ""


def _element(elements: bytes, wanted: int) -> bytes:
    at = 0
    while at + 2 <= len(elements):
        number, length = elements[at], elements[at + 1]
        if number == wanted:
            return elements[at + 2 : at + 2 + length]
        at += 2 + length
    return b""


def shown(heard: Sequence[Heard], own: str) -> list[dict[str, Any]]:
    """The networks around, strongest first, one line a name; what cannot be printed and typed is left out, and so is
    the box's own."""
    best: dict[str, Heard] = {}
    for x in heard:
        if is_ssid(x.ssid) and x.ssid != own and (x.ssid not in best or best[x.ssid].signal < x.signal):
            best[x.ssid] = x
    found = sorted(best.values(), key=lambda x: (-x.signal, x.ssid))[:MOST_SHOWN]
    return [{"ssid": x.ssid, "signal": x.signal, "locked": x.locked, "channel": x.channel} for x in found]
