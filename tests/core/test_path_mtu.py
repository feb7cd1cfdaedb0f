"""The search finds the largest size that passes, whatever it is, in few rounds; and what a line is remembered by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import path_mtu
from appliance.core.lease import Lease
from appliance.core.machine import PathProbe, Uplink
from appliance.core.path_mtu import BOTTOM, START, STEP, TOP, Search, answered, missed

LEASE = Lease(link="eth0", address="192.168.1.100/24", gateway="192.168.1.1")
LINE = Uplink(link="eth0", kind="ethernet", carrier=True, lease=LEASE, table=5001, active=True)
SPARE = replace(LINE, link="usb0", active=False, table=5002)


def searched(carries: int, search: Search | None = None) -> tuple[int, list[int]]:
    """What the search finds on a line that carries so much, and what it asked on the way."""
    search = search or Search()
    asked: list[int] = []
    while size := search.asks:
        assert not asked or len(asked) < 40
        asked.append(size)
        search = (answered if size <= carries else missed)(search, size)
    return search.found, asked


def test_most_lines_are_known_after_one_round() -> None:
    assert searched(TOP) == (TOP, [TOP])


@pytest.mark.parametrize(
    ("line", "outer", "found"),
    [
        (1500, 60, 1280),
        (1340, 60, 1280),
        (1339, 60, 1264),
        (1300, 60, 1232),
        (1280, 60, 1216),
        (1300, 80, 1216),
        (1280, 80, 1200),
        (576, 60, 512),
    ],
)
def test_a_narrow_line_gets_what_fits_with_the_tunnels_own_octets(line: int, outer: int, found: int) -> None:
    size, asked = searched(line - outer)
    assert size == found
    assert len(asked) <= 8 * path_mtu.MISSES


@pytest.mark.parametrize("carries", range(BOTTOM, TOP + 1))
def test_what_is_found_passes_and_one_step_more_would_not(carries: int) -> None:
    size, asked = searched(carries)
    assert size <= carries < size + STEP or size == TOP
    assert all(x % STEP == 0 for x in asked)


def test_a_line_that_carries_nothing_is_given_the_least() -> None:
    assert searched(0)[0] == BOTTOM


def test_one_lost_round_is_not_believed() -> None:
    search = missed(Search(), TOP)
    assert search.asks == TOP
    assert answered(search, TOP).found == TOP


def test_what_shrank_is_searched_below() -> None:
    found, asked = searched(1216, path_mtu.shrunk(TOP))
    assert found == 1216
    assert asked[0] == START


def test_a_narrow_line_is_used_narrowly_before_the_search_is_over() -> None:
    search = missed(missed(Search(), TOP), TOP)
    assert not search.over
    assert search.telling
    assert search.found == START
    search = missed(missed(search, START), START)
    assert search.found == BOTTOM


def test_a_size_is_remembered_for_the_socket_and_who_is_behind_it() -> None:
    line = path_mtu.line_of((LINE, SPARE))
    known = (PathProbe(line=line, size=1216),)
    assert path_mtu.size_of(known, line, TOP) == 1216
    for lease in (replace(LEASE, gateway="192.168.1.254"), replace(LEASE, address="192.168.1.7/24")):
        other = path_mtu.line_of((replace(LINE, lease=lease), SPARE))
        assert path_mtu.size_of(known, other, TOP) == TOP


def test_nothing_is_measured_without_a_line_or_while_two_carry_copies() -> None:
    assert path_mtu.line_to_measure((LINE, SPARE)) == path_mtu.line_of((LINE, SPARE))
    assert path_mtu.line_to_measure((SPARE,)) == ""
    assert path_mtu.line_to_measure((LINE, replace(SPARE, doubled=True))) == ""


def test_without_a_line_or_a_measurement_what_was_right_before_stays() -> None:
    assert path_mtu.size_of((), "", START) == START
    assert path_mtu.size_of((), path_mtu.line_of((LINE,)), TOP) == TOP
