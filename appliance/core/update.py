"""Updates of a box: what HQ wishes and what is there → the next thing to do. Nothing updates itself.

A bundle is fetched, written to the slot that does not run, started once, and kept only when the box can do what it could
before; else the box goes back by itself. What failed is not tried again until HQ asks anew."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.core.model import OPEN_PHASES, Phase
from appliance.core.sentence import Sentence
from appliance.core.software import Bundle, Slots, Wish, is_older
from appliance.core.update_words import TROUBLE

SETTLED = 20.0  # seconds in a phase until it counts
TRIAL_LASTS = 600.0  # seconds from the start of a slot on trial until the box goes back
SPARE_ROOM = 32 << 20  # octets of the data partition that a bundle must leave free
WORKING = OPEN_PHASES | {Phase.STANDBY}  # the line works, and HQ answered


class Stage(StrEnum):
    """How far an update came; written down before the next thing is done."""

    INSTALLED = "installed"  # whole in the other slot
    TRIED = "tried"  # started, once
    CONFIRMED = "confirmed"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The box's memory of an update: its own file, which survives the power. `sha256`: what lies in the other slot;
    `before`: the phase it had to leave."""

    order: int
    version: str
    stage: Stage
    sha256: str = ""
    before: str = ""
    trouble: str = ""


class Act(StrEnum):
    REST = "rest"
    FETCH = "fetch"
    INSTALL = "install"
    WAIT = "wait"  # until nobody uses the box, or until it is seen to work
    RESTART = "restart"  # into the other slot
    CONFIRM = "confirm"
    GO_BACK = "go-back"
    GIVE_UP = "give-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    slots: Slots
    attempt: Attempt | None = None
    phase: Phase
    settled: float = 0.0  # seconds since this phase began
    mission_runs: bool = False
    laptops: int = 0
    up: float = 0.0  # seconds since the machine started
    fetched: bool = False  # the bundle lies here, all of it
    held: int = 0  # octets of it that lie here
    room: int = 0  # octets that are free


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    act: Act
    bundle: Bundle | None = None
    trouble: str = ""  # a key of `update_words.TROUBLE`


def decide(wish: Wish, seen: Seen) -> Todo:
    """First line that applies wins."""
    slots, attempt = seen.slots, seen.attempt
    if not slots.slot:
        return Todo(act=Act.REST)
    if slots.on_trial:
        return Todo(act=_on_trial(seen))
    if not wish.version or wish.version == slots.version:
        return Todo(act=Act.REST)
    if attempt is None or attempt.order != wish.order:
        return _begin(wish, seen)
    match attempt.stage:
        case Stage.GIVEN_UP:
            return Todo(act=Act.REST, trouble=attempt.trouble)
        case Stage.TRIED | Stage.CONFIRMED:
            return Todo(act=Act.GIVE_UP, trouble="update-rolled-back")
        case Stage.INSTALLED:
            return _into_it(wish, seen)


def _into_it(wish: Wish, seen: Seen) -> Todo:
    return Todo(act=Act.RESTART if may_restart(wish, seen) else Act.WAIT)


def _begin(wish: Wish, seen: Seen) -> Todo:
    """Towards a whole bundle in the other slot. Asked anew for what lies there ("now", after all) a box fetches nothing."""
    bundle = next((x for x in wish.bundles if x.image == seen.slots.image), None)
    if bundle is None:
        return Todo(act=Act.GIVE_UP, trouble="update-other-machine")
    if is_older(wish.version, wish.oldest):
        return Todo(act=Act.GIVE_UP, trouble="update-too-old")
    attempt = seen.attempt
    if attempt and attempt.stage is Stage.INSTALLED and attempt.sha256 == bundle.sha256:
        return _into_it(wish, seen)
    if seen.fetched:
        return Todo(act=Act.INSTALL, bundle=bundle)
    if seen.room < bundle.size - seen.held + SPARE_ROOM:
        return Todo(act=Act.GIVE_UP, trouble="update-no-room")
    return Todo(act=Act.FETCH, bundle=bundle)


def may_restart(wish: Wish, seen: Seen) -> bool:
    """While the box works, so that it is known what it could before; and while no laptop is there, unless HQ says now."""
    return (
        seen.phase in WORKING
        and seen.settled >= SETTLED
        and not seen.slots.on_trial
        and (wish.now or not seen.laptops)
    )


def _on_trial(seen: Seen) -> Act:
    before = Phase(seen.attempt.before) if seen.attempt and seen.attempt.before else None
    if can_as_before(before, seen.phase, mission_runs=seen.mission_runs):
        return Act.CONFIRM if seen.settled >= SETTLED else Act.WAIT
    return Act.GO_BACK if seen.up >= TRIAL_LASTS else Act.WAIT


def can_as_before(before: Phase | None, phase: Phase, *, mission_runs: bool) -> bool:
    """PROTECTED always; else what the box was before it was restarted, or standing by because its mission ended."""
    match phase:
        case Phase.PROTECTED:
            return True
        case Phase.DEGRADED:
            return before is Phase.DEGRADED
        case Phase.STANDBY:
            return before is Phase.STANDBY or not mission_runs
    return False


def accepted(bundle: Bundle, wish: Wish, slots: Slots, image: str, version: str) -> str:
    """Why a bundle that says of itself to be `version` for `image` is not installed; "" where it is."""
    if image != slots.image:
        return "update-other-machine"
    if version != bundle.version or is_older(version, wish.oldest):
        return "update-too-old"
    return ""


def view(wish: Wish, seen: Seen, todo: Todo, percent: int) -> dict[str, Any]:
    """For reports and pages. `percent` of what is being fetched or installed."""
    slots, sentence = seen.slots, TROUBLE.get(todo.trouble)
    busy = todo.act in (Act.FETCH, Act.INSTALL)
    return {
        "image": slots.image,
        "version": slots.version,
        "slot": slots.slot,
        "on_trial": bool(slots.slot) and slots.on_trial,
        "wish": wish.version,
        "order": wish.order,
        "state": todo.act.value,
        "percent": percent if busy else 0,
        "trouble": todo.trouble,
        "words": _words(sentence),
    }


def _words(sentence: Sentence | None) -> dict[str, Any] | None:
    return {"number": sentence.number, **sentence.as_data()} if sentence else None
