"""Runs one row in one phase of one subject, and says whether anything left that should not have."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.net.leaks import lan
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.rows import ROWS, Row
from tests.net.leaks.subject import Subject
from tests.net.leaks.watch import Leak

SHOWN = 6  # leaks told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    row: str
    phase: str
    subject: str
    passed: bool
    told: str = ""  # what left, or what else was wrong
    where: tuple[str, ...] = ()  # what it reached for
    reasons: tuple[str, ...] = ()  # what the box said of itself meanwhile
    volleys: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table for one subject."""

    row: str
    phase: str
    arrives: bool = False  # the way into the phase is what is watched

    @property
    def label(self) -> str:
        return f"{self.row} [{self.phase}]"


def cases(subject: type[Subject], rows: tuple[Row, ...] = ROWS) -> Iterator[Case]:
    """Phase by phase, so that a box lives its life once: first the way there, then what can happen in it."""
    ours = issubclass(subject, Noroshi)
    for number, phase in enumerate(subject.phases):
        if number:
            way = f" ({subject.ways[phase]})" if phase in subject.ways else ""
            yield Case(row=f"{subject.phases[number - 1]} → {phase}{way}", phase=phase, arrives=True)
        for row in rows:
            if not row.elsewhere and phase in (row.phases if ours else row.theirs):
                yield Case(row=row.name, phase=phase)


def run_case(subject: Subject, case: Case) -> Outcome:
    started = time.monotonic()
    subject.seen.clear()
    volleys, told = 0, ""
    try:
        volleys = (
            _arrive(subject, case.phase) if case.arrives else _happen(subject, _row(case.row), case.phase)
        )
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:600]
        subject.phase = ""
    leaks = subject.watch.leaks()
    found = _told(leaks)
    subject.watch.chatter = False
    return Outcome(
        row=case.row,
        phase=case.phase,
        subject=subject.name,
        passed=not (told or found),
        told="; ".join(x for x in (found, told) if x),
        where=tuple(sorted({x.where for x in leaks} | ({"see below"} if told else set()))),
        reasons=tuple(subject.seen),
        volleys=volleys,
        seconds=round(time.monotonic() - started, 1),
    )


def _row(name: str) -> Row:
    return next(x for x in ROWS if x.name == name)


def _arrive(subject: Subject, phase: str) -> int:
    before = subject.phases[subject.phases.index(phase) - 1]
    subject.enter(before)
    subject.watch.leaks()
    subject.watch.chatter = not isinstance(subject, Noroshi)
    fired = subject.under_fire(lambda: subject.step(phase))
    subject.phase = phase
    return fired


def _happen(subject: Subject, row: Row, phase: str) -> int:
    subject.enter(phase)
    lan.speak_six(subject.place)  # a cable that was pulled took the addresses along
    subject.watch.leaks()
    subject.watch.chatter = row.chatter or not isinstance(subject, Noroshi)
    without = tuple(subject.place.namespace(x) for x in row.box_is_open)
    subject.spared = without
    try:
        if row.common is not None:
            common = row.common
            return subject.under_fire(lambda: common(subject))
        assert row.act is not None
        assert isinstance(subject, Noroshi)
        act, box = row.act, subject
        return subject.under_fire(lambda: act(box))
    finally:
        subject.spared = ()


def _told(found: list[Leak]) -> str:
    kinds = sorted({str(x) for x in found})
    more = f" and {len(kinds) - SHOWN} more kinds" if len(kinds) > SHOWN else ""
    return f"{len(found)} packets left: {', '.join(kinds[:SHOWN])}{more}" if found else ""
