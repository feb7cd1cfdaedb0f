"""The list of benchmarks. A module is loaded only when it is asked for: the list needs nothing installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.figures import Figure

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """`module` has `measure(runs, tell)`; `runs` is the number of samples where none is asked for."""

    name: str
    line: str
    runs: int
    module: str

    def measure(self, runs: int, tell: Tell) -> tuple[Figure, ...]:
        work: Callable[[int, Tell], tuple[Figure, ...]] = importlib.import_module(self.module).measure
        return work(runs, tell)

    def objects(self, figures: tuple[Figure, ...]) -> dict[str, Any]:
        """What `--json` holds besides the figures: one object for each contender, where there are any."""
        found = getattr(importlib.import_module(self.module), "objects", None)
        return {"contenders": found(figures)} if found else {}


BENCHMARKS = {
    x.name: x
    for x in (
        Benchmark(
            name="desktop",
            line="power-on to first desktop pixels, and every event between (runs: whole exercises)",
            runs=5,
            module="scripts.benchmarks.desktop",
        ),
        Benchmark(
            name="failover",
            line="how long a session stalls when its line is cut, beside what is used today (runs: cuts)",
            runs=110,
            module="scripts.benchmarks.failover",
        ),
        Benchmark(
            name="footprint",
            line="memory and idle CPU of the box's own processes (runs: pairs of minutes)",
            runs=1,
            module="scripts.benchmarks.footprint",
        ),
        Benchmark(
            name="lines",
            line="what testing lines and HQ's wish for both costs: bytes on the wire, CPU (runs: half minutes)",
            runs=1,
            module="scripts.benchmarks.lines",
        ),
        Benchmark(
            name="relay",
            line="laptop to desktop where the line lets no UDP through, against UDP (runs: samples each way)",
            runs=5,
            module="scripts.benchmarks.relay",
        ),
        Benchmark(
            name="responsiveness",
            line="a key to the desktop and back while others fill the line, with queue control and without",
            runs=1,
            module="scripts.benchmarks.responsiveness",
        ),
        Benchmark(
            name="throughput",
            line="laptop to desktop through the box, against plain wg-quick (runs: pairs A, B)",
            runs=5,
            module="scripts.benchmarks.throughput",
        ),
        Benchmark(
            name="turn",
            line="one turn of the box's loop where nothing changed, against wg and nft (runs: turns)",
            runs=50,
            module="scripts.benchmarks.turn",
        ),
    )
}
