"""Wi-Fi as a line: what may be joined, what a hostile network's name can do (nothing), and what people are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.air import frequency_of, host
from appliance.core.desired import field_box
from appliance.core.machine import Status, Uplink
from appliance.core.model import Air, Phase, Place, Reason, Secret, WifiNetwork
from appliance.core.plan import plan
from appliance.core.radio import Heard
from appliance.core.wifi_line import (
    LINK,
    MOST_SHOWN,
    PATIENCE,
    SILENT,
    STATE_WORDS,
    Client,
    State,
    channel_to_join,
    client,
    country_in,
    is_abroad,
    may_join,
    name_in,
    refused,
    shown,
    state,
    supplicant,
    with_network,
)
from appliance.core.words import Refused
from tests.core.boxes import MACHINES, start
from tests.machines import BOX_MACHINE, FACTORY, IDENTITY, NOW, RADIO

HALL = WifiNetwork(ssid="hall", passphrase=Secret("hallhall"))
STICK = replace(RADIO, phy="phy1", link="wlan1", bus="pci0000:00/usb1/1-2", plugged=True)
SECOND = replace(RADIO, phy="phy1", link="wlan1", bus="platform/z")
POINT = host(IDENTITY, (RADIO,), Air()).point


def written(client_: Client, network: WifiNetwork = HALL) -> str:
    return Secret(supplicant("/run/n", client_, network).content).reveal()


# ------------------------------------------------------------------------------------ which radio


def test_a_radio_of_its_own_is_free_to_be_anywhere() -> None:
    for radios in ((RADIO, STICK), (STICK, RADIO), (RADIO, SECOND)):
        assert client(radios, POINT, Air()) == Client(link="wlan1", phy="phy1")


def test_a_radio_that_was_plugged_in_goes_before_a_built_in_one() -> None:
    other = replace(STICK, phy="phy2", link="wlan2")
    assert client((RADIO, SECOND, other), POINT, Air()) == Client(link="wlan2", phy="phy2")


def test_on_the_access_point_s_radio_the_client_is_a_second_interface_on_channels_that_both_may_use() -> None:
    found = client((RADIO,), POINT, Air())
    assert found == Client(link=LINK, phy="phy0", made=True, channels=tuple(range(1, 14)))
    inside = client((RADIO,), POINT, Air(place=Place.INDOORS))
    assert inside is not None and set(inside.channels) == {*range(1, 14), 36, 40, 44, 48}


def test_without_an_access_point_the_only_radio_is_the_client_s() -> None:
    assert client((RADIO,), None, Air()) == Client(link="wlan0", phy="phy0")


@pytest.mark.parametrize(
    "changes", [{"both": False}, {"country": "US"}, {"switched_off": True}, {"channels": ()}]
)
def test_a_radio_that_cannot_is_no_client(changes: dict[str, object]) -> None:
    assert client((replace(RADIO, **changes),), POINT, Air()) is None  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- what is written


def test_the_file_is_for_root_tells_nobody_the_key_and_keeps_to_japan() -> None:
    file = supplicant("/run/n", Client(link="wlan1", phy="phy1"), HALL)
    assert file.mode == 0o600 and "hallhall" not in repr(file)
    assert "country=JP" in written(Client(link="wlan1", phy="phy1")).splitlines()


def test_beside_an_access_point_only_its_channels_are_joined() -> None:
    beside = Client(link=LINK, phy="phy0", made=True, channels=(1, 13))
    assert f"  freq_list={frequency_of(1)} {frequency_of(13)}" in written(beside).splitlines()
    assert "freq_list" not in written(Client(link="wlan1", phy="phy1"))


def test_an_open_network_is_joined_without_a_key_and_no_other_is() -> None:
    own = Client(link="wlan1", phy="phy1")
    assert (
        "  key_mgmt=NONE" in written(own, WifiNetwork(ssid="00000JAPAN", passphrase=Secret(""))).splitlines()
    )
    assert "NONE" not in written(own)


@given(st.text(max_size=40), st.text(max_size=70))
def test_whatever_is_typed_is_refused_or_stays_within_its_own_line(ssid: str, key: str) -> None:
    try:
        network = with_network(FACTORY, ssid, key).wifi
    except Refused as no:
        assert no.code in ("wifi-name", "wifi-key")
        return
    if network is None:
        assert ssid == ""
        return
    text = written(Client(link="wlan1", phy="phy1"), network)
    lines = text.splitlines()
    assert text.count("network={") == 1 or "network={" in key
    assert len(lines) == (10 if key else 8) and f"  ssid={ssid.encode().hex()}" in lines


@pytest.mark.parametrize("ssid", ["a\nb", "x" * 33, "\u202eabc", " a", "\ud800"])
def test_a_name_that_cannot_be_printed_is_not_joined(ssid: str) -> None:
    with pytest.raises(Refused):
        with_network(FACTORY, ssid, "hallhall")
    with pytest.raises(ValueError):
        written(Client(link="wlan1", phy="phy1"), WifiNetwork(ssid=ssid, passphrase=Secret("hallhall")))


def test_to_leave_is_to_name_nothing() -> None:
    chosen = with_network(FACTORY, "hall", "hallhall")
    assert chosen.wifi == HALL and with_network(chosen, "", "").wifi is None


# ------------------------------------------------------------------------------- what is on the air


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        (b"\x00\x04hall\x01\x02ab", "hall"),
        (b"\x01\x02ab\x00\x04hall", "hall"),
        ("\x00\x09のろし".encode(), "のろし"),
        (b"\x00\x00", ""),
        (b"\x00\x02\xff\xfe", ""),
        (b"\x00\x21" + b"x" * 33, ""),
        (b"\x01\xffab", ""),
        (b"\x00", ""),
        (b"", ""),
        (b"\x00\x20ab", "ab"),
    ],
)
def test_a_beacon_s_name_is_read_with_care(elements: bytes, name: str) -> None:
    assert name_in(elements) == name


@given(st.binary(max_size=300))
def test_no_beacon_breaks_the_reader(elements: bytes) -> None:
    assert len(name_in(elements).encode()) <= 32
    assert country_in(elements) == "" or (len(country_in(elements)) == 2 and country_in(elements).isupper())


@pytest.mark.parametrize(
    ("elements", "country", "abroad"),
    [
        (b"\x00\x04hall\x07\x06US \x01\x0b\x1e", "US", True),
        (b"\x07\x06us \x01\x0b\x1e", "US", True),
        (b"\x07\x06DEO\x01\x0d\x14", "DE", True),
        (b"\x07\x06JP \x01\x0d\x14", "JP", False),
        (b"\x07\x06XX \x01\x0d\x14", "XX", False),
        (b"\x07\x0600 \x01\x0d\x14", "", False),
        (b"\x07\x01U", "", False),
        (b"\x07\x02\xff\xfe", "", False),
        (b"\x00\x04hall", "", False),
        (b"\x07", "", False),
    ],
)
def test_whose_rules_a_network_obeys_is_read_from_its_beacon(
    elements: bytes, country: str, abroad: bool
) -> None:
    assert country_in(elements) == country
    assert is_abroad(Heard(ssid="hall", channel=6, country=country_in(elements))) is abroad


def test_the_list_shows_each_name_once_the_strongest_first_and_nothing_that_cannot_be_typed() -> None:
    heard = [
        Heard(ssid="weak", channel=1, signal=-80.0),
        Heard(ssid="hall", channel=1, signal=-70.0),
        Heard(ssid="hall", channel=36, signal=-40.0),
        Heard(ssid="own", channel=6, signal=-10.0),
        Heard(ssid="a\nb", channel=6),
        Heard(ssid="", channel=6),
        Heard(ssid="<script>alert(1)</script>", channel=6, signal=-90.0, locked=False),
    ]
    told = shown(heard, "own")
    assert [x["ssid"] for x in told] == ["hall", "weak", "<script>alert(1)</script>"]
    assert told[0]["channel"] == 36 and not told[2]["locked"]
    assert len(shown([Heard(ssid=f"n{x}", channel=1) for x in range(99)], "own")) == MOST_SHOWN


# ----------------------------------------------------------------------------------------- how it goes

OWN = Client(link="wlan1", phy="phy1")
BESIDE = Client(link=LINK, phy="phy0", made=True, channels=tuple(range(1, 14)))
ON_36, ON_6 = Heard(ssid="hall", channel=36), Heard(ssid="hall", channel=6)
ABROAD, AT_HOME = replace(ON_6, country="US"), replace(ON_6, country="JP")


@pytest.mark.parametrize(
    ("client_", "heard", "joined", "waited", "expected"),
    [
        (None, [ON_6], False, 0.0, State.NO_RADIO),
        (OWN, [], True, 99.0, State.JOINED),
        (OWN, [ON_6], False, 1.0, State.TRYING),
        (OWN, [], False, 1.0, State.TRYING),
        (OWN, [], False, PATIENCE, State.NOT_HEARD),
        (OWN, [ON_6], False, PATIENCE, State.NOT_LET_IN),
        (OWN, [ON_36], False, 1.0, State.TRYING),  # a radio of its own may be there
        (BESIDE, [ON_36], False, 0.0, State.CHANNEL),
        (BESIDE, [ON_36, ON_6], False, 1.0, State.TRYING),
        (BESIDE, [Heard(ssid="other", channel=36)], False, 1.0, State.TRYING),
        (OWN, [ABROAD], False, 1.0, State.COUNTRY),
        (OWN, [ABROAD], True, 99.0, State.COUNTRY),  # it is left
        (BESIDE, [AT_HOME, replace(ABROAD, channel=36)], False, 1.0, State.COUNTRY),
        (None, [ABROAD], False, 1.0, State.COUNTRY),
        (OWN, [AT_HOME], False, 1.0, State.TRYING),
        (OWN, [AT_HOME, replace(ABROAD, ssid="other")], False, 1.0, State.TRYING),
    ],
)
def test_what_people_are_told_follows_from_what_is_heard(
    client_: Client | None, heard: list[Heard], joined: bool, waited: float, expected: State
) -> None:
    assert state(client_, HALL, heard, joined=joined, waited=waited) is expected
    assert all(STATE_WORDS[expected])


def test_the_access_point_moves_to_where_its_radio_s_client_wants_to_join() -> None:
    assert channel_to_join(BESIDE, HALL, [ON_36, ON_6]) == 6
    assert channel_to_join(BESIDE, HALL, [ON_36]) == channel_to_join(BESIDE, HALL, []) == 0
    assert channel_to_join(OWN, HALL, [ON_6]) == channel_to_join(BESIDE, None, [ON_6]) == 0
    point = host(IDENTITY, (RADIO,), Air(), beside=13).point
    assert point is not None and point.channel == 13
    stays = host(IDENTITY, (RADIO,), Air(), beside=36).point  # outdoors
    assert stays is not None and stays.channel in (1, 6, 11)


@pytest.mark.parametrize("now", State)
def test_nothing_is_joined_before_it_was_heard_nor_where_it_is_refused(now: State) -> None:
    refused_here = now in (State.COUNTRY, State.CHANNEL, State.NO_RADIO)
    assert may_join(now, 0.0) is not refused_here
    assert not may_join(now, float("inf")) and not may_join(now, SILENT)
    assert not may_join(None, 0.0)


def test_the_access_point_does_not_follow_a_network_of_another_country() -> None:
    assert channel_to_join(BESIDE, HALL, [ABROAD]) == 0


def test_a_network_of_another_country_is_refused_among_the_lines_in_words() -> None:
    line = Uplink(link="wlan1", kind="wifi", carrier=True, lease=None, table=5003)
    (told,) = refused((line,), OWN, State.COUNTRY)
    assert told.refused is Reason.WIFI_COUNTRY and not told.usable


def test_a_network_on_a_forbidden_channel_is_refused_among_the_lines_in_words() -> None:
    line = Uplink(link=LINK, kind="wifi", carrier=False, lease=None, table=5003)
    (told,) = refused((line,), BESIDE, State.CHANNEL)
    assert told.refused is Reason.WIFI_CHANNEL and not told.usable
    assert refused((line,), BESIDE, State.TRYING) == (line,)


# ------------------------------------------------------------------------------------ on the machine


def test_a_box_with_a_chosen_network_makes_the_interface_and_starts_the_supplicant_outside() -> None:
    config = replace(FACTORY, wifi=HALL)
    machine = replace(BOX_MACHINE, uplinks=(*BOX_MACHINE.uplinks, LINK))
    status = Status(phase=Phase.SETUP, reason=Reason.NO_TICKET, since=NOW)
    desired = field_box(config, status, machine, (), (), point=POINT, client=BESIDE)
    units = {x.name: x for x in desired.units}
    assert units["wifi"].namespace == machine.outside and LINK in units["wifi"].command
    assert "hallhall" not in " ".join(units["wifi"].command)
    made = [type(x).__name__ for x in plan(desired, start(MACHINES["radio"]))]
    assert made.index("MakeClient") < made.index("RestartUnit")
    without = field_box(FACTORY, status, machine, (), (), point=POINT, client=None)
    assert "wifi" not in {x.name for x in without.units} and "wifi" in without.unit_names
