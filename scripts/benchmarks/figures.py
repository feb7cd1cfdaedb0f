"""What a benchmark says: figures with a median, a range and where it has one a limit. Pure; standard library only."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing. `values` are the samples in the order they were taken, never empty."""

    name: str
    unit: str
    values: tuple[float, ...]
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.name}: nothing was measured")

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ok(self) -> bool | None:
        """Whether the median keeps the limit; None where there is none."""
        if self.at_most is not None:
            return self.median <= self.at_most
        if self.at_least is not None:
            return self.median >= self.at_least
        return None

    @property
    def limit(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 4),
            "lowest": round(min(self.values), 4),
            "highest": round(max(self.values), 4),
            "values": [round(x, 4) for x in self.values],
            "at_most": self.at_most,
            "at_least": self.at_least,
            "ok": self.ok,
        }


def report(benchmark: str, runs: int, figures: Iterable[Figure], machine: dict[str, Any]) -> dict[str, Any]:
    """What `--json FILE` holds. `ok`: every figure that has a limit keeps it."""
    told = [x.as_json() for x in figures]
    return {
        "benchmark": benchmark,
        "runs": runs,
        "machine": machine,
        "figures": told,
        "ok": all(x["ok"] is not False for x in told),
    }


def table(figures: Iterable[Figure]) -> str:
    """For a terminal: a line for each figure."""
    rows = list(figures)
    wide = max(len(x.name) for x in rows)
    lines = [f"{'':<{wide}}  {'median':>9} {'lowest':>9} {'highest':>9}  {'unit':<7} limit"]
    marks = {True: "  ok", False: "  MISSED", None: ""}
    for x in rows:
        lines.append(
            f"{x.name:<{wide}}  {x.median:>9.2f} {min(x.values):>9.2f} {max(x.values):>9.2f}"
            f"  {x.unit:<7} {x.limit}{marks[x.ok]}".rstrip()
        )
    return "\n".join(lines)
