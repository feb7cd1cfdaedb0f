"""What laptops and phones meet first: the configuration of dnsmasq (DHCP and names) and of hostapd (Wi-Fi).

Every value that comes from people or from HQ passes a grammar here, because both programs read lines.
"""

from __future__ import annotations

import ipaddress
import re

from appliance.core.air import COUNTRY, band_of, lawful, part_of
from appliance.core.machine import FileContent
from appliance.core.model import AccessPoint, Band, Place, Secret, Security

# The wizard's address never changes: a phone that joined before HQ allotted a prefix keeps its page.
WIZARD_ADDRESS = "10.86.86.1"
WIZARD_LAN = "10.86.86.0/26"
BOX_NAME = "noroshi.home.arpa"  # RFC 8375
CAPTIVE_API = f"http://{WIZARD_ADDRESS}/captive-api"  # RFC 8910, DHCP option 114

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")
_PASSPHRASE = re.compile(r"[\x20-\x7e]{8,63}")
_LINK = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,15}", re.ASCII)


class BadValue(ValueError):
    """A value that must not reach a configuration file; the message names it without repeating a secret."""


def lan_address(network: str) -> str:
    """The box's own address on a LAN prefix, with its length: the first host."""
    lan = ipaddress.IPv4Network(network)
    return f"{lan.network_address + 1}/{lan.prefixlen}"


def probe_address(network: str) -> str:
    """The last host of the prefix: kept out of DHCP, used by `noroshi prove` as a registered laptop of its own."""
    lan = ipaddress.IPv4Network(network)
    return f"{lan.broadcast_address - 1}/{lan.prefixlen}"


def stranger_address(network: str) -> str:
    """The host before it, for the laptop of a proof that is not registered."""
    lan = ipaddress.IPv4Network(network)
    return f"{lan.broadcast_address - 2}/{lan.prefixlen}"


def is_host_name(text: str) -> bool:
    return len(text) <= 253 and _NAME.fullmatch(text) is not None


def dnsmasq(
    *,
    run: str,
    link: str,
    network: str,
    open_to_desktops: bool,
    dns: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
) -> FileContent:
    """While the field office is closed every name leads to the wizard, so that its page pops up; once it is
    open, the listed names are asked at HQ and no other name exists."""
    lan = ipaddress.IPv4Network(network)
    own = lan.network_address + 1
    first, last = lan.network_address + 2, lan.broadcast_address - 3
    settled = network != WIZARD_LAN
    lines = [
        "no-resolv",
        "no-hosts",
        "no-ping",
        "bind-interfaces",
        f"interface={link}",
        "except-interface=lo",
        "cache-size=200",
        "stop-dns-rebind" if dns else "local-ttl=0",
        "dhcp-authoritative",
        f"dhcp-range={first},{last},{lan.netmask},{'1h' if settled else '2m'}",
        f"dhcp-option=option:router,{own}",
        f"dhcp-option=option:dns-server,{own}",
        f"dhcp-option=114,{CAPTIVE_API}",
        f"dhcp-leasefile={run}/dhcp/laptops",
        f"dhcp-hostsdir={run}/seats",  # read again by itself when it changes
        "dhcp-lease-max=250",
        f"address=/{BOX_NAME}/{WIZARD_ADDRESS}",
    ]
    if open_to_desktops:
        for name in names:
            lines += [f"server=/{_checked(name, _NAME)}/{ipaddress.IPv4Address(x)}" for x in dns]
            lines.append(f"rebind-domain-ok=/{name}/")
    else:
        lines.append(f"address=/#/{WIZARD_ADDRESS}")
    return FileContent(path=f"{run}/dnsmasq.conf", content="\n".join(lines) + "\n")


def seats_file(run: str, content: str) -> FileContent:
    return FileContent(path=f"{run}/seats/hosts", content=content)


_KEY_MANAGEMENT = {
    Security.WPA2: ("wpa_key_mgmt=WPA-PSK", "ieee80211w=1"),
    Security.WPA3: ("wpa_key_mgmt=SAE", "ieee80211w=2"),
    Security.MIXED: ("wpa_key_mgmt=WPA-PSK SAE", "ieee80211w=1", "sae_require_mfp=1"),
}


def hostapd(*, run: str, bridge: str, point: AccessPoint) -> FileContent:
    """Frames protected wherever the laptop can, laptops kept apart, 20 MHz wide: what a screen needs, and the least
    of a crowded hall's air. The country is Japan's."""
    if not lawful(point.channel, Place.INDOORS) or band_of(point.channel) is not point.band:
        raise BadValue(f"channel {point.channel}")
    five = point.band is Band.FIVE
    lines = [
        f"interface={_checked(point.link, _LINK)}",
        f"bridge={bridge}",
        "driver=nl80211",
        f"ssid2={_hex(point.ssid)}",
        "utf8_ssid=1",
        f"country_code={COUNTRY}",
        "ieee80211d=1",
        f"ieee80211h={int(five)}",
        f"hw_mode={'a' if five else 'g'}",
        f"channel={point.channel}",
        # Where a radar drives it away, hostapd chooses anew among all that the kernel allows in Japan, indoors or not.
        *([f"chanlist={' '.join(map(str, sorted(part_of(point.channel))))}"] if five else []),
        "ieee80211n=1",
        *(["ieee80211ac=1", "vht_oper_chwidth=0"] if five else []),
        "wmm_enabled=1",
        "ap_isolate=1",
        "wpa=2",
        *_KEY_MANAGEMENT[point.security],
        "sae_pwe=2",
        "rsn_pairwise=CCMP",
        f"wpa_passphrase={_checked(point.passphrase.reveal(), _PASSPHRASE, secret=True)}",
    ]
    # A secret as a whole: plans and snapshots that print it must not tell the passphrase.
    return FileContent(path=f"{run}/hostapd.conf", content=Secret("\n".join(lines) + "\n"), mode=0o600)


def _hex(ssid: str) -> str:
    try:
        octets = ssid.encode()
    except UnicodeEncodeError as error:
        raise BadValue("ssid") from error
    if not 1 <= len(octets) <= 32:
        raise BadValue("ssid")
    return octets.hex()


def _checked(value: str, grammar: re.Pattern[str], *, secret: bool = False) -> str:
    if not grammar.fullmatch(value):
        raise BadValue("passphrase" if secret else value[:60])
    return value
