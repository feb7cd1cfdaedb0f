"""The access point on a running box: on the air behind its own walls, under Japan's rules, and tried again when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.core.machine import Link
from appliance.core.model import Secret
from appliance.core.plan import AddPort, LookAround, RemovePort, RestartUnit, SetCountry, UnmuteRadio
from appliance.core.radio import Heard, Radio
from appliance.core.words import Refused
from tests.daemon.world import World
from tests.machines import BOX_MACHINE, IDENTITY, RADIO

Make = Callable[..., World]


def wifi(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.phone("status")["wifi"]
    return found


def radio_link(world: World) -> Link:
    found = world.sim.state.link("", "wlan0")
    assert found is not None
    return found


def starts(world: World) -> int:
    return sum(isinstance(x, RestartUnit) and x.unit.name == "hostapd" for x in world.sim.done)


def fall_off(world: World) -> None:
    """hostapd ends by itself."""
    units = tuple(x for x in world.sim.state.units if x[0] != "hostapd")
    links = tuple(
        replace(x, master="", isolated=False, carrier=False) if x.name == "wlan0" else x
        for x in world.sim.state.links
    )
    world.sim.state = replace(world.sim.state, units=units, links=links)


def test_the_access_point_is_there_before_any_ticket_and_its_port_stands_alone(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    assert radio_link(world).master == "br-lan" and radio_link(world).isolated
    assert wifi(world)["on"] and wifi(world)["words"] is None
    assert world.phone("status")["access_point"] == {
        "ssid": IDENTITY.ssid,
        "passphrase": IDENTITY.passphrase.reveal(),
    }


def test_a_port_that_hostapd_put_in_anew_is_isolated_again(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    links = tuple(replace(x, isolated=False) if x.name == "wlan0" else x for x in world.sim.state.links)
    world.sim.state = replace(world.sim.state, links=links)
    world.tick()
    assert radio_link(world).isolated
    assert sum(isinstance(x, AddPort) and x.port == "wlan0" for x in world.sim.done) == 2


def test_nothing_is_on_the_air_before_the_radio_obeys_japan_s_rules(make: Make) -> None:
    world = make(radios=(replace(RADIO, country="00"),))
    world.tick()
    order = [type(x) for x in world.sim.done if isinstance(x, SetCountry | RestartUnit)]
    assert order[0] is SetCountry and starts(world) == 1 and wifi(world)["on"]


def test_a_radio_that_stays_abroad_is_not_used_and_says_so(make: Make) -> None:
    world = make(radios=(replace(RADIO, country="US", self_managed=True),))
    world.tick(5)
    assert starts(world) == 0 and wifi(world)["number"] == "5-23" and not wifi(world)["on"]
    assert world.phone("status")["access_point"] is None


def test_a_muted_radio_is_unmuted_first(make: Make) -> None:
    world = make(radios=(replace(RADIO, muted=True),))
    world.tick()
    assert [x.phy for x in world.sim.done if isinstance(x, UnmuteRadio)] == ["phy0"] and wifi(world)["on"]


def test_an_access_point_that_ends_is_tried_again_at_once_and_then_after_longer_and_longer_pauses(
    make: Make,
) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    assert starts(world) == 1
    counts = []
    for _ in range(60):
        if "hostapd" in dict(world.sim.state.units):
            fall_off(world)
        world.tick()
        counts.append(starts(world))
    assert 3 <= counts[-1] <= 8  # after 2, 4, 8, 16, 32 seconds
    assert wifi(world)["number"] == "5-26" and not wifi(world)["on"]


def test_one_that_stood_for_a_while_is_started_again_soon(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick(90)
    fall_off(world)
    world.tick(4)
    assert starts(world) == 2 and wifi(world)["on"]


def test_a_line_that_somebody_put_into_the_laptops_bridge_is_taken_out(make: Make) -> None:
    world = make()
    world.joined()
    links = tuple(replace(x, master="br-lan") if x.name == "eth0" else x for x in world.sim.state.links)
    world.sim.state = replace(world.sim.state, links=links)
    world.tick()
    line = world.sim.state.link("", "eth0")
    assert line is not None and line.master == ""
    assert [x.port for x in world.sim.done if isinstance(x, RemovePort)] == ["eth0"]


def test_the_key_stands_in_no_answer_but_the_one_for_people_on_site(make: Make) -> None:
    world = make(radios=(RADIO,)).joined()
    key = IDENTITY.passphrase.reveal()
    assert key not in str(wifi(world)) and key not in str(world.role.answer({"ask": "snapshot"}, 0))
    assert IDENTITY.pin.reveal() not in str(world.phone("status"))
    assert not [x for x in world.reports if key in str(x)]
    assert isinstance(IDENTITY.passphrase, Secret)


# ---------------------------------------------------------------------------------------- sockets

FOLLOWS = replace(BOX_MACHINE, uplinks=(), ports=(), follows=True)


def plugged_box(make: Make) -> World:
    """A mini-PC with two sockets that nobody described."""
    world = make(machine=FOLLOWS)
    for number, name in enumerate(("eth0", "eth1")):
        add(world, name, bus=f"pci0000:00/0000:0{number}:00.0")
    return world


def add(world: World, name: str, **changes: Any) -> None:
    link = Link(namespace="", name=name, **changes)
    world.sim.state = replace(world.sim.state, links=(*world.sim.state.links, link))


def colours(world: World) -> dict[str, str]:
    return {x["link"]: x["role"] for x in world.phone("status")["sockets"]}


def test_a_box_that_nobody_described_finds_its_sockets(make: Make) -> None:
    world = plugged_box(make)
    world.tick(2)
    assert colours(world) == {"eth0": "line", "eth1": "laptops"}
    port, line = world.sim.state.link("", "eth1"), world.sim.state.link("", "eth0")
    assert port is not None and port.master == "br-lan" and port.isolated
    assert line is not None and line.master == "" and line.up


def test_a_phone_that_is_tethered_while_the_box_runs_becomes_its_line(make: Make) -> None:
    world = plugged_box(make)
    world.tick(2)
    add(world, "usb0", bus="pci0000:00/usb1/1-2", plugged=True, carrier=True)
    world.tick(2)
    assert colours(world)["usb0"] == "line"
    assert {"dhcp-usb0", "routers-usb0"} <= set(dict(world.sim.state.units))


def test_colours_survive_a_power_cut_although_the_first_socket_died(make: Make) -> None:
    world = plugged_box(make)
    world.tick(2)
    world.cut_power()
    add(world, "eth1", bus="pci0000:00/0000:01:00.0")
    world.tick(2)
    assert colours(world) == {"eth1": "laptops"}


# ------------------------------------------------------------------------------------- Wi-Fi as a line


def hear(world: World, *heard: Heard) -> None:
    world.sim.state = replace(world.sim.state, heard=heard)


def line_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.phone("status")["wifi_line"]
    return found


def choosing_the_hall(make: Make) -> World:
    """A box with one radio, on which somebody wrote down the hall's Wi-Fi; it was not heard yet."""
    world = make(radios=(RADIO,))
    world.tick()
    world.phone("join-wifi", ssid="hall", key="hallhall")
    return world


