"""What radios hear, by nl80211 (pyroute2): the networks around, and the one that a client is in."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from pyroute2.iwutil import IW
from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nl80211 import NL80211_NAMES, nl80211cmd

from appliance.core.air import number_of
from appliance.core.radio import Heard
from appliance.core.wifi_line import country_in, name_in

MOST_HEARD = 100
_PRIVACY = 0x10  # capability of IEEE 802.11: it asks for a key
_ASSOCIATED = 1  # NL80211_BSS_STATUS_ASSOCIATED


def ask(channel: IW, command: str, attributes: list[list[Any]], flags: int) -> Any:
    message = nl80211cmd()
    message["cmd"] = NL80211_NAMES[command]
    message["attrs"] = attributes
    return channel.nlm_request(message, msg_type=channel.prid, msg_flags=flags)


def begin(channel: IW, ear: int, ssid: str) -> None:
    """`ear`: the interface's index. Raises NetlinkError where the radio is busy."""
    attributes: list[list[Any]] = [["NL80211_ATTR_IFINDEX", ear]]
    if ssid:  # "" asks everybody
        attributes.append(["NL80211_ATTR_SCAN_SSIDS", [ssid, ""]])
    ask(channel, "NL80211_CMD_TRIGGER_SCAN", attributes, NLM_F_REQUEST | NLM_F_ACK)


def read(channel: IW, ears: Iterable[int]) -> tuple[tuple[Heard, ...], dict[int, str]]:
    """Every network that was heard lately, and the name of the one that each interface is in. Raises NetlinkError or
    struct.error where a link just went away."""
    heard: list[Heard] = []
    joined: dict[int, str] = {}
    for ear in ears:
        asked = [["NL80211_ATTR_IFINDEX", ear]]
        for x in ask(channel, "NL80211_CMD_GET_SCAN", asked, NLM_F_REQUEST | NLM_F_DUMP):
            told = x.get_attr("NL80211_ATTR_BSS")
            number = number_of(told.get_attr("NL80211_BSS_FREQUENCY") or 0) if told else 0
            if told and _number(told, "NL80211_BSS_STATUS", "I", -1) == _ASSOCIATED:
                joined[ear] = name_in(_octets(told, "NL80211_BSS_INFORMATION_ELEMENTS"))
            if number:
                heard.append(_heard(told, number))
    return tuple(heard[:MOST_HEARD]), joined


def listened(channel: IW, ears: Iterable[int]) -> tuple[tuple[Heard, ...], dict[int, str]]:
    """The same; nothing where it cannot be told."""
    try:
        return read(channel, ears)
    except (NetlinkError, struct.error):
        return (), {}


def _heard(told: Any, number: int) -> Heard:
    elements = _octets(told, "NL80211_BSS_INFORMATION_ELEMENTS")
    return Heard(
        ssid=name_in(elements),
        channel=number,
        signal=_number(told, "NL80211_BSS_SIGNAL_MBM", "i", -10000) / 100,
        locked=bool(_number(told, "NL80211_BSS_CAPABILITY", "H", _PRIVACY) & _PRIVACY),
        country=country_in(elements),
    )


def _octets(told: Any, name: str) -> bytes:
    """An attribute as it came: what was sent on the air is read by us alone, not by the library's own parser."""
    found = next((x.cell[1] for x in told["attrs"] if x.cell[0] == name), None)
    return bytes(found.data[found.offset + 4 : found.offset + found.length]) if found is not None else b""


def _number(told: Any, name: str, form: str, otherwise: int) -> int:
    octets = _octets(told, name)
    return int(struct.unpack_from(form, octets)[0]) if len(octets) >= struct.calcsize(form) else otherwise
