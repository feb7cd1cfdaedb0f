"""Is a box up, late or down, and when did that change? Pure: one stamp and one `now`, both HQ's own clock.

Only reports that came in time move the stamp; what a box stored during an outage and delivered later tells
what happened then, never that the box is up now. Every change gets the time at which it became true, not
the time at which somebody looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

INTERVAL = 10.0  # seconds between two reports of a box
LATE_AFTER = 25.0  # two reports missed, and a little
DOWN_AFTER = 45.0  # four missed
AHEAD = 5.0  # a stamp further in the future than this proves nothing: HQ's clock was set back


class Presence(StrEnum):
    NEVER = "never"
    UP = "up"
    LATE = "late"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A change of presence; `at` is when it became true."""

    at: float
    before: Presence
    after: Presence


def presence(last_received: float | None, now: float) -> Presence:
    """`last_received`: when HQ received the newest report that came in time, None = never one."""
    if last_received is None:
        return Presence.NEVER
    age = now - last_received
    if age < -AHEAD or age > DOWN_AFTER:
        return Presence.DOWN
    return Presence.LATE if age > LATE_AFTER else Presence.UP


def silence(before: Presence, last_received: float | None, now: float) -> tuple[Flip, ...]:
    """What the silence since `last_received` has changed, `before` being what was recorded last."""
    after = presence(last_received, now)
    if last_received is None or after == before or after == Presence.NEVER:
        return ()
    late_at, down_at = last_received + LATE_AFTER, last_received + DOWN_AFTER
    if after == Presence.DOWN and now < last_received:  # HQ's clock was set back: no true time is known
        return (Flip(at=now, before=before, after=after),)
    match after, before:
        case (Presence.LATE, Presence.UP):
            return (Flip(at=late_at, before=before, after=after),)
        case (Presence.DOWN, Presence.UP):
            return (
                Flip(at=late_at, before=before, after=Presence.LATE),
                Flip(at=down_at, before=Presence.LATE, after=after),
            )
        case (Presence.DOWN, Presence.LATE):
            return (Flip(at=down_at, before=before, after=after),)
    return ()  # towards UP: only a report can do that, see `arrival`


def arrival(before: Presence, last_received: float | None, now: float) -> tuple[Flip, ...]:
    """What a report that came in time at `now` changes: first what the silence did, then back to up."""
    missed = silence(before, last_received, now)
    state = missed[-1].after if missed else before
    if state == Presence.UP:
        return missed
    return (*missed, Flip(at=now, before=state, after=Presence.UP))