def test_a_chosen_network_becomes_a_line_behind_the_others_and_its_key_stays_inside(make: Make) -> None:
    world = choosing_the_hall(make)
    hear(world, Heard(ssid="hall", channel=6))
    world.tick(2)
    assert line_of(world)["state"] == "trying" and "wifi" in dict(world.sim.state.units)
    assert [x["link"] for x in world.phone("status")["uplinks"]] == ["eth0", "usb0", "wl-line"]
    assert "hallhall" not in str(world.phone("status")) + str(world.role.answer({"ask": "snapshot"}, 0))
    world.tick(25)
    assert line_of(world)["state"] == "not-let-in"
    world.sim.plug("wl-line")
    world.tick(2)
    assert line_of(world)["state"] == "joined" and "dhcp-wl-line" in dict(world.sim.state.units)
    world.phone("join-wifi", ssid="", key="")
    world.tick(2)
    assert "wifi" not in dict(world.sim.state.units) and line_of(world)["ssid"] == ""


def supplicant_runs(world: World) -> bool:
    return "wifi" in dict(world.sim.state.units)


def test_a_network_is_looked_for_by_its_name_and_joined_only_once_it_was_heard(make: Make) -> None:
    world = choosing_the_hall(make)
    world.tick(20)
    looks = [x for x in world.sim.done if isinstance(x, LookAround)]
    assert looks and looks[-1].ssid == "hall" and not supplicant_runs(world)
    hear(world, Heard(ssid="hall", channel=6))
    world.tick(2)
    assert supplicant_runs(world)
    hear(world)
    world.tick(30)
    assert supplicant_runs(world), "a look that missed it ends nothing"
    world.tick(60)
    assert not supplicant_runs(world), "what comes back may be another one"


