"""A field exercise in which the box is PROTECTED, without a person and without a browser, for a benchmark's sake."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance.control import ask
from scripts.exercise import desk, machines, topology
from scripts.exercise.place import PACE, Place, owner_of

Tell = Callable[[str], None]
PATIENCE = 30.0 * PACE  # seconds until a box with a ticket has to be PROTECTED


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
def protected(tell: Tell) -> Iterator[Place]:
    """HQ, its desktop, and a box that joined by ticket and opened the desktops."""
    here = place()
    with removed_at_the_end(here):
        topology.up(here)
        access = desk.start(here)
        machines.found_hq(here, secrets.token_urlsafe(12), access.fingerprint)
        tell("HQ and its desktop are there")
        machines.prepare(here, "box")
        topology.plug(here, "a")
        machines.power_on(here, "box")
        machines.wait_for_door(here, "box")
        ask(machines.door(here, "box"), {"ask": "redeem", "ticket": machines.issue_ticket(here)})
        wait_for_phase(here, "PROTECTED")
        tell("the box is PROTECTED")
        yield here


def wait_for_phase(here: Place, phase: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while True:
        status = machines.status(here)
        if status is not None and status["phase"] == phase:
            return
        if time.monotonic() > deadline:
            seen = f"{status['phase']} {status['reason']}" if status else "silence"
            raise TimeoutError(f"the box is not {phase} after {patience:.0f} s but {seen}")
        time.sleep(0.05)
