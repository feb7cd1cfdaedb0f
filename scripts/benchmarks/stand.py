"""A field exercise in which the box is PROTECTED, without a person and without a browser, for a benchmark's sake."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from appliance.control import Refused, ask
from scripts.exercise import desk, machines, topology
from scripts.exercise.place import PACE, Place, owner_of

Tell = Callable[[str], None]
PATIENCE = 30.0 * PACE  # seconds until a box with a ticket has to be PROTECTED
# On an emulated machine a desktop may greet too late for a box to call it well; it is open all the same.
OPEN = ("PROTECTED", "DEGRADED") if PACE > 1 else ("PROTECTED",)


def place() -> Place:
    """Names of its own: a demo may be up beside it."""
    return Place(os.environ.get("NOROSHI_EXERCISE", "nbench"))


@contextmanager
def removed_at_the_end(here: Place) -> Iterator[None]:
    """Whatever happens inside, nothing is left; somebody else's exercise is left alone."""
    try:
        yield
    finally:
        if owner_of(here) == os.getpid():
            before = {x: signal.signal(x, signal.SIG_IGN) for x in (signal.SIGINT, signal.SIGTERM)}
            topology.down(here)
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def protected(tell: Tell, **told: object) -> Iterator[Place]:
    """HQ, its desktop, and a box that joined by ticket and opened the desktops. `told`: what its machine.json says
    besides."""
    here = place()
    with removed_at_the_end(here):
        topology.up(here)
        access = desk.start(here, session=False)  # nobody looks at it here
        machines.found_hq(here, secrets.token_urlsafe(12), access.fingerprint)
        tell("HQ and its desktop are there")
        machines.prepare(here, "box")
        tell_the_box(here, told)
        topology.plug(here, "a")
        machines.power_on(here, "box")
        machines.wait_for_door(here, "box")
        redeem(here, machines.issue_ticket(here))
        wait_for_phase(here, *OPEN)
        tell("the box has opened the desktops")
        yield here


def redeem(here: Place, ticket: str) -> None:
    """A box whose first turn takes long (an emulated one's) is busy: then it is asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ask(machines.door(here, "box"), {"ask": "redeem", "ticket": ticket})
        except Refused as refused:
            if refused.code != "busy" or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def tell_the_box(here: Place, told: Mapping[str, object]) -> None:
    """It reads machine.json when it starts."""
    machine = machines.table(here)["box"]
    note = machine.folder(here, "state") / "machine.json"
    note.write_text(json.dumps({**machine.told, **told}))


def wait_for_phase(here: Place, *phases: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while True:
        status = machines.status(here)
        if status is not None and status["phase"] in phases:
            return
        if time.monotonic() > deadline:
            seen = f"{status['phase']} {status['reason']}" if status else "silence"
            raise TimeoutError(f"the box is not {phases[0]} after {patience:.0f} s but {seen}")
        time.sleep(0.05)
