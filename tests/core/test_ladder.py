"""Which of HQ's doors a line takes: down at once when it falls silent, up only when a better one is sure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import ladder
from appliance.core.ladder import (
    Foot,
    Rung,
    Seen,
    Way,
    endpoint,
    remember,
    rungs,
    search_line,
    stand,
    within_reach,
)
from appliance.core.machine import DoorProbe, Uplink
from appliance.core.model import Entrance, LineEntrance, LineKind, Policy
from tests.machines import ETH0, NOW, SHELTER

ENTRANCE = Entrance(ports=(443, 53), relay_port=443, relay_pin="ab" * 32)
LADDER = rungs(("203.0.113.10:51820",), ENTRANCE)
USUAL, QUIC, NAMES, RELAY = LADDER
LINE = "ethernet 02:00:00:00:00:99"
ETHERNET = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)


def foot(rung: Rung = USUAL, since: float = 100.0, **more: object) -> Foot:
    return Foot(link="eth0", line=LINE, rung=rung, since=NOW - since, **more)  # type: ignore[arg-type]


def open_doors(*rungs: Rung, answered: int = 1, age: float = 0.5) -> dict[str, DoorProbe]:
    return {x.label: DoorProbe(link="eth0", label=x.label, answered=answered, age=age) for x in rungs}


def after(before: Foot | None, remembered: str = "", now: float = NOW, **seen: object) -> Foot:
    known = Seen(line=LINE, **seen)  # type: ignore[arg-type]
    return stand(before, "eth0", LADDER, remembered, known, now)


def test_the_ladder_is_the_usual_door_then_other_ports_then_the_relay() -> None:
    assert [x.label for x in LADDER] == [
        "udp/203.0.113.10:51820",
        "udp/203.0.113.10:443",
        "udp/203.0.113.10:53",
        "relay/203.0.113.10:443",
    ]


def test_every_address_is_tried_at_one_port_before_any_at_the_next() -> None:
    found = rungs(("203.0.113.10:51820", "203.0.113.11:51821"), Entrance(ports=(443,)), ("203.0.113.12",))
    assert [x.label for x in found] == [
        "udp/203.0.113.10:51820",
        "udp/203.0.113.11:51821",
        "udp/203.0.113.12:51820",
        "udp/203.0.113.10:443",
        "udp/203.0.113.11:443",
        "udp/203.0.113.12:443",
    ]


def test_a_hub_without_further_doors_has_a_ladder_of_its_addresses() -> None:
    assert [x.address for x in rungs(("203.0.113.10:51820", "[2001:db8::10]:51820"), Entrance())] == [
        "203.0.113.10",
        "2001:db8::10",
    ]


def test_however_many_addresses_a_name_has_the_ladder_stays_short() -> None:
    many = tuple(f"198.51.100.{x}" for x in range(100))
    assert len(rungs(("203.0.113.10:51820",), ENTRANCE, many)) == ladder.MOST_RUNGS


def test_a_line_takes_the_rungs_of_its_own_address_family() -> None:
    both = rungs(("203.0.113.10:51820", "[2001:db8::10]:51820"), ENTRANCE)
    assert {":" in x.address for x in within_reach(both, ETHERNET)} == {False}
    only = rungs(("[2001:db8::10]:51820",), Entrance())
    assert within_reach(only, ETHERNET) == only


def test_an_ipv6_line_reaches_ipv4_doors_by_its_nat64_behind_hqs_own_ipv6_ones() -> None:
    lease = replace(ETH0, address="2001:db8:b::7/128", gateway="fe80::1")
    line = replace(ETHERNET, lease=replace(lease, nat64="64:ff9b::/96"))
    doors = rungs(("203.0.113.10:51820", "[2001:db8::10]:51820"), Entrance())
    assert [x.address for x in within_reach(doors, line)] == ["2001:db8::10", "64:ff9b::cb00:710a"]
    assert [x.address for x in within_reach(LADDER[:1], line)] == ["64:ff9b::cb00:710a"]
    assert within_reach(LADDER, replace(line, lease=lease)) == LADDER, (
        "without one there is no way but to wait"
    )


@pytest.mark.parametrize(
    ("before", "remembered", "rung"),
    [
        (None, "", USUAL),
        (None, RELAY.label, RELAY),
        (None, "udp/192.0.2.1:51820", USUAL),  # HQ has moved since
        (foot(QUIC), "", QUIC),
        (foot(QUIC), RELAY.label, QUIC),  # what works now counts more than what did
        (foot(replace(QUIC, port=9)), "", USUAL),  # HQ has closed that door
        (replace(foot(QUIC), line="usb 02:00:00:00:00:01"), "", USUAL),  # another router at the same socket
        (replace(foot(QUIC), line="usb 02:00:00:00:00:01"), NAMES.label, NAMES),
        (replace(foot(QUIC), line=""), RELAY.label, QUIC),
    ],
)
def test_a_line_begins_where_it_worked_last(before: Foot | None, remembered: str, rung: Rung) -> None:
    assert after(before, remembered).rung == rung


def test_a_silent_line_goes_where_it_worked_as_soon_as_its_router_is_known() -> None:
    fresh = replace(foot(since=0.5), line="")
    assert after(fresh, RELAY.label, silent=0.5).rung == RELAY


@pytest.mark.parametrize(
    ("since", "silent", "doors", "rung"),
    [
        (100, 1.0, (QUIC,), USUAL),  # not long enough
        (1.0, 9.0, (QUIC,), USUAL),  # just arrived here
        (100, 2.0, (), USUAL),  # nobody answers anywhere: the line itself is dead
        (100, 2.0, (QUIC, RELAY), QUIC),
        (100, 2.0, (RELAY,), RELAY),
        (100, None, (RELAY,), USUAL),  # a spare found dead this moment
        (100, 2.0, (USUAL, QUIC), USUAL),  # the door is open, the session takes its time
        (100, 21.0, (USUAL, QUIC), QUIC),  # hellos pass and data do not
    ],
)
def test_a_silent_line_takes_the_best_door_that_answers(
    since: float, silent: float | None, doors: tuple[Rung, ...], rung: Rung
) -> None:
    assert after(foot(since=since), silent=silent, doors=open_doors(*doors)).rung == rung


def test_a_spare_that_stays_dead_takes_the_door_that_answers() -> None:
    dead = after(foot(), silent=None)
    assert dead.quiet == NOW
    later = after(dead, silent=None, now=NOW + 2, doors=open_doors(RELAY))
    assert later.rung == RELAY


def test_an_old_answer_counts_no_more() -> None:
    assert after(foot(), silent=5.0, doors=open_doors(QUIC, age=4.0)).rung == USUAL


def test_before_hq_knows_the_key_every_rung_has_its_turn_and_more_time_in_each_round() -> None:
    here, now, taken = foot(since=0.0), NOW, []
    for _ in range(80):
        now += 0.25
        before, here = here, after(here, now=now, silent=now - here.since, alone=True)
        if here.rung != before.rung:
            taken.append((here.rung, now - before.since))
    assert [x for x, _ in taken[:5]] == [QUIC, NAMES, RELAY, USUAL, QUIC]
    assert taken[0][1] <= 1.75 < taken[4][1]


def test_a_line_whose_scouts_nobody_answers_tries_on_after_half_a_minute() -> None:
    assert after(foot(), silent=29.0).rung == USUAL
    assert after(foot(), silent=31.0).rung == QUIC


@pytest.mark.parametrize(("answered", "rung"), [(1, RELAY), (2, RELAY), (3, QUIC)])
def test_a_better_door_is_taken_once_it_is_sure(answered: int, rung: Rung) -> None:
    assert after(foot(RELAY), doors=open_doors(QUIC, answered=answered)).rung == rung


def test_a_worse_door_is_never_taken_while_this_one_works() -> None:
    assert after(foot(QUIC), doors=open_doors(RELAY, NAMES, answered=9)).rung == QUIC


def test_a_door_that_fell_silent_is_not_gone_back_to_for_a_while_and_longer_each_time() -> None:
    fell = after(foot(), silent=2.0, doors=open_doors(RELAY))
    back = open_doors(USUAL, answered=5)
    assert after(fell, now=NOW + 59, doors=back).rung == RELAY
    again = after(fell, now=NOW + 61, doors=back)
    assert again.rung == USUAL
    twice = after(again, now=NOW + 70, silent=3.0, doors=open_doors(RELAY))
    assert twice.rung == RELAY
    assert after(twice, now=NOW + 70 + 61, doors=back).rung == RELAY
    assert after(twice, now=NOW + 70 + 121, doors=back).rung == USUAL


def test_a_clock_that_was_set_changes_nothing() -> None:
    fell = after(foot(), silent=2.0, doors=open_doors(RELAY)).moved(1e9)
    assert after(fell, now=NOW + 59 + 1e9, doors=open_doors(USUAL, answered=5)).rung == RELAY


def test_a_kind_of_line_with_an_entrance_of_its_own_climbs_there() -> None:
    own = LineEntrance(kind=LineKind.LTE, endpoints=("10.99.0.1:51820",))
    assert SHELTER.assignment is not None
    assignment = replace(SHELTER.assignment, policy=Policy(entrances=(own,)), entrance=Entrance(ports=(443,)))
    config = replace(SHELTER, assignment=assignment)
    assert [x.label for x in ladder.ladder_of(config, "lte")] == ["udp/10.99.0.1:51820", "udp/10.99.0.1:443"]
    assert ladder.ladder_of(config, "wifi") == ladder.ladder_of(config) != ladder.ladder_of(config, "lte")


# -------------------------------------------------------------------------------------------- whom to ask


def test_a_line_at_the_top_that_answers_is_asked_nothing() -> None:
    assert search_line(foot(), LADDER, {}, ETHERNET, NOW) is None


def test_a_silent_line_is_asked_everywhere_quickly_and_then_slowly() -> None:
    def pace(silence: float, uplink: Uplink = ETHERNET) -> float:
        line = search_line(foot(quiet=NOW - silence), LADDER, {}, uplink, NOW)
        assert line is not None
        assert [x.label for x in line.asks] == [x.label for x in LADDER]
        return line.pace

    assert (pace(1.0), pace(60.0)) == (1.0, 5.0)
    assert pace(60.0, replace(ETHERNET, metered=True, active=False)) == 60.0
    assert search_line(foot(quiet=NOW - 0.3), LADDER, {}, ETHERNET, NOW) is None


def test_a_line_below_the_top_is_asked_at_the_better_doors_only_and_ever_more_rarely() -> None:
    def asked(stood: float, doors: dict[str, DoorProbe] | None = None) -> tuple[int, float]:
        line = search_line(foot(RELAY, since=stood), LADDER, doors or {}, ETHERNET, NOW)
        assert line is not None
        return len(line.asks), line.pace

    assert [asked(x) for x in (1, 10, 30, 3600)] == [(3, 2.0), (3, 5.0), (3, 15.0), (3, 30.0)]
    assert asked(3600, open_doors(QUIC)) == (3, 1.0)


def test_the_relay_of_each_line_has_its_own_place_on_loopback() -> None:
    second = replace(ETHERNET, number=1)
    assert endpoint(RELAY, ETHERNET) != endpoint(RELAY, second)
    assert endpoint(RELAY, ETHERNET).startswith("127.0.0.1:")
    assert endpoint(QUIC, ETHERNET) == endpoint(QUIC, second) == "203.0.113.10:443"


# ------------------------------------------------------------------------------------------- what worked


def test_what_worked_is_remembered_by_router_and_the_usual_door_needs_no_memory() -> None:
    assert remember((), foot(), LADDER, NOW) == ()
    known = remember((), foot(RELAY), LADDER, NOW)
    assert known == ((LINE, RELAY.label),)
    assert remember(known, foot(RELAY), LADDER, NOW) is known
    assert remember(known, foot(), LADDER, NOW) == ()


@pytest.mark.parametrize(
    "unsure", [foot(RELAY, since=1.0), foot(RELAY, quiet=NOW - 1), replace(foot(RELAY), line="")]
)
def test_what_is_not_proven_is_not_remembered(unsure: Foot) -> None:
    assert remember((), unsure, LADDER, NOW) == ()


def test_the_memory_is_bounded_and_the_oldest_lines_are_forgotten() -> None:
    known: ladder.Memories = ()
    for x in range(100):
        known = remember(known, replace(foot(QUIC), line=f"wifi {x}"), LADDER, NOW)
    assert len(known) == ladder.REMEMBERED
    assert known[0][0] == "wifi 99"


def test_only_relays_lead_over_loopback() -> None:
    assert [x.way for x in LADDER if endpoint(x, ETHERNET).startswith("127.")] == [Way.RELAY]
