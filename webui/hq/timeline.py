"""A box's history as a picture and as a list. Pure: flips in, spans and lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.hub.board import BoardBox, History

DAY = 86400.0
COLOURS = {"PROTECTED": "good", "DEGRADED": "work", "CONNECTING": "work", "SETUP": "work", "SIGN_IN": "work",
           "STANDBY": "calm", "BLOCKED": "stop"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of the picture: `left` and `width` in thousandths of the whole, `look` is a CSS class."""

    left: float
    width: float
    look: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The last 24 hours in two rows: was there contact, and what the box said it was doing."""

    start: float
    end: float
    contact: tuple[Span, ...]
    phases: tuple[Span, ...]
    hours: tuple[float, ...]  # where the marks stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the list. `what` is "presence", "phase" or "milestone"."""

    at: float
    what: str
    before: str
    after: str
    reason: str = ""


def draw(flips: Sequence[Mapping[str, Any]], box: BoardBox, now: float, length: float = DAY) -> Picture:
    start = now - length
    contact = {"up": "good", "late": "work", "down": "stop", "never": "none"}
    return Picture(
        start=start,
        end=now,
        contact=spans(_kind(flips, "presence"), contact, box.presence, start, now),
        phases=spans(_kind(flips, "phase"), COLOURS, box.phase, start, now),
        hours=tuple(round(1000 * hour * 3600 / length, 2) for hour in range(0, int(length // 3600) + 1, 6)),
    )


def spans(
    flips: Sequence[Mapping[str, Any]], looks: Mapping[str, str], state: str, start: float, end: float
) -> tuple[Span, ...]:
    """Backwards from `state`, which holds at `end`; `flips` newest first. Before all flips nothing is known."""
    found: list[Span] = []
    right = end
    for flip in flips:
        left = min(max(float(flip["at"]), start), right)
        _piece(found, left, right, looks.get(state, "none"), start, end)
        state, right = str(flip["before"]), left
        if left <= start:
            break
    else:
        # The oldest flip we hold may have been preceded by others: only "never" is certain.
        _piece(found, start, right, looks.get(state, "none"), start, end)
    return tuple(reversed(found))


def _piece(found: list[Span], left: float, right: float, look: str, start: float, end: float) -> None:
    if right <= left or look == "none":
        return
    scale = 1000 / (end - start)
    width = round((right - left) * scale, 2)
    # A flip of seconds must be seen in a picture of a day.
    found.append(Span(left=round((left - start) * scale, 2), width=max(width, 1.5), look=look))


def _kind(flips: Sequence[Mapping[str, Any]], what: str) -> list[Mapping[str, Any]]:
    return [flip for flip in flips if flip["what"] == what]


def story(seen: History) -> list[Line]:
    lines = [
        Line(at=f["at"], what=f["what"], before=f["before"], after=f["after"], reason=f["reason"])
        for f in seen.flips
    ]
    lines += [Line(at=m["at"], what="milestone", before="", after=m["name"]) for m in seen.milestones]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def steps(milestones: Mapping[str, float]) -> list[tuple[str, float]]:
    """Names and seconds since the first, in order: how long it took from power-on to a desktop."""
    order = sorted(milestones.items(), key=lambda pair: pair[1])
    return [(name, at - order[0][1]) for name, at in order]
