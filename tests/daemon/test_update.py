"""Updates, from HQ's wish to the confirmed slot and back again: a box and its HQ in memory, real files, plugs pulled."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from appliance.core.machine import LaptopLease
from appliance.core.model import Phase
from appliance.core.software import Slots
from appliance.core.update import SETTLED, TRIAL_LASTS
from appliance.core.words import Refused
from tests.core.test_software import NEW, OLD
from tests.daemon.world import World

OCTETS = b"a signed bundle"
SHA = hashlib.sha256(OCTETS).hexdigest()
PC = "noroshi-pc"


@pytest.fixture
def world(world: World) -> World:
    """A box at work that runs the old version in slot A; HQ has the new one."""
    world.slotted.here = Slots(image=PC, version=OLD, slot="A", good="A")
    world.slotted.bundles = {OCTETS: (PC, NEW)}
    world.start_daemon()
    world.joined()
    hand_out(world)
    return world


def hand_out(world: World, octets: bytes = OCTETS, sha256: str = SHA, version: str = NEW) -> None:
    world.software[sha256] = octets
    told = {"version": version, "image": PC, "sha256": sha256, "size": len(octets)}
    world._hub({"ask": "add-bundle", **told}, 0)


def start(world: World, **more: Any) -> None:
    world.staff("start-update", **{"version": NEW, "boxes": ["box-0001"], "percent": 0, "now": False, **more})


def software(world: World) -> dict[str, Any]:
    found = world.phone("status")["software"]
    assert isinstance(found, dict)
    return found


def until(world: World, state: str, trouble: str = "", most: int = 60) -> None:
    for _ in range(most):
        world.tick()
        if (software(world)["state"], software(world)["trouble"]) == (state, trouble):
            return
        time.sleep(0.005)  # installing has a thread of its own
    raise AssertionError(f"never {state} {trouble}; {software(world)}")


def restarted(world: World, most: int = 60) -> None:
    """The box asks for a restart, and gets it."""
    asked = world.slotted.log.count("restart")
    for _ in range(most):
        if world.slotted.log.count("restart") > asked:
            world.cut_power()
            return
        world.tick()
        time.sleep(0.005)
    raise AssertionError(f"never restarted; {software(world)}")


def trouble(world: World) -> str:
    until(world, "rest", software(world)["trouble"], most=3)
    return str(software(world)["trouble"])


def test_a_good_update_is_fetched_installed_tried_and_confirmed(world: World) -> None:
    start(world)
    restarted(world)
    assert world.slotted.here == Slots(image=PC, version=NEW, slot="B", good="A")
    world.tick(3)
    assert software(world)["on_trial"]
    world.until(Phase.PROTECTED)
    world.tick(int(SETTLED) + 2)
    assert world.slotted.here == Slots(image=PC, version=NEW, slot="B", good="B")
    assert world.slotted.log == ["install", "try", "restart", "confirm"]
    world.tick(10)
    told = world.reports[-1]["software"]
    assert (told["version"], told["slot"], told["on_trial"], told["state"]) == (NEW, "B", False, "rest")
    world.cut_power()
    world.until(Phase.PROTECTED)
    assert world.slotted.here.version == NEW


def test_an_update_that_breaks_the_tunnel_is_taken_back(world: World) -> None:
    start(world)
    restarted(world)
    world.internet.clear()  # as if the new version could not reach HQ
    world.tick(30, seconds=TRIAL_LASTS / 30 - 1)
    assert world.slotted.log == ["install", "try", "restart"]
    restarted(world)
    world.internet = {"eth0"}
    assert world.slotted.here == Slots(image=PC, version=OLD, slot="A", good="A")
    world.until(Phase.PROTECTED)
    until(world, "rest", "update-rolled-back")
    world.tick(30, seconds=20)
    assert world.slotted.log.count("restart") == 2, "and it is not tried again by itself"
    assert world.reports[-1]["software"]["trouble"] == "update-rolled-back"
    start(world)
    restarted(world)
    assert world.slotted.here.version == NEW, "but when HQ asks again"


def test_a_box_that_loses_its_power_on_trial_starts_the_old_version(world: World) -> None:
    start(world)
    restarted(world)
    world.tick(3)
    world.cut_power()
    assert world.slotted.here.version == OLD
    world.until(Phase.PROTECTED)
    until(world, "rest", "update-rolled-back")


def open_laptop(world: World) -> None:
    lease = LaptopLease(mac="02:00:00:00:00:01", address="10.211.0.10", host="pc")
    world.sim.state = replace(world.sim.state, laptops=(lease,))


def test_laptops_are_not_interrupted_unless_hq_says_now(world: World) -> None:
    open_laptop(world)
    start(world)
    until(world, "wait")
    world.tick(60)
    assert world.slotted.log == ["install"]
    start(world, now=True)
    restarted(world)
    assert world.slotted.here.version == NEW
    assert world.slotted.log == ["install", "try", "restart"], "and it came by the line once"


def test_the_power_goes_between_any_two_steps_and_the_update_goes_on(world: World) -> None:
    start(world)
    for _ in range(3):
        world.tick(8)
        time.sleep(0.02)
        world.cut_power()
        world.until(Phase.PROTECTED)
    restarted(world)
    world.until(Phase.PROTECTED)
    world.tick(int(SETTLED) + 2)
    assert world.slotted.here == Slots(image=PC, version=NEW, slot="B", good="B")


def test_nothing_is_fetched_that_hq_did_not_wish(world: World) -> None:
    (world.state / "update" / SHA).write_bytes(OCTETS)
    world.start_daemon()
    world.tick(30)
    assert world.slotted.log == []
    assert not list((world.state / "update").iterdir()), "and what lies there is cleared away"


@pytest.mark.parametrize(
    ("octets", "signed", "code"),
    [
        (b"half a bundle", None, "update-damaged"),
        (OCTETS, None, "update-unsigned"),
        (OCTETS, (PC, OLD), "update-too-old"),
        (OCTETS, (PC, "0.9"), "update-too-old"),
        (OCTETS, ("noroshi-pi", NEW), "update-other-machine"),
    ],
)
def test_a_bad_bundle_is_refused_in_words(
    world: World, octets: bytes, signed: tuple[str, str] | None, code: str
) -> None:
    world.software[SHA] = octets
    world.slotted.bundles = {octets: signed} if signed else {}
    start(world)
    until(world, "rest", code)
    told = software(world)
    assert told["words"]["ja"]["what"]
    assert told["version"] == OLD
    assert "restart" not in world.slotted.log
    assert not list((world.state / "bundle").iterdir())
    assert world.phase is Phase.PROTECTED


def test_what_cannot_be_written_leaves_the_box_as_it_is(world: World) -> None:
    world.slotted.writes = False
    start(world)
    until(world, "rest", "update-not-written")
    assert "try" not in world.slotted.log


def test_the_courier_tells_of_a_torn_file(world: World) -> None:
    world.software.clear()
    start(world)
    until(world, "fetch")
    letter = {"answer": {"damaged": SHA}}
    (world.run / "inbox" / "update.json").write_text(json.dumps(letter))
    until(world, "rest", "update-damaged")


def test_power_lost_while_installing_does_not_cost_the_bundle(world: World) -> None:
    open_laptop(world)
    start(world)
    (world.state / "bundle" / f"{SHA}.raucb").write_bytes(OCTETS)
    world.software.clear()  # it need not come again
    until(world, "wait")
    assert world.slotted.other == NEW


def test_a_slot_that_was_being_written_over_is_not_taken_for_what_it_held(world: World) -> None:
    open_laptop(world)
    start(world)
    until(world, "wait")
    another, version = b"another bundle", NEW.replace("-", "1-", 1)
    world.slotted.bundles[another] = (PC, version)
    hand_out(world, another, hashlib.sha256(another).hexdigest(), version)
    start(world, version=version)
    while world.slotted.log.count("install") < 2:
        world.tick()
        time.sleep(0.01)
    world.cut_power()  # before the box could write down that it was done
    start(world)
    until(world, "wait")
    assert world.slotted.other == NEW
    assert world.slotted.log == ["install"] * 3


def test_hq_stops_what_is_not_done_yet(world: World) -> None:
    world.software.clear()
    start(world)
    until(world, "fetch")
    (world.state / "update" / f"{SHA}.part").write_bytes(b"half")
    world.staff("stop-update", boxes=[])
    until(world, "rest")
    assert not list((world.state / "update").iterdir())


def test_only_root_hands_out_bundles(world: World) -> None:
    with pytest.raises(Refused, match="not-allowed"):
        world.staff("add-bundle", version=NEW, image=PC, sha256=SHA, size=1)


def test_a_box_that_went_back_reads_what_the_newer_version_wrote(world: World) -> None:
    """The older version starts with the file of the newer one, which knew more."""
    path = world.state / "config.json"
    body = json.loads(path.read_text().partition("\n")[2])
    body["assignment"]["tomorrow"] = {"a": 1}
    body["moon"] = "full"
    text = json.dumps(body)
    seal = f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n{text}"
    for place in (path, path.with_name("config.json.previous")):
        place.write_text(seal)
    world.cut_power()
    world.until(Phase.PROTECTED)
