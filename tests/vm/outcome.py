"""What was found on a booted image: checks with their words, figures with their commands, and how they are told. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    scene: str
    what: str
    good: bool
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A figure: what, how much, and the command that says so."""

    what: str
    value: float
    unit: str
    command: str
    at_most: float | None = None
    at_least: float | None = None

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
        return bool(self.checks) and all(x.good for x in self.checks) and all(x.good for x in self.numbers)


def as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.good,
        "checks": [asdict(x) for x in report.checks],
        "figures": [asdict(x) | {"good": x.good} for x in report.numbers],
        "tables": report.tables,
    }


def lines(report: Report) -> list[str]:
    """For a terminal: what is wrong last, where it is seen."""
    found = [f"  {x.what}: {x.value:g} {x.unit}{_limit(x)}   ({x.command})" for x in report.numbers]
    ordered = sorted(report.checks, key=lambda x: not x.good)
    found += [f"  {'○' if x.good else '×'} {x.scene}: {x.what}{_told(x)}" for x in reversed(ordered)]
    bad = sum(not x.good for x in report.checks) + sum(not x.good for x in report.numbers)
    found.append("  All is well." if report.good else f"  {bad} of these are not well.")
    return found


def _limit(x: Number) -> str:
    if x.at_most is not None:
        return f" (at most {x.at_most:g}{'' if x.good else ': MISSED'})"
    if x.at_least is not None:
        return f" (at least {x.at_least:g}{'' if x.good else ': MISSED'})"
    return ""


def _told(x: Check) -> str:
    return f" – {x.told}" if x.told else ""
