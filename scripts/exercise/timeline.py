"""The timeline of one exercise: which events there are, what is missing, and how it is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVENTS = {
    "power-on": "電源を入れた",
    "uplink": "回線が使えるようになった",
    "ticket-accepted": "招待QRコードが受け入れられた",
    "tunnel": "役所につながった",
    "first-ping": "本部に最初の連絡が届いた",
    "laptop-address": "パソコンが住所をもらった",
    "first-pixels": "デスクトップが見えた",
}
BOOTED = {  # of a box that is a real machine
    "kernel": "ファームウェアが終わった",
    "access-point": "Wi-Fiが見えた",
    "wizard": "案内のページが出た",
}
WORDS = {**EVENTS, **BOOTED}
ZERO_TOUCH = tuple(name for name in EVENTS if name != "ticket-accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Moments in seconds since the epoch by event name; `expected` are the events that had to happen."""

    moments: Mapping[str, float]
    expected: tuple[str, ...] = tuple(EVENTS)
    screenshot: str = ""
    colours: int = 0

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in self.expected if name not in self.moments)

    @property
    def seconds(self) -> tuple[tuple[str, float], ...]:
        """The events that happened, in the order of `expected`, in seconds after power-on."""
        start = self.moments.get("power-on", 0.0)
        return tuple(
            (name, round(self.moments[name] - start, 3)) for name in self.expected if name in self.moments
        )

    @property
    def ok(self) -> bool:
        """All of it happened, none of it before power-on, and the desktop had more than one colour."""
        return not self.missing and self.colours > 1 and all(seconds >= 0 for _, seconds in self.seconds)

    @property
    def complaint(self) -> str:
        """What is wrong, in one sentence; empty when all is well."""
        if self.missing:
            return f"These did not happen: {', '.join(self.missing)}."
        early = [name for name, seconds in self.seconds if seconds < 0]
        if early:
            return f"These seem to have happened before power-on: {', '.join(early)}."
        return "" if self.colours > 1 else "The desktop was one single colour."


def report(timeline: Timeline) -> dict[str, Any]:
    """What `--report FILE` holds."""
    return {
        "events": [{"name": name, "seconds": seconds} for name, seconds in timeline.seconds],
        "desktop": {"screenshot": timeline.screenshot, "colours": timeline.colours},
        "ok": timeline.ok,
    }


def table(timeline: Timeline, title: str) -> str:
    """For a terminal: a line for each event, with a bar that shows when it happened."""
    happened = dict(timeline.seconds)
    longest = max([*happened.values(), 1.0])
    lines = [title]
    for name in timeline.expected:
        if name not in happened:
            lines.append(f"  {name:<16}      –   did not happen")
            continue
        bar = "─" * max(0, round(30 * happened[name] / longest)) + "●"
        lines.append(f"  {name:<16} {happened[name]:6.2f} s  {bar:<32} {WORDS[name]}")
    if timeline.screenshot:
        lines.append(f"  desktop: {timeline.colours} colours, {timeline.screenshot}")
    lines.append(f"  {timeline.complaint}" if timeline.complaint else "  All of it happened.")
    return "\n".join(lines)
