"""Radios, by nl80211 (pyroute2): what each can do, whose rules it obeys, and the network that a client is in. What they
hear is scan.py's."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyroute2.iwutil import IW
from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError

from appliance.core.air import number_of
from appliance.core.machine import Link
from appliance.core.radio import Channel, Heard, Radio
from appliance.host import scan

PHYS = Path("/sys/class/ieee80211")
SAE_OFFLOAD_AP = 51  # NL80211_EXT_FEATURE_SAE_OFFLOAD_AP, linux/nl80211.h
AGE = 600.0  # seconds that what a radio can do is believed
OBEYS_WITHIN = 2.0  # seconds: a new country is told to the drivers, and they answer in their own time
HEARD_FOR = 2.0  # seconds that what was heard is believed
_STATION, _HOST = 2, 3  # NL80211_IFTYPE_STATION, NL80211_IFTYPE_AP
_STRUCK = 1  # NL80211_DFS_UNAVAILABLE


class Radios:
    """The radios of one namespace. Where the machine has none, nothing is asked."""

    def __init__(self, namespace: str) -> None:
        self._here = not namespace  # radios do not live in namespaces that somebody made
        self._channel: IW | None = None
        self._known: dict[int, Radio] = {}
        self._seen: tuple[object, ...] = ()
        self._at = 0.0
        self._told = False
        self._heard_at = 0.0
        self._ears: frozenset[tuple[int, bool]] = frozenset()
        self._joined: dict[int, str] = {}
        self._names: dict[str, str] = {}  # of an interface → of the network that it is in
        self.heard: tuple[Heard, ...] = ()

    def read(self, links: Iterable[Link]) -> tuple[Radio, ...]:
        """Every radio there is; a kernel that cannot tell has none."""
        wireless = {x.name: x for x in links if x.wireless and not x.namespace}
        if not self._here or not (wireless or _names()):
            return ()
        try:
            found = self._read(wireless)
        except (NetlinkError, OSError, struct.error, KeyError, TypeError, ValueError) as error:
            self._channel = None
            if not self._told:
                sys.stderr.write(f"noroshi: the radios cannot be read: {error!r}\n")
            self._told = True
            return ()
        return found

    def named(self, links: tuple[Link, ...]) -> tuple[Link, ...]:
        """The same links, with the name of the network that each is in. Call `read` first."""
        names = self._names
        return tuple(replace(x, ssid=names[x.name]) if x.wireless and x.name in names else x for x in links)

    def _iw(self) -> IW:
        if self._channel is None:
            self._channel = IW()
        return self._channel

    def _read(self, wireless: dict[str, Link]) -> tuple[Radio, ...]:
        channel = self._iw()
        country = _country(channel)
        names = _names()
        faces: dict[int, list[Any]] = {}
        for x in channel.get_interfaces_dump():
            faces.setdefault(x.get_attr("NL80211_ATTR_WIPHY"), []).append(x)
        # A radar takes an access point off its channel, and the channel from the radio.
        hosts = {
            (x.get_attr("NL80211_ATTR_IFINDEX"), x.get_attr("NL80211_ATTR_WIPHY_FREQ"))
            for y in faces.values()
            for x in y
            if x.get_attr("NL80211_ATTR_IFTYPE") == _HOST
        }
        seen = (country, tuple(sorted(names.items())), frozenset(hosts))
        if seen != self._seen or time.monotonic() - self._at > AGE:
            self._known = _capabilities(channel)
            self._seen, self._at = seen, time.monotonic()
        self._listen(channel, [y for x in faces.values() for y in x], wireless)
        found = []
        for number, radio in sorted(self._known.items()):
            if number not in names:
                continue
            own = _country(channel, number) if radio.self_managed else country
            radio = replace(radio, phy=names[number], country=own)
            radio = _with_interfaces(radio, faces.get(number, []), wireless)
            found.append(
                replace(radio, muted=_switch(radio.phy, "soft"), switched_off=_switch(radio.phy, "hard"))
            )
        return tuple(found)

    def _listen(self, channel: IW, faces: list[Any], wireless: dict[str, Link]) -> None:
        """What the interfaces that look for a network heard lately, and which of them is in one."""
        names = {
            x.get_attr("NL80211_ATTR_IFINDEX"): x.get_attr("NL80211_ATTR_IFNAME")
            for x in faces
            if x.get_attr("NL80211_ATTR_IFTYPE") == _STATION and _is_up(wireless, x)
        }
        ears = frozenset((index, wireless[name].carrier) for index, name in names.items())
        nameless = any(carrier and index not in self._joined for index, carrier in ears)
        late = time.monotonic() - self._heard_at > HEARD_FOR
        if ears != self._ears or (ears and (late or nameless)):
            self._ears, self._heard_at = ears, time.monotonic()
            self.heard, self._joined = scan.listened(channel, sorted(names))
        self._names = {names[k]: readable(v) for k, v in self._joined.items() if k in names}

    def make_client(self, link: str, phy: str) -> None:
        number = next(k for k, v in _names().items() if v == phy)
        self._iw().add_interface(link, "station", phy=number)

    def look_around(self, link: str, ssid: str) -> None:
        """Begins; what is heard is read at later looks. A radio that is busy is asked again then."""
        with contextlib.suppress(NetlinkError):
            scan.begin(self._iw(), socket.if_nametoindex(link), ssid)
        self._heard_at = 0.0

    def set_country(self, country: str) -> None:
        """Waits until it counts, or for two seconds: whether it does is seen at the next look."""
        channel = self._iw()
        channel.set_regulatory_domain(country)
        deadline = time.monotonic() + OBEYS_WITHIN
        while _country(channel) != country and time.monotonic() < deadline:
            time.sleep(0.05)
        self._seen = ()


def readable(text: str) -> str:
    """Without anything that is not printable: what stands in it is whatever somebody nearby sends."""
    return "".join(x if x.isprintable() else "?" for x in text)


def unmute(phy: str) -> None:
    """Lift what software keeps quiet (rfkill)."""
    for path in (PHYS / phy).glob("rfkill*/soft"):
        path.write_text("0")


def _switch(phy: str, kind: str) -> bool:
    with contextlib.suppress(OSError):
        return any(x.read_text().strip() == "1" for x in (PHYS / phy).glob(f"rfkill*/{kind}"))
    return False


def _names() -> dict[int, str]:
    """Number → name of each radio."""
    found = {}
    with contextlib.suppress(OSError):
        for path in PHYS.iterdir():
            with contextlib.suppress(OSError, ValueError):
                found[int((path / "index").read_text())] = path.name
    return found


def _country(channel: IW, radio: int | None = None) -> str:
    """Whose rules the kernel obeys, or one radio that decides by itself; "" where it does not say."""
    asked = [["NL80211_ATTR_WIPHY", radio]] if radio is not None else []
    for x in scan.ask(channel, "NL80211_CMD_GET_REG", asked, NLM_F_REQUEST):
        told = x.get_attr("NL80211_ATTR_REG_ALPHA2")
        if told:
            return str(told)
    return ""


def _is_up(wireless: dict[str, Link], face: Any) -> bool:
    link = wireless.get(face.get_attr("NL80211_ATTR_IFNAME"))
    return link is not None and link.up


def _capabilities(channel: IW) -> dict[int, Radio]:
    """A radio is told in many messages, each with a part of it."""
    found: dict[int, Radio] = {}
    firmware: set[int] = set()  # the access point's conversation is held by the firmware
    offloads: set[int] = set()  # which can speak WPA3
    whole = [["NL80211_ATTR_SPLIT_WIPHY_DUMP", ""]]  # else the kernel leaves out what does not fit
    for x in scan.ask(channel, "NL80211_CMD_GET_WIPHY", whole, NLM_F_REQUEST | NLM_F_DUMP):
        number = x.get_attr("NL80211_ATTR_WIPHY")
        radio = found.get(number, Radio(phy=str(number)))
        if x.get_attr("NL80211_ATTR_SUPPORTED_IFTYPES") is not None:
            radio = replace(radio, hosts="ap" in x.get_attr("NL80211_ATTR_SUPPORTED_IFTYPES"))
        if x.get_attr("NL80211_ATTR_WIPHY_SELF_MANAGED_REG") is not None:
            radio = replace(radio, self_managed=True)
        if x.get_attr("NL80211_ATTR_DEVICE_AP_SME") is not None:
            firmware.add(number)
        if _feature(x.get_attr("NL80211_ATTR_EXT_FEATURES"), SAE_OFFLOAD_AP):
            offloads.add(number)
        channels = {y.number: y for y in (*radio.channels, *_channels(x))}
        together, radar = _combinations(x)
        found[number] = replace(
            radio,
            channels=tuple(channels[y] for y in sorted(channels)),
            both=radio.both or together,
            hears_radar=radio.hears_radar or radar,
        )
    return {k: replace(v, sae=k not in firmware or k in offloads) for k, v in found.items()}


def _feature(told: Any, number: int) -> bool:
    """One bit of the extended features."""
    octets = bytes.fromhex(str(told).replace(":", "")) if told else b""
    return len(octets) > number // 8 and bool(octets[number // 8] >> number % 8 & 1)


def _channels(x: Any) -> list[Channel]:
    """Of 2.4 and 5 GHz; 6 GHz counts its channels anew and is left out."""
    found = []
    for band in x.get_attr("NL80211_ATTR_WIPHY_BANDS") or ():
        for told in band.get_attr("NL80211_BAND_ATTR_FREQS") or ():
            number = number_of(told.get_attr("NL80211_FREQUENCY_ATTR_FREQ") or 0)
            if number:
                found.append(
                    Channel(
                        number=number,
                        disabled=_flag(told, "DISABLED"),
                        listen_only=_flag(told, "NO_IR"),
                        radar=_flag(told, "RADAR"),
                        struck=told.get_attr("NL80211_FREQUENCY_ATTR_DFS_STATE") == _STRUCK,
                    )
                )
    return found


def _flag(told: Any, name: str) -> bool:
    return any(x[0] == f"NL80211_FREQUENCY_ATTR_{name}" for x in told["attrs"])


def _combinations(x: Any) -> tuple[bool, bool]:
    """Whether it is access point and client at once, and whether an access point of it hears radars."""
    together = radar = False
    for told in x.get_attr("NL80211_ATTR_INTERFACE_COMBINATIONS") or ():
        kinds: list[tuple[set[str], int]] = []
        for limit in told.get_attr("NL80211_IFACE_COMB_LIMITS") or ():
            types = limit.get_attr("NL80211_IFACE_LIMIT_TYPES")
            names = {y[0].rpartition("_")[2] for y in types["attrs"]} if types else set()
            kinds.append((names, limit.get_attr("NL80211_IFACE_LIMIT_MAX") or 1))
        apart = any(
            "AP" in a and "STATION" in b
            for i, (a, _) in enumerate(kinds)
            for j, (b, _) in enumerate(kinds)
            if i != j
        )
        within = any({"AP", "STATION"} <= a and most > 1 for a, most in kinds)
        together = together or ((apart or within) and (told.get_attr("NL80211_IFACE_COMB_MAXNUM") or 0) > 1)
        radar = radar or bool(told.get_attr("NL80211_IFACE_COMB_RADAR_DETECT_WIDTHS"))
    return together, radar


def _with_interfaces(radio: Radio, faces: list[Any], wireless: dict[str, Link]) -> Radio:
    """Its interfaces: the first one is the radio's own, a later one was made; which of them is in a network."""
    named = sorted(
        (x for x in faces if x.get_attr("NL80211_ATTR_IFNAME") in wireless),
        key=lambda x: x.get_attr("NL80211_ATTR_IFINDEX"),
    )
    for x in named:
        name, frequency = x.get_attr("NL80211_ATTR_IFNAME"), x.get_attr("NL80211_ATTR_WIPHY_FREQ")
        if x.get_attr("NL80211_ATTR_IFTYPE") == _STATION and frequency and wireless[name].carrier:
            radio = replace(radio, client=name, client_channel=number_of(frequency))
        elif x.get_attr("NL80211_ATTR_IFTYPE") == _HOST and frequency:
            radio = replace(radio, host_channel=number_of(frequency))
    links = [wireless[x.get_attr("NL80211_ATTR_IFNAME")] for x in named]
    if not links:
        return radio
    return replace(radio, link=links[0].name, bus=links[0].bus, plugged=links[0].plugged)
