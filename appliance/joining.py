"""From a ticket to a place at HQ: first with the invitation's key, then with the box's own, and back if either is silent.

Nothing that comes from HQ counts unless HQ signed it, but a refusal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appliance.core import commands
from appliance.core.codec import Invalid, load
from appliance.core.enrolment import open_signed
from appliance.core.health import handshake_of
from appliance.core.machine import Observed
from appliance.core.model import Assignment, JoinStage
from appliance.kept_config import KeptConfig
from appliance.letters import Letters
from appliance.memory import NEVER
from appliance.snapshot import Tools

NEW_KEY_PATIENCE = 20.0  # seconds an own key may stay silent before the invitation is tried again
LETTER_AGAIN = 15.0  # seconds until an unanswered enrolment is written again
_REFUSALS = frozenset({"ticket-expired", "ticket-used", "ticket-unknown"})


class Joining:
    """Call `look` once a turn, after HQ's answers were read and before anything is decided."""

    def __init__(self, kept: KeptConfig, tools: Tools) -> None:
        self._kept, self._tools = kept, tools
        self._key_since = 0.0
        self._letter_at = NEVER
        self._public = ("", "")
        self.asked_since = 0.0  # since when an answer inside the tunnel may be expected; 0: not at all
        self.begun = False  # a handshake was made
        self.shaken_key = ""  # the public key it was made with

    @property
    def invited(self) -> bool:
        """HQ does not know the box's own key yet."""
        joining = self._kept.config.joining
        return joining is not None and joining.stage is JoinStage.INVITED

    @property
    def arrived(self) -> bool:
        """The tunnel stands with the box's own key."""
        keys = self._kept.config.keys
        return keys is not None and self.shaken_key == keys.tunnel_public

    def shift(self, seconds: float) -> None:
        """The clock was set: what waits for a time moves along."""
        if self.asked_since:
            self.asked_since += seconds
        self._key_since += seconds
        self._letter_at += seconds

    def look(self, observed: Observed, link: str) -> None:
        """What the tunnel's state means; `link`: the line in use, "" for none."""
        config, tunnel, now = self._kept.config, observed.tunnel, observed.now
        self.begun = tunnel is not None and handshake_of(observed) > 0
        self.shaken_key = tunnel.public_key if tunnel is not None and self.begun else ""
        asked = config.assignment is not None or config.joining is not None
        self.asked_since = (self.asked_since or now) if asked else 0.0
        if config.joining is None or config.keys is None:
            self._key_since = now
            return
        if config.assignment is None or not link:
            self._key_since = now
        own = config.joining.stage is JoinStage.ASSIGNED
        if own and self.arrived:
            self._kept.try_save(commands.joined(config))
        elif self.begun and not own:
            self._key_since = now
        elif now - self._key_since > NEW_KEY_PATIENCE:
            self._key_since = now
            silent = commands.new_key_silent if own else commands.invitation_silent
            self._kept.try_save(silent(config))

    def invitation_public(self) -> str:
        """The public half of the invitation's key, "" without one."""
        joining = self._kept.config.joining
        if joining is None:
            return ""
        if self._public[0] != joining.ticket.id:
            self._public = (joining.ticket.id, self._tools.public_of(joining.ticket.invitation_key))
        return self._public[1]

    def redeemed(self) -> None:
        """A new ticket was taken: its letter waits for nothing."""
        self._letter_at = NEVER

    def write(self, letters: Letters, model: str, now: float) -> None:
        """The enrolment, until it is answered. Raises OSError."""
        if self.invited and now - self._letter_at >= LETTER_AGAIN:
            self._letter_at = now
            letters.write_enrolment(self._kept.config, model)

    def hear(self, answer: Mapping[str, Any]) -> Assignment | None:
        """What HQ said of this box's place; the new assignment where there is one, whether or not the disk took it."""
        envelope, error = answer.get("assignment"), answer.get("error")
        config = self._kept.config
        if isinstance(envelope, str):
            try:
                assignment = load(Assignment, open_signed(envelope, config.signing_key), newer=True)
            except Invalid as problem:
                sys.stderr.write(f"noroshi: an assignment was not accepted: {problem}\n")
                return None
            accepted = commands.accept_assignment(config, self._without_foreign_files(assignment))
            if accepted is config:
                return None
            self._kept.try_save(accepted)
            return assignment
        if isinstance(error, dict) and error.get("code") in _REFUSALS:
            self._kept.try_save(commands.join_refused(config, str(error["code"])))
        return None

    def _without_foreign_files(self, assignment: Assignment) -> Assignment:
        """A desktop file that the publisher did not sign, or that redirects anything, is not handed out."""
        good = tuple(
            (name, text)
            for name, text in assignment.rdp_files
            if self._tools.verify_rdp(text, assignment.publisher)
        )
        return replace(assignment, rdp_files=good)
