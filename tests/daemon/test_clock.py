"""A box whose clock is wrong, and an HQ whose WireGuard answers no handshake older than the last: from 1970, an hour and
a day behind, ten years ahead, at the start and in the middle of work."""

from __future__ import annotations

import json

import pytest

from appliance.core.clock import SAVE_AFTER
from appliance.core.model import Phase, Reason
from appliance.core.plan import ForgetPeers
from appliance.core.words import Refused
from appliance.host import mark as file
from tests.daemon.world import World
from tests.machines import DAY

HOUR, YEAR = 3600.0, 365 * DAY
WRONG = {"1970": -56 * YEAR, "-1 hour": -HOUR, "-1 day": -DAY, "+10 years": 10 * YEAR}
every_clock = pytest.mark.parametrize("error", WRONG.values(), ids=WRONG)


def mark(world: World) -> float:
    return file.read(world.state / "clock.mark")


@every_clock
def test_a_box_fresh_from_its_carton_joins_with_any_clock_and_has_the_right_time_then(
    world: World, error: float
) -> None:
    world.clock.error = error
    world.plug("eth0", "port1")
    world.tick(3)
    world.phone("redeem", ticket=world.invite())
    started = world.now()
    world.until(Phase.PROTECTED)
    world.tick(5)
    assert world.now() - started < 20
    assert abs(world.clock.error) < 2
    assert (world.phase, world.open) == (Phase.PROTECTED, True)
    assert abs(mark(world) - world.now()) < 60


@every_clock
def test_after_a_power_cut_with_any_clock_the_box_is_up_within_fifteen_seconds(
    world: World, error: float
) -> None:
    world.joined()
    world.tick(90)
    world.clock.error = error
    before = mark(world)
    world.cut_power()
    assert world.clock.now() >= before + 1
    world.tick(20)  # until a real machine has booted
    world.until(Phase.PROTECTED, most=15)
    world.tick(5)
    assert abs(world.clock.error) < 2
    assert world.phase is Phase.PROTECTED
    assert before <= mark(world) < world.now()
    assert world.now() - mark(world) < SAVE_AFTER


@every_clock
def test_a_clock_that_is_set_wrong_in_the_middle_of_work_is_right_again_soon(
    world: World, error: float
) -> None:
    world.joined()
    world.tick(30)
    world.clock.error = error
    world.tick(10)
    assert abs(world.clock.error) < 2
    world.until(Phase.PROTECTED, most=15)
    assert abs(mark(world) - world.now()) < 60


def test_milestones_and_the_time_of_a_phase_move_with_the_clock(world: World) -> None:
    world.clock.error = -56 * YEAR
    world.joined()
    world.tick(5)
    status = world.phone("status")
    assert all(world.now() - 60 < x <= world.now() + 2 for x in status["milestones"].values())
    assert world.now() - 60 < status["since"] <= world.now() + 2


def test_while_hq_is_asked_to_forget_the_box_says_why_it_waits(world: World) -> None:
    world.clock.error = 10 * YEAR
    world.joined()
    world.tick(5)
    assert (Phase.CONNECTING, Reason.CLOCK_WRONG) in world.phases


def test_an_hq_that_was_ten_years_ahead_once_is_not_believed_for_ever(world: World) -> None:
    world.joined()
    world.tick(20)
    world.hq_error = 10 * YEAR
    world.tick(80)
    assert mark(world) > world.now() + YEAR
    assert world.clock.error > YEAR
    world.hq_error = 0.0
    world.tick(80)
    world.cut_power()
    world.tick(60)
    assert abs(world.clock.error) < 2
    assert world.phase is not Phase.CONNECTING
    assert abs(mark(world) - world.now()) < SAVE_AFTER


def test_every_report_asks_until_hq_has_answered_and_one_a_minute_after_that(world: World) -> None:
    world.joined()
    world.tick(5)
    count = len(world.reports)
    world.tick(120)
    asked = [x for x in world.reports[count:] if x.get("nonce")]
    assert 1 <= len(asked) <= 3
    assert "nonce" in json.dumps(world.reports[0])


def test_a_phone_shortens_the_first_minute_but_moves_no_mark(world: World) -> None:
    world.clock.error = -56 * YEAR
    world.plug("eth0", "port1")
    world.internet.clear()
    world.tick(3)
    world.phone("redeem", ticket=world.invite(), clock=world.now() - 3)
    assert abs(world.clock.error) < 5
    assert not (world.state / "clock.json").exists()


@pytest.mark.parametrize("told", [None, "soon", True, -5.0, 1e300, [], {}])
def test_a_phone_that_tells_nonsense_is_not_believed(world: World, told: object) -> None:
    world.clock.error = -DAY
    world.plug("eth0")
    world.tick(3)
    before = world.clock.error
    world.phone("redeem", ticket=world.invite(), clock=told)
    assert world.clock.error == before


def test_hq_signs_its_time_over_a_question_and_nothing_else(world: World) -> None:
    world.joined()
    for nonce in ("", "1" * 31, '{"version":9}', "G" * 32):
        assert world._intake("time", box="box-0001", nonce=nonce)["error"]["code"] == "bad-value"
    with pytest.raises(Refused, match="not-allowed"):
        world.staff("time", box="box-0001", nonce="1" * 32)
    body = json.loads(json.loads(world._intake("time", box="box-0001", nonce="1" * 32)["paper"])["body"])
    assert body == {"nonce": "1" * 32, "time": pytest.approx(world.now(), abs=5), "forgets": False}


def test_the_hub_leaves_live_sessions_alone_and_forgets_the_rest(world: World) -> None:
    world.joined()
    world.tick(60)
    box = world.hub_config().boxes[0].tunnel_public
    forgotten = [y.public_key for x in world.hub_machine.done if isinstance(x, ForgetPeers) for y in x.peers]
    assert box not in forgotten
    world.unplug("eth0")
    world.tick(40)
    forgotten = [y.public_key for x in world.hub_machine.done if isinstance(x, ForgetPeers) for y in x.peers]
    assert box in forgotten
    assert world.staff("fleet")["boxes"][0]["handshake"] > 0, "HQ still knows when it was here last"
