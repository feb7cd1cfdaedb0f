"""Keys and settings of the tunnel; a real device is used in tests/net."""

from __future__ import annotations

import subprocess

from appliance.core.machine import Peer, Tunnel
from appliance.core.model import Secret
from appliance.host import wireguard


def test_keys_are_the_ones_that_wg_would_make() -> None:
    for _ in range(5):
        private, public = wireguard.new_key()
        said = subprocess.run(
            ["wg", "pubkey"], input=private.reveal(), capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == public == wireguard.public_of(private)


def test_every_box_has_keys_of_its_own_and_shows_none_of_them() -> None:
    one, other = wireguard.new_box_keys(), wireguard.new_box_keys()
    assert one.tunnel_public != other.tunnel_public
    assert one.report_public != other.report_public
    assert one.tunnel_private.reveal() not in repr(one)
    assert one.report_private.reveal() not in repr(one)


def test_the_settings_name_every_peer_and_leave_no_old_value_standing() -> None:
    private, public = wireguard.new_key()
    tunnel = Tunnel(
        name="wg0",
        birthplace="",
        namespace="",
        private_key=private,
        public_key=public,
        mark=0x4E52,
        listen_port=51820,
        peers=(
            Peer(public_key="A" * 43 + "=", allowed=("10.210.0.2/32", "10.211.0.0/26")),
            Peer(
                public_key="B" * 43 + "=",
                allowed=("10.10.0.0/24",),
                endpoint="203.0.113.10:51820",
                keepalive=15,
            ),
        ),
    )
    lines = wireguard.settings(tunnel).splitlines()
    assert f"PrivateKey = {private.reveal()}" in lines
    assert "FwMark = 0x4e52" in lines
    assert "ListenPort = 51820" in lines
    assert lines.count("[Peer]") == 2
    assert "AllowedIPs = 10.210.0.2/32, 10.211.0.0/26" in lines
    assert "PersistentKeepalive = off" in lines, "a keepalive that was there before is switched off"
    assert private.reveal() not in repr(tunnel)


def test_where_there_is_no_device_there_is_no_state() -> None:
    assert wireguard.show("nth-no-such", "") is None
    wireguard.forget_source("nth-no-such", "")
    wireguard.forget_socket("nth-no-such")


def test_a_private_key_is_masked_when_printed() -> None:
    assert "abc" not in f"{Secret('abc')}"
