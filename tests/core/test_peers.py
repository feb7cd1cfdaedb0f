"""Which peers the hub forgets: the ones nobody is talking through, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.machine import Peer, PeerState
from appliance.core.peers import (
    QUIET,
    ROUND,
    UNDER_WAY,
    Heard,
    deaf,
    listen,
    scouts_of_the_renewed,
    until_next_round,
    wished,
)

NOW, CLOCK = 1000.0, 1_800_000_000.0


def peer(key: str = "a", handshake: float = 0.0, received: int = 0) -> PeerState:
    return PeerState(
        public_key=key,
        endpoint="",
        allowed=("10.210.0.2/32",),
        handshake=handshake,
        received=received,
        sent=0,
    )


@pytest.mark.parametrize(
    ("handshake", "quiet", "forgotten"),
    [
        (0.0, UNDER_WAY + 1, True),
        (0.0, UNDER_WAY - 1, False),  # something came just now: its handshake may be under way
        (CLOCK - 10, 1.0, False),
        (CLOCK - 10, QUIET - 1, False),  # a line that is gone for a moment keeps its session
        (CLOCK - 10, QUIET, True),  # the box began anew: its clock may be behind its own last handshake
        (CLOCK - 179, 3.0, False),
        (CLOCK - 181, 3.0, True),
        (CLOCK + 86400, 3.0, True),  # the hub's own clock went back: the date says nothing any more
    ],
)
def test_a_peer_without_a_live_session_is_forgotten(handshake: float, quiet: float, forgotten: bool) -> None:
    heard = {"a": Heard(received=0, since=NOW - quiet)}
    assert deaf([peer(handshake=handshake)], heard, NOW, CLOCK) == ({"a"} if forgotten else set())


def test_a_counter_that_grows_is_a_sign_of_life_and_one_that_starts_again_is_not() -> None:
    heard = listen({}, [peer(received=0)], NOW)
    assert listen(heard, [peer(received=148)], NOW + 1)["a"] == Heard(received=148, since=NOW + 1)
    old = {"a": Heard(received=9000, since=NOW)}
    assert listen(old, [peer(received=9000)], NOW + 5)["a"].since == NOW
    assert listen(old, [peer(received=0)], NOW + 5)["a"] == Heard(received=0, since=NOW)
    assert listen(old, [peer(received=148)], NOW + 5)["a"].since == NOW + 5


def test_a_peer_that_left_is_not_remembered_and_a_new_one_gets_its_time() -> None:
    heard = listen({"gone": Heard(received=1, since=0.0)}, [peer("new")], NOW)
    assert heard == {"new": Heard(received=0, since=NOW)}
    assert deaf([peer("new")], heard, NOW, CLOCK) == frozenset()


def test_a_box_that_shook_hands_anew_has_its_scouts_forgotten_once() -> None:
    scouts = {"a": ("a0", "a1"), "b": ("b0",)}
    states = [peer("a", handshake=CLOCK), peer("b", handshake=CLOCK - 50), peer("c", handshake=CLOCK)]
    before = {"a": CLOCK - 120, "b": CLOCK - 50}
    assert scouts_of_the_renewed(before, states, scouts) == {"a0", "a1"}
    now = {x.public_key: x.handshake for x in states}
    assert scouts_of_the_renewed(now, states, scouts) == frozenset()


def test_only_peers_that_should_be_there_are_taken_up_again() -> None:
    ours = Peer(public_key="a", allowed=("10.210.0.2/32",))
    assert wished([ours], frozenset({"a", "stranger"})) == (ours,)


def test_the_next_round_comes_sooner_where_a_handshake_may_be_under_way() -> None:
    heard = {"a": Heard(received=148, since=NOW)}
    assert until_next_round([peer(received=148)], heard, NOW + 1, CLOCK) == UNDER_WAY
    assert until_next_round([peer(received=148)], heard, NOW + 3, CLOCK) == ROUND
    assert until_next_round([peer(received=148, handshake=CLOCK - 5)], heard, NOW + 1, CLOCK) == ROUND


def test_a_scout_is_allowed_nothing_and_left_alone() -> None:
    scout = replace(peer(), allowed=())
    heard = {scout.public_key: Heard(received=0, since=NOW - 99)}
    assert deaf([scout], heard, NOW, CLOCK) == frozenset()
    assert until_next_round([scout], {}, NOW, CLOCK) == ROUND
