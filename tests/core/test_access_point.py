"""dnsmasq's and hostapd's files: what people and HQ write never becomes a line of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.access_point import (
    WIZARD_ADDRESS,
    WIZARD_LAN,
    BadValue,
    dnsmasq,
    hostapd,
    is_host_name,
    lan_address,
    probe_address,
)
from appliance.core.air import band_of
from appliance.core.card import Card
from appliance.core.machine import Machine
from appliance.core.model import AccessPoint, Band, Config, HubConfig, Secret, Security
from appliance.core.wifi_code import wifi_code

POINT = AccessPoint(link="wlan0", ssid="のろし-柿崎", passphrase=Secret("kakizaki-2027"))
ANY = st.text(max_size=70) | st.binary(max_size=40).map(lambda x: x.decode("utf-8", "surrogateescape"))
NASTY = [
    "a\nssid2=ff",
    "a\r\nbridge=eth0",
    "a\0b",
    "x" * 33,
    "",
    "\ud800",
    "のろし" * 4,
    "a\u2028b",
    "#",
    " ",
]


def ap(ssid: str = "noroshi", passphrase: str = "12345678") -> str:
    point = replace(POINT, ssid=ssid, passphrase=Secret(passphrase))
    return written(point)


def written(point: AccessPoint) -> str:
    return Secret(hostapd(run="/run/n", bridge="br-lan", point=point).content).reveal()


LINES = ap().count("\n")


@given(ANY | st.sampled_from(NASTY))
def test_no_ssid_adds_a_line(ssid: str) -> None:
    try:
        text = ap(ssid=ssid)
    except BadValue:
        return
    assert text.count("\n") == LINES and "\r" not in text and text.isascii()
    named = next(x for x in text.splitlines() if x.startswith("ssid2="))
    assert bytes.fromhex(named.removeprefix("ssid2=")).decode() == ssid


@given(ANY | st.sampled_from(NASTY))
def test_no_passphrase_adds_a_line_or_is_told_in_the_refusal(passphrase: str) -> None:
    try:
        text = ap(passphrase=passphrase)
    except BadValue as error:
        assert str(error) == "passphrase"
        return
    assert len(text.splitlines()) == LINES and f"\nwpa_passphrase={passphrase}\n" in text


def test_the_access_point_s_file_is_for_root_and_prints_as_asterisks() -> None:
    file = hostapd(run="/run/n", bridge="br-lan", point=POINT)
    assert file.mode == 0o600
    assert "kakizaki-2027" not in repr(file)
    assert "wpa_passphrase=kakizaki-2027\n" in Secret(file.content).reveal()


@pytest.mark.parametrize("channel", [14, 0, -1, 34, 149, 165, 999])
def test_a_channel_that_japan_does_not_allow_is_never_written(channel: int) -> None:
    with pytest.raises(BadValue):
        written(replace(POINT, channel=channel, band=Band.TWO if channel <= 14 else Band.FIVE))


@pytest.mark.parametrize(("channel", "band"), [(36, Band.TWO), (6, Band.FIVE)])
def test_a_channel_of_the_other_band_is_never_written(channel: int, band: Band) -> None:
    with pytest.raises(BadValue):
        written(replace(POINT, channel=channel, band=band))


@pytest.mark.parametrize("link", ["wlan0\nbridge=eth0", "", "-i", "a/b", "x" * 16])
def test_no_interface_s_name_adds_a_line(link: str) -> None:
    with pytest.raises(BadValue):
        written(replace(POINT, link=link))


@pytest.mark.parametrize("security", Security)
def test_the_country_is_japan_laptops_are_kept_apart_and_frames_protected(security: Security) -> None:
    lines = written(replace(POINT, security=security)).splitlines()
    assert {"country_code=JP", "ap_isolate=1", "wpa=2", "rsn_pairwise=CCMP"} <= set(lines)
    assert [x for x in lines if x.startswith("ieee80211w=")] == [
        "ieee80211w=2" if security is Security.WPA3 else "ieee80211w=1"
    ]


@pytest.mark.parametrize("channel", [1, 6, 13, 36, 48, 100, 140])
@pytest.mark.parametrize("security", Security)
@pytest.mark.parametrize("ssid", ["noroshi", "country_code=US", "a country_code=US"])
def test_whatever_is_on_the_air_obeys_one_country_and_it_is_japan(
    channel: int, security: Security, ssid: str
) -> None:
    text = written(
        replace(
            POINT, ssid=ssid, passphrase=Secret("country_code=US"), security=security,
            channel=channel, band=band_of(channel),
        )
    )  # fmt: skip
    assert [x for x in text.splitlines() if x.startswith("country_code")] == ["country_code=JP"]
    assert "ieee80211d=1" in text.splitlines()


@pytest.mark.parametrize(
    ("channel", "others"), [(36, "36 40 44 48"), (48, "36 40 44 48"), (100, "100 104"), (144, "140 144")]
)
def test_a_radar_drives_it_to_a_channel_of_the_same_part_of_the_band_only(channel: int, others: str) -> None:
    lines = written(replace(POINT, channel=channel, band=Band.FIVE)).splitlines()
    (listed,) = [x.removeprefix("chanlist=") for x in lines if x.startswith("chanlist=")]
    assert others in listed and ("36" in listed.split()) is (channel < 50)
    assert not [x for x in ap().splitlines() if x.startswith("chanlist")]


def test_nobody_has_a_word_for_another_country() -> None:
    """Neither people on site, nor a card, nor HQ, nor the machine's own file."""
    found: set[str] = set()
    seen: set[object] = set()

    def look(noun: object) -> None:
        if noun in seen:
            return
        seen.add(noun)
        for part in get_args(noun):
            look(part)
        if is_dataclass(noun) and isinstance(noun, type):
            found.update(x.name for x in fields(noun))
            for kind in get_type_hints(noun).values():
                look(kind)

    for noun in (Config, Card, Machine, HubConfig):
        look(noun)
    assert {"ssid", "place", "band", "policy", "blue"} <= found, "guard: it does look"
    assert not [x for x in found if "country" in x or "regdom" in x or x == "channel"]


