"""The ten minutes by which one phone may pass a line's sign-in page: begun when somebody asks, looked after every turn.
Nothing of it is kept: after a restart there is no hole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from appliance.core import portal
from appliance.core.machine import Hole, Observed, Status, Uplink
from appliance.core.model import Assignment, Device
from appliance.core.words import Refused
from appliance.request import text


class Seen(Protocol):
    """What a turn saw; the role's snapshot."""

    @property
    def status(self) -> Status: ...

    @property
    def observed(self) -> Observed: ...

    @property
    def uplinks(self) -> tuple[Uplink, ...]: ...

    @property
    def known(self) -> Mapping[str, Device]: ...


class SigningIn:
    def __init__(self) -> None:
        self.hole: Hole | None = None
        self.since = 0.0
        self.ended = ""  # why the last one closed

    def shift(self, seconds: float) -> None:
        """The clock was set."""
        self.since += seconds if self.hole else 0.0

    def obey(
        self, request: Mapping[str, Any], assignment: Assignment | None, seen: Seen | None, now: float
    ) -> None:
        """`sign-in` from a visitor's address, or `end-sign-in`. Raises Refused."""
        if request["ask"] == "end-sign-in":
            self.end()
            return
        if seen is None:
            raise Refused("unreachable")
        address, laptops = text(request, "visitor"), seen.observed.laptops
        hole = portal.hole_for(address, assignment, seen.status, seen.uplinks, laptops, seen.known, self.hole)
        if self.hole is None:
            self.hole, self.since, self.ended = hole, now, ""

    def end(self, why: str = "person") -> None:
        if self.hole is not None:
            self.hole, self.ended = None, why

    def look(
        self, assignment: Assignment | None, uplinks: Sequence[Uplink], observed: Observed
    ) -> Hole | None:
        """The hole of this turn."""
        if self.hole is not None:
            why = portal.why_closed(self.hole, self.since, assignment, uplinks, observed)
            if why:
                self.end(why)
        return self.hole

    def until_end(self, now: float) -> float:
        """Seconds until it closes by itself; for ever where there is none."""
        return max(0.0, self.since + portal.LASTS - now) if self.hole else float("inf")

    def view(self, assignment: Assignment | None, status: Status, visitor: str, hq: str) -> dict[str, Any]:
        """For the pages; `visitor` is the address that a page is for. Whoever opens HQ's own check (at `hq`) on a captive
        line is shown the sign-in page."""
        hole = self.hole
        return {
            "offered": portal.is_offered(assignment, status),
            "until": self.since + portal.LASTS if hole else 0.0,
            "mine": hole is not None and hole.address == visitor,
            "ended": self.ended,
            "portal": f"http://{hq}{portal.CHECK_PATH}" if hq else "",
        }
