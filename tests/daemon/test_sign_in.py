"""A phone passes a line's sign-in page: the whole loop in memory, with each way in which the hole must end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.machine import Finding, LaptopLease, PortalProbe
from appliance.core.model import Phase, Reason
from appliance.core.words import Refused
from tests.daemon.world import World

PHONE = LaptopLease(mac="02:00:00:00:00:77", address="10.211.0.7", host="phone")


@pytest.fixture
def held(world: World) -> World:
    """Joined, with HQ's permission; then its line asked for a sign-in."""
    world.joined()
    world.end_proof()
    world.staff("set-policy", box="", changes={"sign_in": True}, by="test")
    world.tick(15)
    world.internet.clear()
    world.sim.state = replace(
        world.sim.state, laptops=(PHONE,), portal=PortalProbe(link="eth0", finding=Finding.CAPTIVE)
    )
    world.tick(10)
    assert world.reason is Reason.LINE_CAPTIVE
    return world


def begin(world: World) -> None:
    world.phone("sign-in", visitor=PHONE.address)
    world.tick()
    assert (world.phase, world.reason) == (Phase.SIGN_IN, Reason.SIGNING_IN)
    assert there(world)


def there(world: World) -> bool:
    """Whether anything of the hole is left: the relay, rules in either namespace, or the route's rule."""
    state, machine = world.sim.state, world.machine
    parts = (
        state.hole is not None,
        "sign-in" in world.sim.rulesets[machine.field],
        "sign-in" in world.sim.rulesets[machine.outside],
        any(x.mark == 0x4E57 for x in state.rules),
    )
    assert len(set(parts)) == 1, parts
    return parts[0]


def ended(world: World) -> str:
    assert not there(world)
    found: str = world.phone("status")["sign_in"]["ended"]
    return found


def test_it_is_open_for_ten_minutes_and_desktops_for_nobody(held: World) -> None:
    begin(held)
    assert not held.open and not any(x["open"] for x in held.phone("status")["desktops"])
    held.tick(58, seconds=10)
    assert there(held)
    held.tick(3, seconds=10)
    assert ended(held) == "time"


def test_it_ends_when_hq_answers(held: World) -> None:
    begin(held)
    held.internet.add("eth0")
    held.until(Phase.PROTECTED)
    assert ended(held) == "done"


def test_it_ends_when_the_phone_leaves(held: World) -> None:
    begin(held)
    held.sim.state = replace(held.sim.state, laptops=())
    held.tick()
    assert ended(held) == "gone"


def test_it_ends_when_the_line_changes(held: World) -> None:
    begin(held)
    held.unplug("eth0")
    held.tick()
    assert ended(held) == "line"


def test_it_ends_when_somebody_says_so(held: World) -> None:
    begin(held)
    held.phone("end-sign-in")
    assert ended(held) == "person"


def test_it_ends_when_hq_withdraws_its_permission(held: World) -> None:
    begin(held)
    assert held.role._config.assignment is not None
    policy = replace(held.role._config.assignment.policy, sign_in=False)
    held.role._kept.config = replace(
        held.role._config, assignment=replace(held.role._config.assignment, policy=policy)
    )
    held.tick()
    assert ended(held) == "withdrawn"


def test_nothing_of_it_outlives_the_daemon_or_the_power(held: World) -> None:
    begin(held)
    held.sim.state = replace(held.sim.state, hole=None)  # the relay holds the daemon's pipe
    held.start_daemon()
    held.tick()
    assert not there(held)
    held.tick(10)
    assert held.reason is Reason.LINE_CAPTIVE
    begin(held)
    held.cut_power()
    held.tick()
    assert held.sim.state.hole is None and "sign-in" not in held.sim.rulesets[held.machine.outside]


def test_a_clock_that_is_set_meanwhile_neither_prolongs_nor_ends_it(held: World) -> None:
    begin(held)
    since = held.role._signing_in.since
    held.role._mind_clock()
    assert held.role._signing_in.since == since
    held.role._signing_in.shift(3600.0)
    assert held.role._signing_in.since == since + 3600.0


def test_without_hqs_permission_there_is_no_hole(world: World) -> None:
    world.joined()
    with pytest.raises(Refused, match="sign-in-not-allowed"):
        world.phone("sign-in", visitor=PHONE.address)
    world.tick()
    assert not there(world)


def test_while_all_is_well_there_is_no_hole_and_no_check(world: World) -> None:
    world.joined()
    world.staff("set-policy", box="", changes={"sign_in": True}, by="test")
    world.tick(15)
    assert world.phone("status")["sign_in"]["offered"] is False
    with pytest.raises(Refused, match="sign-in-not-needed"):
        world.phone("sign-in", visitor=PHONE.address)
    assert world._target.portal is None
    assert f"{0x4E56:#x}" not in world.sim.rulesets[world.machine.outside]
