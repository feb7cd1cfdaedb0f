"""From the carton to the desktop, and back from every power cut on the way."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from appliance.core.model import BoxState, JoinStage, Phase, Reason
from appliance.core.words import Refused
from tests.daemon.world import World


def test_a_box_walks_from_its_carton_to_an_open_desktop(world: World) -> None:
    world.tick(2)
    assert (world.phase, world.reason) == (Phase.SETUP, Reason.NO_TICKET)
    world.plug("eth0", "port1")
    world.tick(2)
    text = world.invite()
    assert world.phone("read-ticket", ticket=text)["site"] == "柿崎総合体育館"
    assert world.phone("redeem", ticket=text) == {"site": "柿崎総合体育館"}
    world.until(Phase.PROTECTED)
    told = [x for x, _ in world.phases]
    assert told[0] is Phase.SETUP and told[-1] is Phase.PROTECTED
    assert set(told) <= {Phase.SETUP, Phase.CONNECTING, Phase.DEGRADED, Phase.PROTECTED}
    assert world.open
    reasons = [x for _, x in world.phases]
    assert Reason.ENROLLING in reasons and Reason.NEW_KEY_STARTING in reasons


def test_after_joining_the_ticket_is_spent_here_and_at_hq(world: World) -> None:
    text = ""
    world.plug("eth0")
    world.tick(2)
    text = world.invite()
    world.phone("redeem", ticket=text)
    world.until(Phase.PROTECTED)
    world.tick(2)
    stored = (world.state / "config.json").read_text() + json.dumps(world.phone("status"))
    assert "invitation_key" not in stored
    (invitation,) = world.hub_config().invitations
    assert invitation.spent and world.hub_machine.state.tunnel is not None
    assert len([x for x in world.hub_machine.state.tunnel.peers if x.allowed]) == 1, "and its two scouts"
    with pytest.raises(Refused) as caught:
        world.phone("redeem", ticket=text)
    assert caught.value.code == "already-joined"


def test_reports_arrive_signed_with_numbers_that_grow(world: World) -> None:
    world.joined()
    world.tick(40)
    numbers = [x["seq"] for x in world.reports]
    assert len(numbers) >= 4 and numbers == sorted(set(numbers))
    assert world.reports[-1]["phase"] == "PROTECTED" and world.reports[-1]["box"] == "box-0001"


def test_a_desktop_file_is_handed_out_once_hq_has_signed_it(world: World) -> None:
    world.joined()
    assert "full address:s:10.10.0.20" in world.phone("rdp-file", desktop="soumu")["file"]
    with pytest.raises(Refused) as caught:
        world.phone("rdp-file", desktop="zeimu")
    assert caught.value.code == "unknown-desktop"


def test_two_boxes_with_one_ticket_are_one_box_and_a_refusal(make: Callable[..., World]) -> None:
    world = make()
    text = world.invite()
    world.plug("eth0")
    world.tick(2)
    world.phone("redeem", ticket=text)
    world.until(Phase.PROTECTED)
    # Another box photographed the same code before HQ dropped the invitation's key.
    with pytest.raises(Refused) as caught:
        other = world.role._tools.new_keys()
        invitation = world.hub_config().invitations[0]
        world.hub.obey(
            {
                "ask": "enrol",
                "ticket": invitation.ticket.id,
                "tunnel_public": other.tunnel_public,
                "report_public": other.report_public,
                "serial": "x",
                "model": "y",
                "address": invitation.ticket.invitation_address,
            },
            0,
        )
    assert caught.value.code == "ticket-used"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ticket-expired", Reason.TICKET_EXPIRED),
        ("ticket-used", Reason.TICKET_USED),
        ("ticket-unknown", Reason.TICKET_UNKNOWN),
    ],
)
def test_a_refused_box_says_why_and_can_start_over(world: World, code: str, reason: Reason) -> None:
    world.plug("eth0")
    world.tick(2)
    world.phone("redeem", ticket=world.invite())
    (world.run / "inbox" / "enrol.json").write_text(
        json.dumps({"status": 403, "answer": {"error": {"code": code}}})
    )
    world._turn_box()
    assert (world.phase, world.reason) == (Phase.BLOCKED, reason)
    assert world.sim.state.tunnel is None and not world.open
    world.phone("start-over")
    assert world.phase is Phase.SETUP
    world.phone("redeem", ticket=world.invite())
    world.until(Phase.PROTECTED)


def test_a_withdrawn_ticket_gets_no_answer_and_the_person_can_start_over(world: World) -> None:
    world.plug("eth0")
    world.tick(2)
    text = world.invite()
    world.staff("withdraw-ticket", id=world.hub_config().invitations[0].ticket.id, by="tanaka")
    world.phone("redeem", ticket=text)
    world.tick(15)
    assert (world.phase, world.reason) == (Phase.CONNECTING, Reason.INVITATION_SILENT)
    world.phone("start-over")
    world.phone("redeem", ticket=world.invite())
    world.until(Phase.PROTECTED)


# --------------------------------------------------------------------------------------- power cuts


def walk(world: World, cut: int | None, *, tear: bool = False) -> None:
    """The whole way, the plug pulled after `cut` turns of the box; people only do again what they are asked."""
    world.tears = tear
    world.plug("eth0", "port1")
    text = world.invite()
    world.cut_after = cut
    world.tick(2)
    for _ in range(3):
        world.tick(1)
        if world.phase is Phase.SETUP:
            world.phone("redeem", ticket=text)
    world.until(Phase.PROTECTED)
    world.cut_after = None
    world.tick(3)
    world.end_proof()


def end(world: World) -> tuple[object, ...]:
    config = world.role._config
    (box,) = world.hub_config().boxes
    assert config.assignment is not None and config.keys is not None
    assert box.tunnel_public == config.keys.tunnel_public
    return (
        config.joining,
        config.assignment.box,
        config.assignment.lan,
        box.state,
        world.phase,
        world.open,
        world.sim.state.firewalls,
        world.sim.state.addresses,
        world.sim.state.routes,
        {x.name for x in world.sim.state.links},
    )


TURNS = 26


@pytest.mark.parametrize("tear", [False, True])
@pytest.mark.parametrize("cut", range(TURNS))
def test_a_power_cut_between_any_two_turns_ends_the_same(
    make: Callable[..., World], whole: tuple[object, ...], cut: int, tear: bool
) -> None:
    world = make()
    walk(world, cut, tear=tear)
    assert end(world) == whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    world = World(tmp_path_factory.mktemp("whole") / "world")
    walk(world, None)
    assert world.daemon.turns <= TURNS + 10
    world.close()
    return end(world)


@pytest.mark.parametrize("cut", range(0, 70, 5))
def test_a_power_cut_between_two_steps_ends_the_same(
    make: Callable[..., World], whole: tuple[object, ...], cut: int
) -> None:
    world = make()
    world.sim.power = cut
    walk(world, None)
    assert end(world) == whole


def test_a_daemon_that_crashed_finds_its_machine_again_and_nothing_is_interrupted(world: World) -> None:
    world.joined()
    world.end_proof()
    done = len(world.sim.done)
    before = world.sim.state
    world.start_daemon()
    world.tick(1)
    assert world.open
    world.end_proof()
    assert world.sim.state.firewalls == before.firewalls and world.sim.state.tunnel is not None
    kinds = {type(x).__name__ for x in world.sim.done[done:]}
    assert kinds <= {"SetFirewall", "WriteFile", "RestartUnit"}, kinds
    world.until(Phase.PROTECTED)


def test_a_box_whose_key_hq_already_knows_finds_back_after_a_long_silence(world: World) -> None:
    """The power went between the own key's first handshake and its note on the disk; then the line was slow. HQ has
    spent the invitation: only the own key gets an answer."""
    world.plug("eth0")
    world.tick(2)
    world.phone("redeem", ticket=world.invite())
    while world.role._config.joining is None or world.role._config.joining.stage is not JoinStage.ASSIGNED:
        world.tick()
    stored = (world.state / "config.json").read_text()
    world.until(Phase.PROTECTED)
    world.tick(2)
    assert world.hub_config().invitations[0].spent
    (world.state / "config.json").write_text(stored)
    world.internet.clear()
    world.cut_power()
    world.tick(30)
    joining = world.role._config.joining
    assert joining is not None and joining.stage is JoinStage.INVITED
    world.internet.add("eth0")
    world.until(Phase.PROTECTED, most=90)
    assert world.role._config.joining is None
    assert world.hub_config().boxes[0].state is BoxState.ACTIVE


def test_an_answer_that_never_came_is_asked_for_again(world: World) -> None:
    world.plug("eth0")
    world.tick(2)
    world.phone("redeem", ticket=world.invite())
    for _ in range(5):
        for letter in (world.run / "outbox").glob("enrol-*.json"):
            letter.unlink()
        world.tick()
    assert world.phase is Phase.CONNECTING
    world.until(Phase.PROTECTED, most=40)
