"""What ModemManager says of a modem: names made by strangers, numbers out of any range, addresses that fit no line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.modem import (
    BEARER,
    MODEM,
    THREE_GPP,
    Bearer,
    Modem,
    Registration,
    State,
    Way,
    bearers_of,
    is_path,
    lease_of,
    read,
)
from tests.machines import NOW

PATH = "/org/freedesktop/ModemManager1/Modem/0"
TOLD: dict[str, dict[str, Any]] = {
    MODEM: {
        "Model": "EM7455",
        "State": 11,
        "StateFailedReason": 0,
        "UnlockRequired": 1,
        "SignalQuality": (67, True),
        "Ports": [("cdc-wdm0", 7), ("wwan0", 2)],
        "Bearers": ["/org/freedesktop/ModemManager1/Bearer/3"],
    },
    THREE_GPP: {"RegistrationState": 1, "OperatorName": "KDDI"},
}
FOUR: dict[str, Any] = {
    "method": 2,
    "address": "10.64.12.34",
    "prefix": 30,
    "gateway": "10.64.12.33",
    "dns1": "10.64.0.1",
    "dns2": "10.64.0.2",
    "mtu": 1428,
}
STANDING: dict[str, Any] = {"Interface": "wwan0", "Connected": True, "Ip4Config": FOUR}


def modem(
    changes: dict[str, Any] | None = None, network: dict[str, Any] | None = None, *bearers: Any
) -> Modem:
    told = {MODEM: {**TOLD[MODEM], **(changes or {})}, THREE_GPP: {**TOLD[THREE_GPP], **(network or {})}}
    found = read(PATH, told, tuple(bearers))
    assert found is not None
    return found


def bearer(**changes: Any) -> Bearer | None:
    return modem({}, {}, {**STANDING, "Ip4Config": {**FOUR, **changes}}).bearer


def test_a_connected_modem_is_read_whole() -> None:
    assert modem({}, {}, STANDING) == Modem(
        path=PATH,
        model="EM7455",
        state=State.CONNECTED,
        registration=Registration.HOME,
        operator="KDDI",
        signal=67,
        link="wwan0",
        bearer=Bearer(
            link="wwan0",
            way=Way.STATIC,
            address="10.64.12.34/30",
            gateway="10.64.12.33",
            dns=("10.64.0.1", "10.64.0.2"),
        ),
    )
    assert bearers_of(TOLD[MODEM]) == ("/org/freedesktop/ModemManager1/Bearer/3",)


@pytest.mark.parametrize(
    ("changes", "attribute", "expected"),
    [
        ({"State": -1, "StateFailedReason": 2}, "no_sim", True),
        ({"State": -1, "StateFailedReason": 3}, "no_sim", True),
        ({"State": -1, "StateFailedReason": 1}, "no_sim", False),
        ({"State": 2, "UnlockRequired": 3}, "locked", True),
        ({"UnlockRequired": 3}, "locked", True),
        ({"UnlockRequired": 4}, "locked", False),  # a second number that locks nothing we need
        ({"State": 99}, "state", State.UNKNOWN),
        ({"State": "connected"}, "state", State.UNKNOWN),
        ({"SignalQuality": (4_000_000_000, True)}, "signal", 100),
        ({"SignalQuality": "loud"}, "signal", 0),
        ({"Ports": [("ttyUSB0", 3)]}, "link", ""),
        ({"Ports": [("../../etc", 2)]}, "link", ""),
        ({"Ports": "wwan0"}, "link", ""),
        ({"Model": "\x1b[31mred\n"}, "model", "[31mred"),
        ({"Model": "x" * 5000}, "model", "x" * 32),
        ({"Model": 7}, "model", ""),
    ],
)
def test_what_a_modem_says_is_taken_in_its_bounds_only(
    changes: dict[str, Any], attribute: str, expected: object
) -> None:
    assert getattr(modem(changes), attribute) == expected


@pytest.mark.parametrize("name", ["<script>alert(1)</script>" * 9, "a\nb\r\u202e", "", "\ud800"])
def test_a_carrier_s_name_is_short_and_can_be_printed(name: str) -> None:
    said = modem({}, {"OperatorName": name}).operator
    assert len(said) <= 32 and said.isprintable()


@pytest.mark.parametrize(
    ("changes", "address", "gateway"),
    [
        ({}, "10.64.12.34/30", "10.64.12.33"),
        ({"prefix": 32, "gateway": None}, "10.64.12.34/30", "10.64.12.33"),
        ({"prefix": 32}, "10.64.12.34/30", "10.64.12.33"),
        ({"prefix": 29, "gateway": "10.64.12.38"}, "10.64.12.34/29", "10.64.12.38"),
        ({"prefix": 30, "gateway": "10.64.13.1"}, "10.64.12.34/23", "10.64.13.1"),
        ({"address": "10.64.12.32", "prefix": 32, "gateway": ""}, "10.64.12.32/26", "10.64.12.35"),
        ({"gateway": "10.64.12.34"}, "10.64.12.34/30", "10.64.12.33"),
        ({"gateway": "192.0.2.1"}, "", ""),  # no network that a line may have holds both
        ({"address": "127.0.0.1"}, "", ""),
        ({"address": "224.0.0.1"}, "", ""),
        ({"address": "fd00::1"}, "", ""),
        ({"address": "10.64.12.34; reboot"}, "", ""),
        ({"prefix": 0}, "", ""),
        ({"prefix": 33}, "", ""),
        ({"prefix": "30"}, "", ""),
    ],
)
def test_an_address_and_the_other_end_make_one_network(
    changes: dict[str, Any], address: str, gateway: str
) -> None:
    found = bearer(**changes)
    assert found is not None and (found.address, found.gateway) == (address, gateway)


def test_name_servers_are_hosts_or_nothing() -> None:
    found = bearer(dns1="8.8.8.8\nnameserver 6.6.6.6", dns2="0.0.0.0", dns3="10.64.0.3")
    assert found is not None and found.dns == ("10.64.0.3",)


@pytest.mark.parametrize(
    "changes",
    [
        {"Connected": False},
        {"Connected": "yes"},
        {"Interface": ""},
        {"Interface": "wwan0\n"},
        {"Interface": "a/b"},
    ],
)
def test_what_is_no_standing_connection_counts_for_nothing(changes: dict[str, Any]) -> None:
    assert modem({}, {}, {**STANDING, **changes}).bearer is None


def test_the_address_that_came_along_is_a_lease() -> None:
    lease = lease_of(modem({}, {}, STANDING), NOW)
    assert lease is not None
    assert (lease.link, lease.address, lease.gateway) == ("wwan0", "10.64.12.34/30", "10.64.12.33")


@pytest.mark.parametrize("method", [0, 1, 3, 99, "static"])
def test_no_other_way_brings_a_lease(method: object) -> None:
    assert lease_of(modem({}, {}, {**STANDING, "Ip4Config": {**FOUR, "method": method}}), NOW) is None


@pytest.mark.parametrize(
    "path", ["/", "/org/freedesktop/ModemManager1/Modem/0/../1", f"{PATH}\n", "Modem/0", 3]
)
def test_only_modemmanager_s_own_paths_are_asked(path: object) -> None:
    assert not is_path(path)
    assert read(str(path), TOLD, ()) is None


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda x: st.lists(x, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*TOLD[MODEM]]), ANY),
    st.dictionaries(st.sampled_from([*STANDING, *FOUR]), ANY),
)
def test_nothing_that_is_said_makes_the_reader_fall(said: dict[str, Any], standing: dict[str, Any]) -> None:
    found = modem(said, {}, {**STANDING, **standing, "Ip4Config": {**FOUR, **standing}})
    assert found.path == PATH
    assert bearers_of(said) is not None and BEARER
