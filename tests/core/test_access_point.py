"""dnsmasq's and hostapd's files: what people and HQ write never becomes a line of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

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
from appliance.core.model import AccessPoint, Secret
from appliance.core.wifi_code import wifi_code

POINT = AccessPoint(ssid="のろし-柿崎", passphrase=Secret("kakizaki-2027"))
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
    return Secret(hostapd(run="/run/n", radio="wlan0", bridge="br-lan", access_point=point).content).reveal()


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
    file = hostapd(run="/run/n", radio="wlan0", bridge="br-lan", access_point=POINT)
    assert file.mode == 0o600
    assert "kakizaki-2027" not in repr(file)
    assert "wpa_passphrase=kakizaki-2027\n" in Secret(file.content).reveal()


@pytest.mark.parametrize(("channel", "used"), [(1, 1), (13, 13), (14, 6), (0, 6), (-1, 6), (36, 6)])
def test_only_channels_that_japan_allows_are_used(channel: int, used: int) -> None:
    point = replace(POINT, channel=channel)
    text = hostapd(run="/r", radio="wlan0", bridge="b", access_point=point).content
    assert f"channel={used}" in Secret(text).reveal().splitlines()


def test_the_country_is_japan_whatever_the_config_says() -> None:
    text = hostapd(run="/r", radio="w", bridge="b", access_point=replace(POINT, country="US")).content
    assert "country_code=JP" in Secret(text).reveal().splitlines()


def test_laptops_are_kept_apart_and_frames_protected() -> None:
    assert {"ap_isolate=1", "ieee80211w=1", "wpa=2", "wpa_key_mgmt=WPA-PSK SAE"} <= set(ap().splitlines())


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
