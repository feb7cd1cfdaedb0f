"""From power-on to the first desktop pixels: whole exercises, each from nothing, with a robot for a person.

The person's part is cut out: from the moment the phone shows where the ticket goes until the box has accepted it,
the machine waits for somebody. The same box is then switched off and on, which nobody has to help with.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmarks import stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines
from scripts.exercise.act import Act
from scripts.exercise.phone import Phone, Walk
from scripts.exercise.progress import Progress
from scripts.exercise.timeline import Timeline
from scripts.exercise.whole import Exercise

EVENTS = ("uplink", "ticket-accepted", "tunnel", "first-ping", "laptop-address", "first-pixels")
PIXELS_WITHIN, TUNNEL_WITHIN = 15.0, 2.0  # seconds
ASKING = "ticket"  # the wizard's step at which it waits for the person


class Quiet(Progress):
    """The exercise's own progress is of no interest here."""

    def __call__(self, text: str) -> None:
        return


class Failed(RuntimeError):
    """An exercise did not get to the desktop; the text says why."""


@dataclass(slots=True)
class NotingPhone(Phone):
    """Keeps when it saw which page."""

    pages: list[dict[str, Any]] = field(default_factory=list)

    def walk(self, *arguments: Any, **options: Any) -> Walk:
        walked = Phone.walk(self, *arguments, **options)
        self.pages.extend(walked.pages)
        return walked


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    """Figures over `runs` exercises: from a ticket, and by itself after a power cut."""
    samples = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="noroshi-bench-") as shots:
            samples.append(one(Path(shots), tell))
        told = samples[-1]
        tell(
            f"{number + 1} of {runs}: machine's part {told['machine']:.2f} s, by itself {told['again']:.2f} s"
        )
    return figures(samples)


def figures(samples: list[dict[str, float]]) -> tuple[Figure, ...]:
    def all_of(name: str) -> tuple[float, ...]:
        return tuple(x[name] for x in samples)

    return (
        Figure(
            name="power-on to pixels, machine's part",
            unit="s",
            values=all_of("machine"),
            at_most=PIXELS_WITHIN,
        ),
        Figure(name="ticket accepted to tunnel", unit="s", values=all_of("joining"), at_most=TUNNEL_WITHIN),
        Figure(
            name="power-on to pixels, no person needed",
            unit="s",
            values=all_of("again"),
            at_most=PIXELS_WITHIN,
        ),
        Figure(name="the person's part", unit="s", values=all_of("person")),
        *(Figure(name=f"power-on to {event}", unit="s", values=all_of(event)) for event in EVENTS),
    )


def one(shots: Path, tell: Tell) -> dict[str, float]:
    """One exercise; seconds by name."""
    here = stand.place()
    exercise = Exercise(here)
    phone = NotingPhone(here)
    exercise.phone = phone
    with stand.removed_at_the_end(here):
        try:
            exercise.up(Quiet(), browser=True)
            act = Act(exercise, shots, Quiet(), machines.issue_ticket(here))
            joined = done(act)
            person = persons_part(joined.moments, phone.pages)
            exercise.laptop.close_desktop()
            machines.power_off(here, "box")
            time.sleep(1.0)
            again = done(Act(exercise, shots / "again", Quiet(), None))
        finally:
            phone.browser.stop()
    seconds = dict(joined.seconds)
    return {
        **{event: seconds[event] for event in EVENTS},
        "joining": seconds["tunnel"] - seconds["ticket-accepted"],
        "person": person,
        "machine": seconds["first-pixels"] - person,
        "again": dict(again.seconds)["first-pixels"],
    }


def done(act: Act) -> Timeline:
    timeline = act.run()
    if not timeline.ok:
        raise Failed(" ".join([timeline.complaint, *act.problems]))
    return timeline


def persons_part(moments: Mapping[str, float], pages: list[dict[str, Any]]) -> float:
    """Seconds from the page that asks for the ticket to the ticket's acceptance."""
    shown = [float(x["at"]) for x in pages if x["step"] == ASKING]
    if not shown:
        raise Failed("the phone never saw the page that asks for the ticket")
    return max(0.0, moments["ticket-accepted"] - shown[0])
