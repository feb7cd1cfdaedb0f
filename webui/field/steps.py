"""Which screen a status calls for, and its one colour. Pure: a status from the door in, words for templates out.

A status is the door's answer to `status` as it came (JSON), the only thing these functions look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from appliance.core.model import OPEN_PHASES, Phase, Reason

Facts = Mapping[str, Any]


class Step(StrEnum):
    LINE = "line"
    TICKET = "ticket"
    SITE = "site"
    JOINING = "joining"
    CAPTIVE = "captive"
    SIGN_IN = "sign-in"
    DONE = "done"
    STANDBY = "standby"
    BLOCKED = "blocked"
    CLOSED = "closed"


# Seconds between two looks at the box: with the page's script, and by plain reload without it (0: never by
# itself, a form is on the screen).
PACE = {
    Step.LINE: (2, 5),
    Step.TICKET: (5, 0),
    Step.SITE: (0, 0),
    Step.JOINING: (1, 3),
    Step.CAPTIVE: (3, 20),
    Step.SIGN_IN: (2, 10),
    Step.DONE: (3, 20),
    Step.STANDBY: (3, 15),
    Step.BLOCKED: (3, 15),
    Step.CLOSED: (2, 5),
}
JOINING_SECONDS = 20  # what joining takes people to wait, with room to spare
QUIET = frozenset({Reason.TUNNEL_STARTING, Reason.ENROLLING, Reason.NEW_KEY_STARTING, Reason.NO_TICKET})


def step_of(status: Facts) -> Step:
    """The first line that applies wins, as in the phases themselves."""
    phase = status["phase"]
    joining = status.get("joining") or {}
    stage = joining.get("stage", "")
    if phase == Phase.BLOCKED or stage == "refused":
        return Step.BLOCKED
    if phase == Phase.SIGN_IN:
        return Step.SIGN_IN
    if status["reason"] == Reason.LINE_CAPTIVE:
        return Step.CAPTIVE
    if phase in OPEN_PHASES:
        return Step.DONE
    if phase == Phase.STANDBY:
        return Step.STANDBY
    if not has_line(status):
        return Step.LINE
    if stage in ("invited", "assigned"):
        return Step.JOINING
    if phase == Phase.SETUP:
        return Step.TICKET
    return Step.DONE if was_up(status) else Step.JOINING


def state_of(step: Step, status: Facts) -> str:
    """The band's colour: good (works), work (heals itself), calm (waits for somebody), stop (a person must act)."""
    if step in (Step.BLOCKED, Step.CLOSED):
        return "stop"
    if step is Step.DONE:
        return "good" if status["phase"] == Phase.PROTECTED else "work"
    if step in (Step.JOINING, Step.CAPTIVE, Step.SIGN_IN) or (step is Step.LINE and was_up(status)):
        return "work"
    return "calm"


def has_line(status: Facts) -> bool:
    return any(
        uplink["carrier"] and uplink["address"] and not uplink.get("refused")
        for uplink in status.get("uplinks", ())
    )


def refused_line(status: Facts) -> Mapping[str, Any] | None:
    """Why HQ's policy keeps the box from its line, where no other line is there: words in both languages."""
    live = [uplink for uplink in status.get("uplinks", ()) if uplink["carrier"]]
    return live[0]["refused"] if live and all(uplink.get("refused") for uplink in live) else None


def modem_without_line(status: Facts) -> Mapping[str, Any] | None:
    """A modem that is no line yet and says why, where nothing else is plugged in: words in both languages."""
    modem = status.get("modem")
    alone = not any(uplink["carrier"] for uplink in status.get("uplinks", ()))
    return modem if modem and modem["words"] and alone else None


def waits_for_address(status: Facts) -> bool:
    """Something is plugged in, but it has not answered yet."""
    return not has_line(status) and any(uplink["carrier"] for uplink in status.get("uplinks", ()))


def waits_for_wifi(status: Facts) -> bool:
    """On the Wi-Fi's page: something is going on, and no form is on the screen that a reload would empty."""
    line = status.get("wifi_line") or {}
    return not line.get("around") and bool(line.get("looking") or line.get("state") == "trying")


def was_up(status: Facts) -> bool:
    """Since power-on people could work here: what is missing now is a break, not a beginning."""
    return bool({"open", "protected"} & set(status.get("milestones") or {}))


def progress(status: Facts) -> list[tuple[str, bool]]:
    """Steps of joining and whether each is done. The door lists them while an invitation is being used; a box
    that was prepared in peacetime, or has just been registered, has fewer left."""
    joining, milestones = status.get("joining"), status.get("milestones") or {}
    if joining:
        return [(step["name"], step["done"]) for step in joining["steps"]]
    registered = [("ticket", True), ("enrolled", True)] if "ticket-accepted" in milestones else []
    return [("uplink", has_line(status)), *registered, ("tunnel", "tunnel" in milestones), ("desktop", False)]


def sign_in_left(status: Facts) -> int:
    """Seconds until the hole closes by itself, in steps of ten: a screen that shows it changes no more often."""
    left = (status.get("sign_in") or {}).get("until", 0.0) - status["now"]
    return max(0, int(-(-left // 10)) * 10)


def must_start_over(status: Facts) -> bool:
    """The invitation was refused: another one is the only way on."""
    return bool((status.get("joining") or {}).get("stage") == "refused")


def may_start_over(status: Facts) -> bool:
    """Another invitation is possible: this one leads nowhere for long, or HQ has withdrawn the box."""
    stuck = (status.get("joining") or {}).get("stage") == "invited" and seconds_left(status) == 0
    return stuck or status["reason"] == Reason.REVOKED


def seconds_left(status: Facts) -> int:
    """For 「あと約◯秒」: 20, 15, 10, 5, or 0 when it takes longer than people were told. Coarse, so that a page
    that shows it changes every five seconds and not with every look."""
    milestones = status.get("milestones") or {}
    since = (status.get("joining") or {}).get("since") or milestones.get("ticket-accepted") or status["since"]
    left = JOINING_SECONDS - max(0.0, status["now"] - since)
    return max(0, int(-(-left // 5)) * 5)


def worth_saying(status: Facts) -> bool:
    """While joining: the reason is something a person can help with."""
    return status["reason"] not in QUIET
