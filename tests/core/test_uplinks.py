"""Which line carries the tunnel, and what a mobile router may say."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.machine import HubProbe, LineProbe, LineState, Link, Observed, Uplink
from appliance.core.model import LineKind, LineWishes, Policy
from appliance.core.uplinks import (
    CLEARED_AFTER,
    CLEARED_BY,
    MAX_LEASE_SECONDS,
    NO_POLICY,
    NO_WISHES,
    RECLAIM_AFTER,
    SILENCE_BEFORE_SWITCH,
    Choice,
    Left,
    choose,
    kind_of,
    mark_active,
    pace_of,
    read_lease,
    uplinks_of,
)
from tests.machines import BOX_MACHINE, ETH0, NOW, USB0

FIRST = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001)
SECOND = Uplink(link="usb0", kind="usb", carrier=True, lease=USB0, table=5002)
BOTH = (FIRST, SECOND)
LOST = replace(FIRST, carrier=False, lease=None)
LONG = SILENCE_BEFORE_SWITCH + 0.1


WELL = HubProbe(state=LineState.GOOD)
DOUBTFUL = HubProbe(state=LineState.SUSPECTED)


def line(
    link: str, state: LineState, good_for: float = 0.0, answered: int = 20, rtt: float = 0.05
) -> LineProbe:
    return LineProbe(link=link, state=state, good_for=good_for, answered=answered, round_trip=rtt)


def chosen(
    uplinks: tuple[Uplink, ...],
    link: str,
    silence: float = 0.0,
    held: float = 60.0,
    turns: int = 3,
    hub: HubProbe = WELL,
    lines: tuple[LineProbe, ...] = (),
    **more: Any,
) -> Choice:
    before = Choice(link=link, since=NOW - held, turns=turns, **more)
    return choose(uplinks, before, hub, lines, silence, NOW)


# --------------------------------------------------------------------------------------- the choice


def test_the_first_line_with_an_address_is_taken() -> None:
    def first(*uplinks: Uplink) -> str:
        return choose(uplinks, Choice(), HubProbe(), (), 0.0, NOW).link

    assert first(*BOTH) == "eth0"
    assert first(LOST, SECOND) == "usb0"
    assert first(replace(FIRST, lease=None), SECOND) == "usb0"
    assert first(replace(FIRST, metered=True), SECOND) == "usb0"


def test_without_a_line_none_is_used_and_the_count_goes_on() -> None:
    gone = chosen((LOST,), "eth0", double="usb0", suspected=NOW)
    assert (gone.link, gone.since, gone.turns, gone.double, gone.suspected) == ("", NOW, 3, "", 0.0)
    assert choose((LOST,), gone, WELL, (), 0.0, NOW + 9) is gone


def test_a_pulled_cable_moves_the_tunnel_at_once() -> None:
    moved = chosen((LOST, SECOND), "eth0", held=0.1)
    assert (moved.link, moved.since, moved.turns) == ("usb0", NOW, 4)


def test_silence_moves_the_tunnel_to_the_next_line_and_round_again() -> None:
    assert chosen(BOTH, "eth0", silence=LONG).link == "usb0"
    assert chosen(BOTH, "usb0", silence=LONG).link == "eth0"
    assert chosen(BOTH, "eth0", silence=SILENCE_BEFORE_SWITCH).link == "eth0"


def test_a_line_just_taken_gets_its_time_to_answer() -> None:
    assert chosen(BOTH, "usb0", silence=100.0, held=1.0).link == "usb0"


def test_an_only_line_stays_and_the_next_of_the_hub_s_addresses_is_tried() -> None:
    assert chosen((FIRST,), "eth0", silence=LONG) == Choice(link="eth0", since=NOW, turns=4)


def test_in_doubt_the_packets_go_out_twice_and_nothing_moves_yet() -> None:
    doubt = chosen(BOTH, "eth0", hub=DOUBTFUL, lines=(line("usb0", LineState.GOOD),))
    assert (doubt.link, doubt.double, doubt.suspected) == ("eth0", "usb0", NOW)
    assert chosen(BOTH, "eth0", hub=DOUBTFUL, lines=(line("usb0", LineState.LOST),)).double == ""


@pytest.mark.parametrize(
    ("here", "there", "link"),
    [
        (LineState.LOST, LineState.GOOD, "usb0"),
        (LineState.LOSING, LineState.GOOD, "usb0"),
        (LineState.SUSPECTED, LineState.GOOD, "eth0"),
        (LineState.GOOD, LineState.GOOD, "eth0"),  # the hub is slow, not the line
        (LineState.LOST, LineState.LOST, "eth0"),  # a switch never lands on a dead line
        (LineState.LOST, LineState.UNKNOWN, "eth0"),
    ],
)
def test_the_scout_decides_between_a_doubtful_line_and_a_spare(
    here: LineState, there: LineState, link: str
) -> None:
    lines = (line("eth0", here), line("usb0", there))
    assert chosen(BOTH, "eth0", hub=DOUBTFUL, lines=lines, suspected=NOW - 0.4, double="usb0").link == link


def test_while_copies_go_out_the_echoes_prove_nothing_and_the_scout_does() -> None:
    spare = line("usb0", LineState.GOOD)

    def doubt(here: LineProbe, age: float) -> float:
        return chosen(BOTH, "eth0", lines=(here, spare), suspected=NOW - age, double="usb0").suspected

    assert doubt(line("eth0", LineState.SUSPECTED), 60.0) > 0
    assert doubt(line("eth0", LineState.GOOD), CLEARED_AFTER - 0.1) > 0
    assert doubt(line("eth0", LineState.GOOD, answered=CLEARED_BY - 1), CLEARED_AFTER + 0.1) > 0
    assert doubt(line("eth0", LineState.GOOD), CLEARED_AFTER + 0.1) == 0


def test_of_several_spares_the_measured_one_is_taken_and_the_metered_one_last() -> None:
    third = replace(SECOND, link="wwan0", table=5003, metered=True)
    fourth = replace(SECOND, link="wlan0", table=5004)
    good = {x: line(x, LineState.GOOD) for x in ("usb0", "wwan0", "wlan0")}
    dead = line("eth0", LineState.LOST)

    def spare(*lines: LineProbe) -> str:
        return chosen((FIRST, SECOND, third, fourth), "eth0", hub=DOUBTFUL, lines=(dead, *lines)).link

    assert spare(*good.values()) == "usb0"
    assert spare(line("usb0", LineState.LOST), good["wwan0"], good["wlan0"]) == "wlan0"
    assert spare(line("usb0", LineState.GOOD, rtt=2.0), good["wwan0"], good["wlan0"]) == "wlan0"
    assert spare(line("usb0", LineState.LOSING), good["wwan0"], line("wlan0", LineState.LOST)) == "wwan0"


def test_the_first_line_is_taken_back_only_after_a_while_and_only_from_calm() -> None:
    def back(held: float = 99.0, good_for: float = 99.0, hub: HubProbe = WELL, state: str = "good") -> Choice:
        lines = (line("eth0", LineState(state), good_for),)
        return chosen(BOTH, "usb0", held=held, hub=hub, lines=lines)

    assert (back().link, back().turns) == ("eth0", 3)
    assert back(held=RECLAIM_AFTER - 1).link == "usb0"
    assert back(good_for=RECLAIM_AFTER - 1).link == "usb0"
    assert back(hub=DOUBTFUL).link == "usb0"
    assert back(state="unknown").link == "usb0"


def test_a_line_that_fails_again_is_held_down_longer_each_time() -> None:
    lines = (line("eth0", LineState.LOST), line("usb0", LineState.GOOD))
    choice, moment = Choice(link="eth0", since=NOW - 99), NOW
    holds = []
    for _ in range(6):
        choice = choose(BOTH, replace(choice, link="eth0"), DOUBTFUL, lines, 0.0, moment)
        (left,) = choice.left
        holds.append(next(x for x in range(0, 1000, 5) if not left.held(moment + x)))
        moment += 300
    assert holds == [60, 120, 240, 480, 600, 600]
    calm = (line("eth0", LineState.GOOD, good_for=99.0),)
    held = replace(choice, since=moment - 99, left=(Left(link="eth0", at=moment - 30, times=1),))
    assert choose(BOTH, held, WELL, calm, 0.0, moment).link == "usb0"
    assert choose(BOTH, held, WELL, calm, 0.0, moment + 31).link == "eth0"


def test_a_metered_line_is_left_for_any_other_that_stays_good() -> None:
    uplinks = (replace(FIRST, metered=True), SECOND)
    assert chosen(uplinks, "eth0", lines=(line("usb0", LineState.GOOD, good_for=99.0),)).link == "usb0"
    assert chosen(uplinks, "usb0", lines=(line("eth0", LineState.GOOD, good_for=99.0),)).link == "usb0"


def test_an_idle_metered_line_costs_less_than_two_kilobytes_a_second() -> None:
    echo, hello = 2 * 108, 176 + 120  # bytes there and back, IPv4 headers counted
    for in_use in (True, False):
        pace = pace_of(in_use=in_use, metered=True)
        assert echo / pace.echo < 2000
        assert echo / pace_of(in_use=in_use, metered=False).echo + hello / pace.metered_spare < 3000
    assert echo / pace_of(in_use=False, metered=True).echo < 200


# ------------------------------------------------------------------------------ wishes, and both lines


def order(wishes: LineWishes = NO_WISHES, policy: Policy = NO_POLICY) -> list[tuple[str, int, bool]]:
    found = uplinks_of(BOX_MACHINE, Observed(now=NOW), wishes, policy)
    return [(x.link, x.table, x.metered) for x in found]


def test_people_on_site_come_before_hq_s_order_of_kinds_and_that_before_the_machine_s() -> None:
    own = [("eth0", 5001, False), ("usb0", 5002, False)]
    prefer_usb = Policy(prefer=(LineKind.USB,))
    assert order() == own
    assert order(policy=prefer_usb) == own[::-1]
    assert order(LineWishes(first="eth0"), prefer_usb) == own
    assert order(LineWishes(first="usb0")) == own[::-1]


def test_a_line_used_only_in_need_is_the_machine_s_hq_s_or_somebody_s_on_site() -> None:
    def needed(*, wishes: LineWishes = NO_WISHES, policy: Policy = NO_POLICY) -> list[str]:
        return [link for link, _, metered in order(wishes, policy) if metered]

    hq = Policy(in_need=(LineKind.USB,))
    assert needed() == []
    assert needed(policy=hq) == ["usb0"]
    assert needed(wishes=LineWishes(in_need=("eth0",)), policy=hq) == ["eth0", "usb0"]
    assert needed(wishes=LineWishes(freely=("usb0",)), policy=hq) == []


def test_a_wish_counts_at_once_but_never_for_a_line_that_is_not_good() -> None:
    def moved(state: LineState, *, eager: bool) -> str:
        left = (Left(link="eth0", at=NOW - 5, times=3),)
        return chosen(BOTH, "usb0", held=3.0, lines=(line("eth0", state, 1.0),), left=left, eager=eager).link

    assert moved(LineState.GOOD, eager=True) == "eth0"
    assert moved(LineState.GOOD, eager=False) == "usb0"
    assert moved(LineState.LOSING, eager=True) == "usb0"


def test_where_hq_wants_both_lines_copies_go_out_without_any_doubt() -> None:
    def second(*uplinks: Uplink, both: bool = True, state: str = "good", **more: Any) -> str:
        before = Choice(link="eth0", since=NOW - 60, **more)
        return choose(uplinks, before, WELL, (line("usb0", LineState(state)),), 0.0, NOW, both=both).double

    assert second(*BOTH) == "usb0"
    assert second(*BOTH, both=False, double="usb0") == ""
    assert second(*BOTH, state="lost") == ""
    assert second(FIRST) == ""
    assert second(FIRST, replace(SECOND, metered=True)) == "", "every byte of that line is paid for"


def test_while_both_carry_everything_the_scout_s_word_moves_the_tunnel() -> None:
    lines = (line("eth0", LineState.LOST), line("usb0", LineState.GOOD))
    before = Choice(link="eth0", since=NOW - 60, double="usb0")
    assert choose(BOTH, before, WELL, lines, 0.0, NOW, both=True).link == "usb0"
    assert choose(BOTH, before, WELL, lines, 0.0, NOW).link == "eth0", "without both the echoes would tell"


@given(
    st.lists(
        st.sampled_from([BOTH, (FIRST, replace(SECOND, lease=None)), (LOST, SECOND), (LOST,), ()]),
        max_size=20,
    ),
    st.lists(st.floats(0, 30), min_size=20, max_size=20),
    st.sampled_from([WELL, DOUBTFUL, HubProbe(state=LineState.LOST)]),
)
def test_the_choice_is_always_a_usable_line_or_none(
    seen: list[tuple[Uplink, ...]], silences: list[float], hub: HubProbe
) -> None:
    choice, now = Choice(), NOW
    for uplinks, silence in zip(seen, silences, strict=False):
        now += 1.0
        choice = choose(uplinks, choice, hub, (), silence, now)
        usable = {x.link for x in uplinks if x.usable}
        assert choice.link in usable if usable else choice.link == ""
        assert sum(x.active for x in mark_active(uplinks, choice)) == bool(usable)


# --------------------------------------------------------------------------------- what is there


def test_uplinks_are_listed_in_their_rank_whether_there_or_not() -> None:
    there = Link(namespace="", name="usb0", up=True, carrier=True)
    seen = Observed(now=NOW, links=(there,), leases=(ETH0, USB0))
    first, second = uplinks_of(BOX_MACHINE, seen)
    assert (first.link, first.carrier, first.lease, first.table) == ("eth0", False, None, 5001)
    assert (second.link, second.carrier, second.lease, second.table) == ("usb0", True, USB0, 5002)


def test_a_lease_without_its_cable_is_only_a_memory() -> None:
    down = Link(namespace="", name="eth0", up=False, carrier=True)
    assert not uplinks_of(BOX_MACHINE, Observed(now=NOW, links=(down,), leases=(ETH0,)))[0].usable


@pytest.mark.parametrize(
    ("name", "kind"),
    [("eth0", "ethernet"), ("enp3s0", "ethernet"), ("usb0", "usb"), ("enx00", "usb"), ("wwan0", "lte"), ("wlan0", "wifi"), ("br0", "ethernet")],
)  # fmt: skip
def test_the_kind_is_told_from_the_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


# ------------------------------------------------------------------------------------------- leases

GOOD: dict[str, object] = {
    "interface": "usb0",
    "ip": "192.168.8.100",
    "mask": "24",
    "router": "192.168.8.1 192.168.8.2",
    "dns": "192.168.8.1 1.1.1.1",
    "lease": "3600",
}


def test_address_first_router_and_name_servers_are_read() -> None:
    lease = read_lease(GOOD, NOW)
    assert lease is not None
    assert (lease.link, lease.address, lease.gateway) == ("usb0", "192.168.8.100/24", "192.168.8.1")
    assert (lease.dns, lease.seconds, lease.obtained) == (("192.168.8.1", "1.1.1.1"), 3600, NOW)


def test_routes_of_a_hostile_server_are_not_even_looked_at() -> None:
    assert read_lease({**GOOD, "staticroutes": "0.0.0.0/1 6.6.6.6", "routes": "x"}, NOW) == read_lease(
        GOOD, NOW
    )


@pytest.mark.parametrize(
    "change",
    [
        {"interface": "../../etc"},
        {"interface": ""},
        {"interface": "usb0\n"},
        {"interface": "x" * 16},
        {"ip": ""},
        {"ip": "192.168.8.100 accept"},
        {"ip": "192.168.8.100/8"},
        {"ip": "::1"},
        {"ip": "127.0.0.1", "router": "127.0.0.2", "mask": "8"},
        {"ip": "224.0.0.5", "router": "224.0.0.1"},
        {"ip": "0.0.0.0", "router": "0.0.0.1"},
        {"ip": "0.0.0.9", "router": "0.0.0.1"},
        {"ip": "255.255.255.255", "router": "255.255.255.1"},
        {"ip": "240.0.0.5", "router": "240.0.0.1"},
        {"ip": "192.168.8.0"},
        {"ip": "192.168.8.255"},
        {"ip": "192.168.8.1"},
        {"mask": "0"},
        {"mask": "31"},
        {"mask": "32"},
        {"mask": "33"},
        {"mask": "255.0.255.0"},
        {"router": ""},
        {"router": "10.0.0.1"},
        {"router": "192.168.8.1; reboot"[:11] + ";"},
        {"router": "fe80::1"},
    ],
)
def test_what_no_server_may_say_is_no_lease(change: dict[str, object]) -> None:
    assert read_lease({**GOOD, **change}, NOW) is None


@pytest.mark.parametrize(
    ("change", "dns", "seconds"),
    [
        ({"dns": "x 127.0.0.1 192.168.8.1"}, ("192.168.8.1",), 3600),
        ({"dns": "1.1.1.1 1.0.0.1 8.8.8.8 9.9.9.9"}, ("1.1.1.1", "1.0.0.1", "8.8.8.8"), 3600),
        ({"lease": "4294967295"}, ("192.168.8.1", "1.1.1.1"), MAX_LEASE_SECONDS),
        ({"lease": "-1"}, ("192.168.8.1", "1.1.1.1"), 0),
        ({"lease": "9" * 5000}, ("192.168.8.1", "1.1.1.1"), 0),
        ({"lease": None}, ("192.168.8.1", "1.1.1.1"), 0),
        ({"mask": ""}, ("192.168.8.1", "1.1.1.1"), 3600),
    ],
)
def test_what_may_be_missing_or_odd_does_not_spoil_the_rest(
    change: dict[str, object], dns: tuple[str, ...], seconds: int
) -> None:
    lease = read_lease({**GOOD, **change}, NOW)
    assert lease is not None and (lease.dns, lease.seconds) == (dns, seconds)


ANY = st.text(max_size=20) | st.integers() | st.none() | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), ANY | st.ip_addresses(v=4).map(str)))
def test_whatever_it_says_a_lease_is_sound_or_none(change: dict[str, object]) -> None:
    lease = read_lease({**GOOD, **change}, NOW)
    if lease is not None:
        network = ipaddress.IPv4Interface(lease.address).network
        assert ipaddress.IPv4Address(lease.gateway) in network and 1 <= network.prefixlen <= 30
        assert lease.link.isascii() and "/" not in lease.link and 0 <= lease.seconds <= MAX_LEASE_SECONDS
        assert all(ipaddress.IPv4Address(x) for x in lease.dns)


def test_a_clock_that_is_set_moves_every_moment_of_the_choice() -> None:
    choice = Choice(link="eth0", since=10.0, suspected=12.0, left=(Left(link="usb0", at=9.0, times=2),))
    moved = choice.moved(100.0)
    assert (moved.since, moved.suspected, moved.left[0].at) == (110.0, 112.0, 109.0)
    assert Choice(link="eth0", since=10.0).moved(5.0).suspected == 0.0