def test_wpa3_alone_lets_nobody_in_by_wpa2_and_the_other_way_round() -> None:
    def management(security: Security) -> str:
        return next(x for x in written(replace(POINT, security=security)).splitlines() if "wpa_key_mgmt" in x)

    assert [management(x) for x in (Security.WPA2, Security.WPA3, Security.MIXED)] == [
        "wpa_key_mgmt=WPA-PSK",
        "wpa_key_mgmt=SAE",
        "wpa_key_mgmt=WPA-PSK SAE",
    ]


@pytest.mark.parametrize("security", Security)
@pytest.mark.parametrize(
    ("channel", "band"), [(1, Band.TWO), (13, Band.TWO), (36, Band.FIVE), (100, Band.FIVE)]
)
@pytest.mark.skipif(not shutil.which("hostapd"), reason="hostapd is not installed")
def test_hostapd_takes_the_file(tmp_path: Path, security: Security, channel: int, band: Band) -> None:
    """Without a radio it reads the whole file, and stops where it would need one."""
    point = replace(POINT, security=security, channel=channel, band=band)
    text = written(point).replace("driver=nl80211", "driver=none").replace("bridge=br-lan\n", "")
    assert _hostapd(tmp_path, text) == []
    assert _hostapd(tmp_path, text + "nonsense=1\n") != []  # the guard: it does read it


def _hostapd(folder: Path, text: str) -> list[str]:
    """Its complaints about lines of the file."""
    path = folder / "hostapd.conf"
    path.write_text(text)
    try:
        told = subprocess.run(
            ["hostapd", str(path)], capture_output=True, text=True, check=False, timeout=2
        ).stdout
    except subprocess.TimeoutExpired as running:
        told = (running.stdout or b"").decode()
    return [
        x
        for x in told.splitlines()
        if x.startswith("Line ") or "configuration item" in x or "errors found" in x
    ]


# ------------------------------------------------------------------------------------------ dnsmasq


def dns(**changes: object) -> str:
    given_ = {
        "run": "/run/n",
        "link": "lan0",
        "network": "10.211.0.0/26",
        "open_to_desktops": True,
        "dns": ("10.10.0.53",),
        "names": ("soumu.city.example",),
    }
    return dnsmasq(**(given_ | changes)).content  # type: ignore[arg-type]


def test_while_closed_every_name_leads_to_the_wizard() -> None:
    lines = dns(open_to_desktops=False).splitlines()
    assert f"address=/#/{WIZARD_ADDRESS}" in lines
    assert not [x for x in lines if x.startswith("server=")]


def test_once_open_only_listed_names_are_asked_and_only_at_hq() -> None:
    lines = dns().splitlines()
    assert [x for x in lines if x.startswith("server=")] == ["server=/soumu.city.example/10.10.0.53"]
    assert f"address=/#/{WIZARD_ADDRESS}" not in lines and "no-resolv" in lines


@given(
    ANY
    | st.sampled_from(["a/10.0.0.1\nserver=8.8.8.8", "a..b", "-a.example", "/#/", "A.example", "a.example\n"])
)
def test_no_name_adds_more_than_its_own_two_lines(name: str) -> None:
    try:
        text = dns(names=(name,))
    except BadValue:
        assert not is_host_name(name)
        return
    assert text.count("\n") == dns().count("\n") and f"server=/{name}/10.10.0.53\n" in text


@given(ANY)
def test_no_address_of_a_name_server_adds_anything(address: str) -> None:
    with pytest.raises(ValueError):
        dns(dns=(address + "\n",))


@pytest.mark.parametrize(("network", "first", "last"), [("10.211.0.0/26", 2, 60), (WIZARD_LAN, 2, 60)])
def test_laptops_get_every_address_but_the_box_s_and_the_proof_s(network: str, first: int, last: int) -> None:
    start = network.rpartition(".")[0]
    assert f"dhcp-range={start}.{first},{start}.{last},255.255.255.192" in dns(network=network)
    assert lan_address(network) == f"{start}.1/26"
    assert probe_address(network) == f"{start}.62/26"


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("names", [(), ("soumu.city.example", "ras.city.example")])
@pytest.mark.skipif(not shutil.which("dnsmasq"), reason="dnsmasq is not installed")
def test_dnsmasq_takes_the_file(tmp_path: Path, is_open: bool, names: tuple[str, ...]) -> None:
    path = tmp_path / "dnsmasq.conf"
    path.write_text(dns(open_to_desktops=is_open, names=names, run=str(tmp_path)))
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ----------------------------------------------------------------------------------------------- QR


def test_the_wi_fi_code_escapes_what_phones_read_as_its_own() -> None:
    assert wifi_code('a;b,c:d\\e"', "p;:a\\ss12") == r"WIFI:T:WPA;S:a\;b\,c\:d\\e\";P:p\;\:a\\ss12;;"
