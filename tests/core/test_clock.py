"""What a box believes about the time: from 1970, an hour and a day behind, ten years ahead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import clock
from appliance.core.clock import FLOOR, PHONE_AHEAD, TOLERANCE
from appliance.core.machine import HubProbe, Observed, PeerState, TunnelState
from tests.machines import DAY, NOW

HOUR, YEAR = 3600.0, 365 * DAY


@pytest.mark.parametrize(
    ("now", "mark", "becomes"),
    [
        (10.0, NOW, NOW + 1),  # 1970
        (NOW - HOUR, NOW, NOW + 1),
        (NOW - DAY, NOW, NOW + 1),
        (NOW, NOW, NOW + 1),  # exactly the mark: a handshake of that second may be known at HQ
        (NOW + 2, NOW, None),
        (NOW + 10 * YEAR, NOW, None),  # ahead may be right: only HQ can tell
        (10.0, 0.0, None),  # never heard of any time
    ],
)
def test_the_clock_is_at_least_the_mark_at_boot(now: float, mark: float, becomes: float | None) -> None:
    assert clock.at_boot(now, mark) == becomes


@pytest.mark.parametrize(
    ("now", "age", "ahead"),
    [
        (10.0, 0.2, 10.0 - NOW - 0.1),
        (NOW - HOUR, 0.0, -HOUR),
        (NOW - DAY, 0.0, -DAY),
        (NOW + 10 * YEAR, 0.0, 10 * YEAR),
        (NOW, 0.0, 0.0),
        (NOW + TOLERANCE, 0.0, 0.0),
        (NOW + 5, 6.0, 0.0),  # the answer took six seconds: our clock agrees with one of them
        (NOW + 8, 6.0, 5.0),
        (NOW - 2, 6.0, -5.0),
    ],
)
def test_a_clock_that_agrees_with_any_moment_since_we_asked_is_right(
    now: float, age: float, ahead: float
) -> None:
    assert clock.seconds_ahead(now, NOW, age) == pytest.approx(ahead)


@pytest.mark.parametrize(
    ("ahead", "since_handshake", "must"),
    [
        (-DAY, 1.0, False),  # forward never makes a handshake older
        (0.0, 1.0, False),
        (10 * YEAR, 1.0, True),
        (3.0, 1.0, True),
        (3.0, 60.0, False),  # still newer than the last handshake
    ],
)
def test_hq_must_forget_us_where_our_next_handshake_would_be_older_than_the_last(
    ahead: float, since_handshake: float, must: bool
) -> None:
    assert clock.must_be_forgotten(ahead, NOW, NOW - since_handshake) is must


def test_without_a_handshake_there_is_nothing_to_forget() -> None:
    assert not clock.must_be_forgotten(10 * YEAR, NOW, 0.0)


@pytest.mark.parametrize(
    ("now", "mark", "phone", "signed", "taken"),
    [
        (10.0, 0.0, FLOOR + DAY, False, True),
        (NOW - DAY, NOW - DAY, NOW, False, True),
        (NOW, NOW, NOW + PHONE_AHEAD, False, True),
        (NOW, NOW, NOW + PHONE_AHEAD + 1, False, False),
        (NOW, NOW, NOW + 10 * YEAR, False, False),
        (NOW, NOW, NOW - DAY, False, False),  # never back
        (NOW, NOW, NOW + DAY, True, False),  # HQ has spoken
        (NOW, NOW, 0.0, False, False),  # no script on that page
    ],
)
def test_a_phone_moves_the_clock_forward_a_little_and_only_before_hq_spoke(
    now: float, mark: float, phone: float, signed: bool, taken: bool
) -> None:
    assert clock.from_phone(now, mark, phone, signed) == (phone if taken else None)


@pytest.mark.parametrize(
    ("now", "mark", "believed"),
    [
        (10.0, 0.0, False),
        (FLOOR, 0.0, False),
        (NOW, 0.0, True),
        (NOW - HOUR, NOW, False),
        (NOW + DAY, NOW, True),
        (NOW + 10 * YEAR, NOW, False),
    ],
)
def test_an_unlikely_clock_does_not_call_a_ticket_expired(now: float, mark: float, believed: bool) -> None:
    assert clock.is_plausible(now, mark) is believed


def test_the_mark_is_saved_ten_minutes_at_a_time_and_follows_hq_back() -> None:
    assert clock.is_worth_saving(0.0, NOW)
    assert not clock.is_worth_saving(NOW, NOW + 599)
    assert clock.is_worth_saving(NOW, NOW + 600)
    assert clock.is_worth_saving(NOW + 10 * YEAR, NOW), "an HQ that was wrong once is not believed for ever"


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, '{"version":1}', None, 7, "A" * 32])
def test_only_a_nonce_is_signed(text: object) -> None:
    assert not clock.is_nonce(text)
    assert clock.is_nonce("0123456789abcdef" * 2)


def test_an_observation_moves_as_a_whole_and_what_never_happened_stays() -> None:
    peer = PeerState(public_key="a", endpoint="", allowed=(), handshake=NOW - 5, received=0, sent=0)
    never = replace(peer, handshake=0.0)
    tunnel = TunnelState(name="wg0", namespace="", public_key="", listen_port=0, mark=0, peers=(peer, never))
    seen = Observed(now=NOW, tunnel=tunnel, hub=HubProbe(at=NOW - 1, last_answer=NOW - 2))
    moved = clock.moved(seen, DAY)
    assert moved.tunnel is not None
    assert [x.handshake for x in moved.tunnel.peers] == [NOW - 5 + DAY, 0.0]
    assert (moved.now, moved.hub.at, moved.hub.last_answer) == (NOW + DAY, NOW - 1 + DAY, NOW - 2 + DAY)
    assert clock.moved(Observed(now=NOW), DAY).hub.last_answer == 0.0
