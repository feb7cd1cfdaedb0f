"""The Wi-Fi on the air: Japan's rules as tables, one radio that serves two ends, and never weaker than was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.air import (
    LONGEST_PAUSE,
    Hosting,
    after_radar,
    band_of,
    client_channels,
    driven_away,
    frequency_of,
    host,
    lawful,
    may_host,
    notice,
    number_of,
    order,
    part_of,
    pause,
    radio_on,
)
from appliance.core.model import Air, Band, Place, Secret, Security, WifiNetwork
from appliance.core.radio import Channel
from appliance.core.words import REFUSALS
from tests.machines import FACTORY, IDENTITY, RADIO, WIRED

INDOORS, OUTDOORS = Air(place=Place.INDOORS), Air(place=Place.OUTDOORS)
FAST = Air(place=Place.INDOORS, band=Band.FIVE)
FAST_OUTSIDE = Air(place=Place.OUTDOORS, band=Band.FIVE)
STICK = replace(RADIO, phy="phy1", link="wlan1", bus="pci0000:00/usb1/1-2", plugged=True)


def channel(air: Air, **changes: object) -> int:
    point = host(IDENTITY, (replace(RADIO, **changes),), air).point  # type: ignore[arg-type]
    return point.channel if point else 0


# ----------------------------------------------------------------------------------------- the law


@pytest.mark.parametrize("number", range(1, 14))
def test_2_4_ghz_is_allowed_anywhere(number: int) -> None:
    assert lawful(number, Place.INDOORS) and lawful(number, Place.OUTDOORS)


@pytest.mark.parametrize("number", [36, 40, 44, 48, 52, 56, 60, 64])
def test_w52_and_w53_are_for_indoors_only(number: int) -> None:
    assert lawful(number, Place.INDOORS) and not lawful(number, Place.OUTDOORS)


@pytest.mark.parametrize("number", [100, 104, 140, 144])
def test_w56_is_allowed_anywhere(number: int) -> None:
    assert lawful(number, Place.INDOORS) and lawful(number, Place.OUTDOORS)


@pytest.mark.parametrize("number", [0, 14, 34, 38, 68, 96, 149, 153, 165, 169, 184, 196])
@pytest.mark.parametrize("place", Place)
def test_nothing_else_is_allowed_at_all(number: int, place: Place) -> None:
    assert not lawful(number, place)


# --------------------------------------------------------------------------------------- the choice


def test_a_box_of_which_nobody_said_where_it_stands_keeps_to_what_is_allowed_outdoors() -> None:
    assert Air().place is Place.OUTDOORS
    assert all(lawful(x, Place.OUTDOORS) for x in order("any", Air()))


@pytest.mark.parametrize("air", [INDOORS, OUTDOORS, FAST, FAST_OUTSIDE])
@pytest.mark.parametrize("serial", ["a", "b", "c", "d", "0001", "0002"])
def test_whatever_the_serial_the_channel_is_lawful_and_never_in_w53(serial: str, air: Air) -> None:
    tried = order(serial, air)
    assert all(lawful(x, air.place) for x in tried) and not set(tried) & {52, 56, 60, 64}
    assert len(set(tried)) == len(tried)


def test_boxes_side_by_side_do_not_all_begin_with_the_same_channel() -> None:
    assert {order(f"box-{x:04}", Air())[0] for x in range(30)} == {1, 6, 11}
    assert order("box-0001", Air()) == order("box-0001", Air())


def test_5_ghz_is_used_where_it_is_wished_for_and_allowed() -> None:
    assert channel(FAST) in (36, 40, 44, 48)
    assert channel(INDOORS) in (1, 6, 11)
    # Outdoors it takes a radio that hears radars, or it is 2.4 GHz after all.
    assert channel(FAST_OUTSIDE) in (1, 6, 11)
    assert channel(FAST_OUTSIDE, hears_radar=True) in (100, 104, 108, 112)


def test_what_driver_or_rules_forbid_is_not_used() -> None:
    def only(**of_one: bool) -> int:
        return channel(INDOORS, channels=(Channel(number=6, **of_one), Channel(number=13)))

    assert only() == 6
    assert only(disabled=True) == 13 and only(listen_only=True) == 13
    assert channel(INDOORS, channels=(Channel(number=14), Channel(number=165))) == 0


def test_where_a_radar_was_heard_nobody_sends() -> None:
    hit = tuple(replace(x, struck=x.number == 100) for x in RADIO.channels)
    ear = replace(RADIO, hears_radar=True, channels=hit)
    assert not may_host(ear, 100, Place.OUTDOORS) and may_host(ear, 104, Place.OUTDOORS)


@pytest.mark.parametrize(
    ("wanted", "there", "radar"),
    [(100, 116, True), (100, 100, False), (100, 0, False), (6, 100, False), (100, 6, False), (36, 40, False)],
)
def test_who_left_its_channel_in_w56_by_itself_heard_a_radar(wanted: int, there: int, radar: bool) -> None:
    point = host(IDENTITY, (RADIO,), Air()).point
    assert point is not None
    radios = (STICK, replace(RADIO, host_channel=there))
    assert driven_away(replace(point, channel=wanted), radios) is radar
    assert not driven_away(replace(point, channel=wanted, link="wlan1"), radios)
    assert not driven_away(None, radios)


def test_after_a_radar_a_box_outdoors_does_not_listen_for_another_minute() -> None:
    assert after_radar(FAST_OUTSIDE, True) == OUTDOORS and after_radar(FAST_OUTSIDE, False) == FAST_OUTSIDE
    assert after_radar(FAST, True) == FAST  # W52 has no radars


@pytest.mark.parametrize(
    ("number", "on", "radar", "said"),
    [
        (100, False, False, "radio-listens"),
        (100, True, False, ""),
        (6, False, False, ""),
        (6, True, False, ""),
        (6, True, True, "radio-radar"),
    ],
)
def test_people_are_told_why_the_wi_fi_is_not_yet_there_or_elsewhere(
    number: int, on: bool, radar: bool, said: str
) -> None:
    point = host(IDENTITY, (replace(RADIO, client="x", client_channel=6),), FAST_OUTSIDE).point
    assert point is not None
    point = replace(point, channel=number, band=band_of(number))
    assert notice(point, FAST_OUTSIDE, on=on, radar=radar) == said and said in {"", *REFUSALS}
    assert (
        notice(point, OUTDOORS, on=True, radar=True) == "" == notice(None, FAST_OUTSIDE, on=False, radar=True)
    )


@pytest.mark.parametrize("place", Place)
def test_where_hostapd_chooses_by_itself_every_channel_is_as_lawful_as_the_one_it_leaves(
    place: Place,
) -> None:
    for number in range(1, 200):
        if lawful(number, place):
            assert number in part_of(number) and all(lawful(x, place) for x in part_of(number))
    assert part_of(149) == frozenset()


def test_a_radio_without_a_channel_says_so() -> None:
    assert host(IDENTITY, (replace(RADIO, channels=()),), Air()).why == "radio-no-channel"


# ------------------------------------------------------------------------------------------ the radio


def test_a_box_without_a_radio_has_nothing_to_explain() -> None:
    assert host(IDENTITY, (), Air()) == Hosting()


def test_a_box_without_a_wi_fi_name_is_never_on_the_air() -> None:
    assert host(WIRED, (RADIO,), Air()) == Hosting()


def test_the_built_in_radio_goes_before_the_one_that_is_plugged_in() -> None:
    for radios in ((RADIO, STICK), (STICK, RADIO)):
        point = host(IDENTITY, radios, Air()).point
        assert point is not None and point.link == "wlan0"


def test_a_radio_that_somebody_chose_by_hand_is_the_one() -> None:
    point = host(IDENTITY, (RADIO, STICK), Air(), named="wlan1").point
    assert point is not None and point.link == "wlan1"
    assert host(IDENTITY, (RADIO,), Air(), named="wlan9").why == "no-radio"


def test_where_the_first_radio_cannot_the_next_one_is_taken() -> None:
    for broken in ({"switched_off": True}, {"country": "US"}, {"channels": ()}, {"hosts": False}):
        point = host(IDENTITY, (replace(RADIO, **broken), STICK), Air()).point
        assert point is not None and point.link == "wlan1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hosts": False}, "no-radio"),
        ({"link": ""}, "no-radio"),
        ({"switched_off": True}, "radio-switched-off"),
        ({"country": "US"}, "radio-country"),
        ({"country": "00"}, "radio-country"),
        ({"country": ""}, "radio-country"),
        ({"country": "US", "self_managed": True}, "radio-country"),
        ({"channels": ()}, "radio-no-channel"),
    ],
)
def test_a_radio_that_cannot_be_the_access_point_says_why_in_words(
    changes: dict[str, object], why: str
) -> None:
    found = host(IDENTITY, (replace(RADIO, **changes),), Air())  # type: ignore[arg-type]
    assert found.point is None and found.why == why and why in REFUSALS


def test_a_radio_that_minds_its_country_itself_may_know_none_yet() -> None:
    assert channel(Air(), country="00", self_managed=True)


def test_wpa3_that_was_asked_for_is_never_made_weaker() -> None:
    strict = replace(IDENTITY, security=Security.WPA3)
    assert host(strict, (replace(RADIO, sae=False),), Air()).why == "radio-no-wpa3"
    point = host(strict, (RADIO,), Air()).point
    assert point is not None and point.security is Security.WPA3


def test_mixed_is_wpa2_on_a_radio_that_has_no_wpa3() -> None:
    for sae, security in ((True, Security.MIXED), (False, Security.WPA2)):
        point = host(IDENTITY, (replace(RADIO, sae=sae),), Air()).point
        assert point is not None and point.security is security


# ------------------------------------------------------------------------- one radio for both ends


@pytest.mark.parametrize("number", [1, 3, 13])
def test_the_access_point_follows_its_radio_s_client(number: int) -> None:
    found = host(IDENTITY, (replace(RADIO, client="wlan0-line", client_channel=number),), Air())
    assert found.point is not None and found.point.channel == number and found.blocked_line == ""


@pytest.mark.parametrize(
    ("number", "air", "blocked"),
    [
        (36, OUTDOORS, True),
        (36, INDOORS, False),
        (52, INDOORS, True),  # a client cannot stop to listen for radars
        (100, INDOORS, True),
        (100, OUTDOORS, True),
        (14, INDOORS, True),
        (11, OUTDOORS, False),
    ],
)
def test_a_client_on_a_channel_that_the_access_point_must_not_use_is_what_gives_way(
    number: int, air: Air, blocked: bool
) -> None:
    busy = replace(RADIO, client="wlan0-line", client_channel=number, hears_radar=True)
    found = host(IDENTITY, (busy,), air)
    assert found.point is not None
    assert found.blocked_line == ("wlan0-line" if blocked else "")
    assert (found.point.channel == number) is not blocked


def test_a_client_may_only_be_where_its_access_point_may_be() -> None:
    there = {x.number for x in client_channels(replace(RADIO, hears_radar=True), OUTDOORS)}
    assert there == set(range(1, 14))
    assert {x.number for x in client_channels(RADIO, INDOORS)} == {*range(1, 14), 36, 40, 44, 48}
    assert may_host(replace(RADIO, hears_radar=True), 100, Place.OUTDOORS)  # the guard: alone it might


def test_a_radio_is_on_while_it_is_either_end() -> None:
    assert (
        radio_on(IDENTITY, FACTORY, (RADIO,))
        and not radio_on(WIRED, FACTORY, (RADIO,))
        and not radio_on(IDENTITY, FACTORY, ())
    )
    assert radio_on(WIRED, FACTORY, (replace(RADIO, client="wlan0", client_channel=6),))
    assert radio_on(IDENTITY, FACTORY, (replace(RADIO, switched_off=True),))  # its switch is one push away
    chosen = replace(FACTORY, wifi=WifiNetwork(ssid="hall", passphrase=Secret("hallhall")))
    assert radio_on(WIRED, chosen, (RADIO,))


# ----------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("frequency", "number"),
    [
        (2412, 1),
        (2437, 6),
        (2472, 13),
        (2484, 14),
        (5180, 36),
        (5320, 64),
        (5500, 100),
        (5720, 144),
        (5825, 165),
    ],
)
def test_a_frequency_has_its_number(frequency: int, number: int) -> None:
    assert number_of(frequency) == number and frequency_of(number) == frequency
    assert band_of(number) is (Band.TWO if frequency < 3000 else Band.FIVE)


@pytest.mark.parametrize("frequency", [0, 2400, 4920, 5040, 5955, 6415, 58320])
def test_what_is_neither_2_4_nor_5_ghz_has_none(frequency: int) -> None:
    assert number_of(frequency) == 0


def test_an_access_point_that_ends_by_itself_is_tried_less_and_less_often() -> None:
    pauses = [pause(x) for x in range(1, 20)]
    assert pauses == sorted(pauses) and pauses[0] == 2.0 and pauses[-1] == LONGEST_PAUSE
