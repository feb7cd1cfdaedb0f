"""One turn of the box's loop where nothing changed: the box's daemon is replaced by one in a process of ours,
which turns fifty times by the clock. Beside it, in the same run: what asking by `wg` and `nft` alone costs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from scripts.benchmarks import stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, processes

WITHIN = 50.0  # milliseconds
CLONE = Path(__file__).parents[2]


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    with stand.protected(tell) as here:
        box = machines.table(here)["box"]
        daemon = processes.recorded(here, "box")
        assert daemon is not None
        # Not asked but killed, as by a power cut: what it keeps running is found again by the next one.
        processes.finish((daemon,), patience=0.0)
        tell(f"turning {runs} times")
        settings = {
            **machines.environment(here, box),
            "PYTHONPATH": os.pathsep.join([str(here.root / "code"), str(CLONE)]),
        }
        command = (
            "env",
            *(f"{k}={v}" for k, v in settings.items()),
            sys.executable,
            "-m",
            "scripts.benchmarks.turn_inside",
        )
        said = processes.run(
            *processes.within(here.namespace("box"), (*command, str(runs)), mounts=False),
            timeout=60 + runs,
        )
    samples = json.loads(said)
    return (
        Figure(name="one turn, nothing changed", unit="ms", values=tuple(samples["turn"]), at_most=WITHIN),
        Figure(name="processor time of it", unit="ms", values=tuple(samples["processor"])),
        Figure(name="wg show, nft list ruleset twice", unit="ms", values=tuple(samples["programs"])),
        Figure(
            name="ratio to that",
            unit="",
            values=tuple(a / b for a, b in zip(samples["turn"], samples["programs"], strict=True)),
        ),
    )
