"""The nouns of radios: what the kernel says of each. Nothing here decides; see air.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    number: int
    disabled: bool = False
    listen_only: bool = False  # the driver or the rules let it send only where it heard somebody else
    radar: bool = False
    struck: bool = False  # a radar was heard there lately: nobody may send for half an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A network around. Its name is whatever somebody nearby sends."""

    ssid: str
    channel: int
    signal: float = -100.0  # dBm
    locked: bool = True
    country: str = ""  # whose rules it says it obeys; the kernel of whoever joins it would obey them, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """One Wi-Fi radio as the kernel describes it."""

    phy: str
    link: str = ""  # its interface for the access point
    bus: str = ""
    plugged: bool = False
    hosts: bool = False  # can be an access point
    both: bool = False  # access point and client at once
    sae: bool = False  # WPA3 as access point
    hears_radar: bool = False
    channels: tuple[Channel, ...] = ()
    client: str = ""  # the interface that is in somebody's network
    client_channel: int = 0  # and on which channel
    host_channel: int = 0  # where its access point is, or listens for radars
    country: str = ""  # whose rules it obeys; "00" = those of no country
    self_managed: bool = False  # it decides that by itself
    switched_off: bool = False  # by a switch on the case
    muted: bool = False  # by software: we may lift that
