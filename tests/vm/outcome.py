"""What was found on a booted image: checks with their words, figures with their commands, and how they are told. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    scene: str
    what: str
    good: bool
    told: str = ""
    first_try: bool = False  # the scene was played once more: this is told, and counts for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A figure: what, how much, and the command that says so."""

    what: str
    value: float
    unit: str
    command: str
    at_most: float | None = None
    at_least: float | None = None
    scene: str = ""
    first_try: bool = False

    @property
    def good(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(slots=True)
class Report:
    checks: list[Check] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)  # by title, as they were printed

    @property
    def good(self) -> bool:
        """At least one thing was looked at, and all of it was well."""
        counted = [x for x in self.checks if not x.first_try]
        return bool(counted) and not self.bad

    @property
    def bad(self) -> list[Check | Number]:
        found: list[Check | Number] = [*self.checks, *self.numbers]
        return [x for x in found if not x.good and not x.first_try]

    def failed(self, scene: str) -> bool:
        """Worth another try: a figure that was missed is one, whatever the next try would say."""
        return any(x.scene == scene and isinstance(x, Check) for x in self.bad)

    def set_aside(self, scene: str) -> None:
        """What was found in this scene stays on record as a first try."""
        self.checks = [replace(x, first_try=x.first_try or x.scene == scene) for x in self.checks]
        self.numbers = [
            replace(x, first_try=x.first_try or (x.scene == scene and x.good)) for x in self.numbers
        ]


def as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.good,
        "checks": [asdict(x) for x in report.checks],
        "figures": [asdict(x) | {"good": x.good} for x in report.numbers],
        "tables": report.tables,
    }


def lines(report: Report) -> list[str]:
    """For a terminal: what is wrong last, where it is seen."""
    found = []
    for first in (True, False):
        mark = "first try, " if first else ""
        numbers = [x for x in report.numbers if x.first_try == first]
        found += [f"  {mark}{x.what}: {x.value:g} {x.unit}{_limit(x)}   ({x.command})" for x in numbers]
        ordered = sorted((x for x in report.checks if x.first_try == first), key=lambda x: not x.good)
        found += [f"  {'○' if x.good else '×'} {mark}{x.scene}: {x.what}{_told(x)}" for x in ordered]
    found.append("  All is well." if report.good else f"  {len(report.bad)} of these are not well.")
    return found


def _limit(x: Number) -> str:
    bounds = [("at least", x.at_least), ("at most", x.at_most)]
    told = ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    return f" ({told}{'' if x.good else ': MISSED'})" if told else ""


def _told(x: Check) -> str:
    return f" – {x.told}" if x.told else ""
