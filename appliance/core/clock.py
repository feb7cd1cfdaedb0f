"""What to believe about the time. A box has no battery clock, wakes whenever it last was, and learns the time from
HQ only once the tunnel is up; so it starts from what HQ signed last, and believes nothing but a signed answer to its
own question after that. All of it is arithmetic: `appliance/timekeeper.py` acts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from appliance.core.machine import Observed

FLOOR = 1767225600.0  # 2026-01-01: a clock before this was never set
DAY = 86400.0
PHONE_AHEAD = 400 * DAY  # beyond the mark that a phone may move the clock
LIKELY = 5 * 366 * DAY  # beyond the mark that a clock nobody signed may be and still be believed
SAVE_AFTER = (
    600.0  # seconds by which the mark grows at least: a save wears the card, and HQ answers any clock
)
ASK_AGAIN = 60.0  # seconds between two questions for the time once it is known
GOOD_FOR = 30.0  # seconds after which the answer to a question says too little
TOLERANCE = 1.0  # seconds of error that are left alone
FORGET_DELAY = 0.5  # seconds HQ waits before it forgets a box that asked for it: its answer has to arrive
RENEW_DELAY = 1.0  # seconds after that answer before the box shakes hands anew
_NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """HQ's answer, signed. `forgets`: HQ is about to forget this box's last handshake, as the box asked."""

    nonce: str
    time: float
    forgets: bool = False


def is_nonce(text: object) -> bool:
    """32 hex digits: nobody gets anything else signed by asking for the time."""
    return isinstance(text, str) and _NONCE.fullmatch(text) is not None


def at_boot(now: float, mark: float) -> float | None:
    """What to set the clock to before anything else, or None. A clock that is ahead may be right."""
    return mark + 1 if mark and now < mark + 1 else None


def is_plausible(now: float, mark: float) -> bool:
    """Whether a clock that nobody signed may be believed where HQ decides in the end anyway."""
    floor = max(mark, FLOOR)
    return floor < now < floor + LIKELY


def from_phone(now: float, mark: float, phone: float, signed: bool) -> float | None:
    """A person's phone moves the clock forward, before HQ has spoken, and not further than is likely."""
    likely = phone <= max(mark, FLOOR) + PHONE_AHEAD
    return phone if likely and not signed and phone > now + TOLERANCE else None


def seconds_ahead(now: float, paper: float, age: float) -> float:
    """How far the clock is ahead of HQ's (negative: behind). HQ's time was taken at some moment of the `age` seconds
    since we asked; a clock that agrees with any of them is right."""
    early, late = paper - TOLERANCE, paper + age + TOLERANCE
    return 0.0 if early <= now <= late else now - (paper + age / 2)


def must_be_forgotten(ahead: float, now: float, handshake: float) -> bool:
    """Whether our next handshake would be older than our last one, once the clock is right."""
    return ahead > 0 and bool(handshake) and now - ahead <= handshake + TOLERANCE


def is_worth_saving(mark: float, moment: float) -> bool:
    """The mark follows HQ's signed word in both directions: an HQ that was wrong once must not stay believed."""
    return moment >= mark + SAVE_AFTER or moment < mark


def moved(observed: Observed, seconds: float) -> Observed:
    """The same observation by a clock that was set while we looked."""
    tunnel, hub = observed.tunnel, observed.hub
    if tunnel is not None:
        peers = tuple(replace(x, handshake=_moved(x.handshake, seconds)) for x in tunnel.peers)
        tunnel = replace(tunnel, peers=peers)
    hub = replace(hub, at=_moved(hub.at, seconds), last_answer=_moved(hub.last_answer, seconds))
    return replace(observed, now=observed.now + seconds, tunnel=tunnel, hub=hub)


def _moved(moment: float, seconds: float) -> float:
    return moment + seconds if moment else 0.0
