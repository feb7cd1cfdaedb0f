"""The station's own words: what it is told of a network, whatever that is called."""

from __future__ import annotations

import pytest

from tests.vm import air
from tests.vm.air import Network


@pytest.mark.parametrize(
    ("ssid", "octets"),
    [("NOROSHI-4821", "4e4f524f5348492d34383231"), ("のろし", "e381aee3828de38197"), ('"\n', "220a")],
)
def test_a_network_is_named_by_its_octets(ssid: str, octets: str) -> None:
    told = air.configuration(Network(ssid=ssid, passphrase="correct horse"))
    assert f"  ssid={octets}\n" in told
    assert '  psk="correct horse"\n' in told


def test_a_quote_in_a_key_ends_nothing() -> None:
    assert '  psk="a\\"b\\\\c123"\n' in air.configuration(Network(ssid="x", passphrase='a"b\\c123'))


def test_the_stations_cable_is_known_by_its_address() -> None:
    assert any("52:54:00:6e:00:03" in x for x in air.lines(2))
