"""The modem from turn to turn: told once, told again after a pause, told at once when somebody wrote down another network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from appliance.core.machine import Desired, Machine, Observed
from appliance.core.model import Config, MobileNetwork, Reason
from appliance.core.modem import Mobile, Order
from appliance.core.words import Refused
from appliance.dialling import Dialling
from tests.core.test_modem_line import CONNECTED, READY
from tests.daemon.world import World
from tests.machines import FACTORY, NOW

Make = Callable[..., World]
HERE = Mobile(hardware=True, modems=(READY,))
IMAGE = Machine(systemd=True)


class Turns:
    def __init__(self) -> None:
        self.now = 100.0
        self.dialling = Dialling(lambda: self.now)

    def turn(self, mobile: Mobile, config: Config = FACTORY, after: float = 1.0) -> Desired:
        self.now += after
        self.dialling.look(config, Observed(now=NOW, mobile=mobile))
        return self.dialling.with_modem(Desired(), IMAGE, config)

    def order(self, mobile: Mobile, config: Config = FACTORY, after: float = 1.0) -> Order | None:
        return self.turn(mobile, config, after).order


def test_a_box_without_a_modem_runs_no_modemmanager() -> None:
    turns = Turns()
    assert turns.turn(Mobile()) == Desired() and turns.dialling.view(FACTORY) is None


def test_once_there_was_a_modem_its_program_stays_for_the_moment_in_which_it_resets_itself() -> None:
    turns = Turns()
    for mobile in (Mobile(hardware=True), HERE, Mobile()):
        assert [x.name for x in turns.turn(mobile).units] == ["modems"]


def test_where_no_systemd_keeps_programs_modemmanager_is_not_ours_to_run() -> None:
    turns = Turns()
    turns.turn(HERE)
    assert turns.dialling.with_modem(Desired(), Machine(), FACTORY).units == ()


def test_it_is_told_once_and_again_after_longer_and_longer_pauses() -> None:
    turns, told = Turns(), []
    failed = 0
    for second in range(100):
        if turns.order(replace(HERE, failed=failed)) is not None:
            told.append(second)
            failed += 1
    assert told == [0, 6, 17, 38, 79]


def test_an_order_under_way_is_not_given_again() -> None:
    turns = Turns()
    assert turns.order(HERE) is not None
    assert all(turns.order(replace(HERE, busy=True)) is None for _ in range(60))


def test_another_network_is_tried_at_once_and_a_standing_connection_is_ended_for_it() -> None:
    turns, other = Turns(), replace(FACTORY, mobile=MobileNetwork(apn="office.example"))
    turns.order(HERE)
    assert turns.order(replace(HERE, failed=5)) is None
    found = turns.order(replace(HERE, failed=5), other, after=0.1)
    assert found is not None and found.apn == "office.example"
    standing = replace(HERE, modems=(CONNECTED,))
    assert turns.order(standing, other, after=20.0) is None
    again = turns.order(standing, FACTORY, after=20.0)
    assert again is not None and again.hang_up and again.apn == ""


def test_words_come_with_what_is_missing_and_go_when_it_stands() -> None:
    turns = Turns()
    turns.turn(replace(HERE, failed=1))
    view = turns.dialling.view(FACTORY)
    assert view is not None and view["number"] == "2-36" and not view["connected"]
    turns.turn(replace(HERE, modems=(CONNECTED,)))
    view = turns.dialling.view(FACTORY)
    assert view is not None and view["words"] is None and view["connected"] and view["operator"] == "KDDI"


# ------------------------------------------------------------------------------------ on a whole box


def test_a_modem_without_a_sim_is_what_a_box_without_a_line_says(make: Make) -> None:
    world = make()
    world.joined()
    world.unplug("eth0")
    no_sim = replace(READY, no_sim=True)
    world.sim.state = replace(world.sim.state, mobile=Mobile(hardware=True, modems=(no_sim,)))
    world.tick(200)
    assert world.phone("status")["reason"] == Reason.MODEM_NO_SIM.value


def test_what_people_write_down_is_kept_and_the_password_never_shown(make: Make) -> None:
    world = make()
    world.phone("set-apn", apn="office.example", user="town", password="s3cret", auth="chap")
    shown = world.phone("status")["modem"]
    assert (shown["apn"], shown["user"], shown["auth"]) == ("office.example", "town", "chap")
    assert "s3cret" not in str(world.phone("status"))
    world.phone("set-apn", apn="office.example", user="town", password="", auth="pap")
    assert "s3cret" in (world.state / "config.json").read_text()  # left empty: as it was
    world.phone("set-apn", apn="", user="", password="", auth="")
    assert world.phone("status")["modem"] is None
    with pytest.raises(Refused):
        world.phone("set-apn", apn="a b", user="", password="", auth="")
