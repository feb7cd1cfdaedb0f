"""Keeps the box's time: the mark on the disk, the question in each report, HQ's signed answer, and the step.

Only HQ's signed answer to a question of ours moves the mark. Before the clock is set back HQ is asked to forget our
last handshake, or the next one would be too old for it.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

from appliance.core import clock as decide
from appliance.core.clock import Paper
from appliance.core.codec import Invalid, load
from appliance.core.enrolment import open_signed
from appliance.host import mark
from appliance.host.clock import Clock

JUMP = 0.5  # seconds by which a clock may drift between two looks; more means that somebody set it
QUESTIONS = 64  # kept at most
IMPATIENT = 2.0  # seconds between two questions while the answer matters


class Timekeeper:
    """`path` holds the mark: the latest time that HQ signed."""

    def __init__(self, clock: Clock, path: Path, papers: float = 0.0) -> None:
        """`papers`: the time in the newest paper HQ signed, for a box that has no mark yet."""
        self._clock, self._path = clock, path
        self._mark = mark.read(path) or papers
        self._questions: dict[str, float] = {}  # nonce → when we asked, monotonic
        self._asked: float | None = None  # monotonic
        self._signed = False
        self._ahead = 0.0  # a known error that waits for HQ to forget our last handshake
        self._renew_at: float | None = None  # monotonic
        moment = decide.at_boot(clock.now(), self._mark)
        if moment is not None:
            clock.set(moment)
        self._difference = clock.now() - clock.monotonic()

    @property
    def signed(self) -> bool:
        """Whether HQ vouched for this clock since the box started, or since somebody else set it."""
        return self._signed

    @property
    def ahead(self) -> float:
        """Seconds the clock is known to be ahead, while nothing can be done about it yet."""
        return self._ahead

    @property
    def mark(self) -> float:
        return self._mark

    def jumped(self) -> float:
        """Seconds by which the clock was set since the last look, by us or by anybody."""
        difference = self._clock.now() - self._clock.monotonic()
        jump, self._difference = difference - self._difference, difference
        return jump if abs(jump) > JUMP else 0.0

    def distrust(self) -> None:
        """Somebody else set the clock: ask again."""
        self._signed = False

    # ------------------------------------------------------------------------------------ HQ's time

    def question(self) -> dict[str, Any]:
        """What the next report asks; nothing where the time was asked lately."""
        if self._signed and not self._ahead and self.until_question() > 0:
            return {}
        now = self._clock.monotonic()
        nonce = secrets.token_hex(16)
        self._asked = now
        self._questions = dict([*self._questions.items(), (nonce, now)][-QUESTIONS:])
        return {"nonce": nonce, "forget": self._ahead > 0}

    def until_question(self) -> float:
        """Seconds until it is worth a report of its own."""
        pause = decide.ASK_AGAIN if self._signed and not self._ahead else IMPATIENT
        return 0.0 if self._asked is None else max(0.0, self._asked + pause - self._clock.monotonic())

    def until_handshake(self) -> float:
        """Seconds until our own end has to shake hands anew; for ever where it has not."""
        return float("inf") if self._renew_at is None else max(0.0, self._renew_at - self._clock.monotonic())

    def read(self, envelope: str, signing_key: str, handshake: float) -> None:
        """HQ's answer. `handshake`: our last one, by our clock."""
        try:
            paper = load(Paper, open_signed(envelope, signing_key))
        except Invalid as problem:
            sys.stderr.write(f"noroshi: HQ's time was not accepted: {problem}\n")
            return
        monotonic = self._clock.monotonic()
        asked = self._questions.get(paper.nonce)
        if asked is None or monotonic - asked > decide.GOOD_FOR:
            return
        self._questions = {k: v for k, v in self._questions.items() if v > asked}
        self._signed = True
        now, age = self._clock.now(), monotonic - asked
        self._keep(paper.time)
        ahead = decide.seconds_ahead(now, paper.time, age)
        waits = self._clock.dates_handshakes() and decide.must_be_forgotten(ahead, now, handshake)
        if waits and not paper.forgets:
            self._ahead, self._asked = ahead, None
            return
        self._ahead = 0.0
        if ahead:
            # Whatever handshake is made from now on has the right date, before HQ forgets us and after.
            self._clock.set(now - ahead)
        if waits:
            self._renew_at = monotonic + decide.RENEW_DELAY

    def take_renewal(self) -> bool:
        """Whether it is time, once: HQ has forgotten our session by now, and we would only notice after 15 s."""
        due = self.until_handshake() == 0.0
        if due:
            self._renew_at = None
        return due

    # --------------------------------------------------------------------------------- other sources

    def at_least(self, moment: float) -> None:
        """HQ signed that it is later than this."""
        if not self.signed and self._clock.now() < moment:
            self._clock.set(moment)

    def phone(self, moment: float) -> None:
        better = decide.from_phone(self._clock.now(), self._mark, moment, self.signed)
        if better is not None:
            self._clock.set(better)

    # -------------------------------------------------------------------------------------- the mark

    def _keep(self, moment: float) -> None:
        if not decide.is_worth_saving(self._mark, moment):
            return
        self._mark = moment
        try:
            mark.write(self._path, moment)
        except OSError as error:  # a full disk: the time is known all the same
            sys.stderr.write(f"noroshi: the time could not be kept: {error}\n")