def test_a_network_of_another_country_is_not_joined_and_the_access_point_stays(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    before = wifi(world)["channel"]
    world.phone("join-wifi", ssid="hall", key="hallhall")
    hear(world, Heard(ssid="hall", channel=13, country="US"))
    world.tick(40)
    told = world.phone("status")
    assert line_of(world)["state"] == "country" and not supplicant_runs(world)
    assert [x["refused"]["number"] for x in told["uplinks"] if x["refused"]] == ["2-29"]
    assert wifi(world)["on"] and wifi(world)["channel"] == before
    assert not [x for x in world.sim.done if isinstance(x, RestartUnit) and x.unit.name == "wifi"]
    hear(world, Heard(ssid="hall", channel=13, country="JP"))
    world.tick(3)
    assert supplicant_runs(world), "the guard: at home it is joined"


def test_a_network_that_turns_out_to_be_another_country_s_is_left(make: Make) -> None:
    world = choosing_the_hall(make)
    hear(world, Heard(ssid="hall", channel=6))
    world.tick(3)
    world.sim.plug("wl-line")
    world.tick(2)
    assert line_of(world)["state"] == "joined"
    hear(world, Heard(ssid="hall", channel=6, country="CN"))
    world.tick(2)
    assert line_of(world)["state"] == "country" and not supplicant_runs(world)


def test_while_a_radio_obeys_another_country_nothing_of_ours_is_on_the_air(make: Make) -> None:
    """Whoever brought the kernel there, a client of somebody else's network for one."""
    world = choosing_the_hall(make)
    hear(world, Heard(ssid="hall", channel=6))
    world.tick(2)
    assert {"hostapd", "wifi"} <= set(dict(world.sim.state.units))
    world.sim.state = replace(world.sim.state, radios=(replace(RADIO, country="US", self_managed=True),))
    world.tick()
    assert not {"hostapd", "wifi"} & set(dict(world.sim.state.units)) and wifi(world)["number"] == "5-23"


OUTSIDE = replace(RADIO, hears_radar=True)
STRUCK = replace(OUTSIDE, channels=tuple(replace(x, struck=x.number >= 100) for x in RADIO.channels))


@pytest.mark.parametrize("after", [STRUCK, replace(OUTSIDE, host_channel=116)])
def test_a_radar_makes_the_access_point_leave_5_ghz_until_somebody_wishes_anew(
    make: Make, after: Radio
) -> None:
    world = make(radios=(OUTSIDE,))
    world.tick()
    world.phone("set-air", place="outdoors", band="5")
    world.tick(3)
    assert wifi(world)["channel"] >= 100 and wifi(world)["words"] is None
    world.sim.state = replace(world.sim.state, radios=(after,))
    world.tick(2)
    assert wifi(world)["on"] and wifi(world)["channel"] <= 13 and wifi(world)["number"] == "5-28"
    world.sim.state = replace(world.sim.state, radios=(OUTSIDE,))
    world.tick(5)
    assert wifi(world)["channel"] <= 13, "not by itself: it would take everybody off the air for a minute"
    for wait in (1, 1800):
        world.tick(wait)
        for band in ("2.4", "5"):
            world.phone("set-air", place="", band=band)
            world.tick(2)
        assert (wifi(world)["channel"] >= 100) is (wait == 1800), "half an hour nobody may send there"
    assert wifi(world)["number"] == ""


def test_the_access_point_goes_where_its_radio_s_client_is(make: Make) -> None:
    world = choosing_the_hall(make)
    world.tick(2)
    world.sim.state = replace(world.sim.state, radios=(replace(RADIO, client="wl-line", client_channel=13),))
    world.tick(2)
    assert wifi(world)["channel"] == 13 and starts(world) == 2


def test_a_network_on_a_forbidden_channel_is_refused_in_words_and_the_access_point_stays(make: Make) -> None:
    world = choosing_the_hall(make)
    hear(world, Heard(ssid="hall", channel=36))
    world.tick(3)
    told = world.phone("status")
    assert line_of(world)["state"] == "channel" and wifi(world)["on"]
    assert [x["refused"]["number"] for x in told["uplinks"] if x["refused"]] == ["2-28"]
    assert told["reason"] == "no-ticket"  # the cable serves all the same
    world.phone("set-air", place="indoors", band="")
    world.tick(2)
    assert line_of(world)["state"] == "trying"  # the guard: indoors the access point may go there


def test_choosing_a_network_looks_around_for_a_minute_and_not_for_ever(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    world.phone("show-wifi")
    world.tick(30)
    looks = sum(isinstance(x, LookAround) for x in world.sim.done)
    assert 2 <= looks <= 5
    world.tick(120)
    assert sum(isinstance(x, LookAround) for x in world.sim.done) <= looks + 5


def test_what_is_no_place_no_band_and_no_key_is_refused(make: Make) -> None:
    world = make(radios=(RADIO,))
    world.tick()
    for code, request in (
        ("bad-request", {"ask": "set-air", "place": "moon", "band": ""}),
        ("bad-request", {"ask": "set-air", "place": "", "band": "60"}),
        ("wifi-key", {"ask": "join-wifi", "ssid": "hall", "key": "short"}),
        ("wifi-name", {"ask": "join-wifi", "ssid": "a\nb", "key": "hallhall"}),
        ("bad-request", {"ask": "join-wifi", "ssid": "hall"}),
    ):
        with pytest.raises(Refused) as no:
            world.phone(request.pop("ask"), **request)
        assert no.value.code == code
