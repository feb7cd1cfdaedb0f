"""What the light on the box shows in each phase, for whoever has no phone at hand. Told apart by eye from across a
room: steady, slow, quick, groups.

  steady                connected
  steady, short gap     connected, with a warning
  quick                 connecting, or starting
  slow, even            waits for a person (photo of the invitation)
  slow, one short flash stands by
  two flashes           one phone signs in to the line
  three flashes         stopped to be safe
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.core.model import Phase


@dataclass(frozen=True, slots=True)
class Blink:
    """Milliseconds on and off, in turn, again and again; `()` is steady."""

    steps: tuple[int, ...]

    @property
    def steady(self) -> bool:
        return not self.steps


STEADY = Blink(())
QUICK = Blink((150, 150))
PATTERNS: dict[Phase, Blink] = {
    Phase.SETUP: Blink((1000, 1000)),
    Phase.SIGN_IN: Blink((200, 200, 200, 1400)),
    Phase.CONNECTING: QUICK,
    Phase.STANDBY: Blink((100, 2900)),
    Phase.PROTECTED: STEADY,
    Phase.DEGRADED: Blink((1800, 200)),
    Phase.BLOCKED: Blink((200, 200, 200, 200, 200, 1400)),
}


def blink(phase: Phase | None) -> Blink:
    """None: nobody answers at the door yet."""
    return QUICK if phase is None else PATTERNS[phase]


def pattern(shown: Blink) -> str:
    """For the kernel's trigger "pattern": pairs of brightness and milliseconds. Between two pairs it would fade, so
    each level is written twice, the second time with no duration (Documentation/leds/ledtrig-pattern)."""
    words = []
    for number, duration in enumerate(shown.steps):
        level = 0 if number % 2 else 255
        words.append(f"{level} {duration} {level} 0")
    return " ".join(words)
