"""Sign-in pages on a line (captive portals): when to look for one, what an answer means, and the hole by which one
phone may pass it. Pure; `appliance/signing_in.py` remembers, `host/portal.py` and `host/sign_in.py` act.

Whoever answers HQ's check instead of HQ stands in between: HQ signs a number that nobody knew before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from appliance.core import policy
from appliance.core.codec import Invalid, load
from appliance.core.enrolment import open_signed
from appliance.core.firewall import CHECK_PORT as CHECK_PORT
from appliance.core.machine import Finding, Hole, LaptopLease, Observed, PortalProbe, Status, Uplink
from appliance.core.model import Assignment, Config, JoinStage, LineKind, Phase, Reason
from appliance.core.words import Refused

CHECK_PATH = "/noroshi-check"
MOST_OCTETS = 4096  # of an answer that are looked at
LASTS = 600.0  # seconds a hole is open at most
SILENT_FIRST = 3.0  # seconds without an answer of HQ before the line is asked why
HINT_AFTER = 8.0  # seconds of silence after which the router's own hint is believed


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPaper:
    """What HQ signs for a check; no other paper has this field."""

    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Which line to ask, where HQ is, and the key that its answer is signed with."""

    link: str
    address: str
    signing_key: str


# ------------------------------------------------------------------------------------- is there one?


def check_wanted(
    config: Config, status: Status | None, uplinks: Sequence[Uplink], silence: float
) -> Check | None:
    """Only while HQ is out of reach, or for the line that was left; never while all is well."""
    link = _line_in_question(status, uplinks, silence)
    address = _hq_on(config, link) if link else ""
    if link is None or link.six or not address or not config.signing_key:
        return None
    return Check(link=link.link, address=address, signing_key=config.signing_key)


def _line_in_question(status: Status | None, uplinks: Sequence[Uplink], silence: float) -> Uplink | None:
    if status is None:
        return None
    if status.reason in (Reason.SPARE_UPLINK, Reason.SPARE_CAPTIVE):
        return next((x for x in uplinks if x.usable and not x.active), None)
    doubt = status.phase in (Phase.CONNECTING, Phase.SIGN_IN) or status.reason in (
        Reason.LINE_LOST,
        Reason.LINE_CAPTIVE,
    )
    if not doubt or silence < SILENT_FIRST:
        return None
    return next((x for x in uplinks if x.active), None)


def _hq_on(config: Config, uplink: Uplink) -> str:
    """HQ's address over this line; "" where it has no IPv4 one."""
    joining, assignment = config.joining, config.assignment
    if assignment and not (joining and joining.stage is JoinStage.INVITED):
        endpoints = policy.entrances(assignment.policy, LineKind(uplink.kind), assignment.endpoints)
    elif joining:
        endpoints = joining.ticket.endpoints
    else:
        return ""
    return next((x.rpartition(":")[0] for x in endpoints if not x.startswith("[")), "")


def read_answer(code: int, body: str, nonce: str, signing_key: str) -> Finding:
    """`code`: HTTP's, 0 for what is no HTTP at all. HQ that has no time says 503, and so may anybody."""
    if code >= 500 and code != 511:  # RFC 6585: 511 asks for a sign-in
        return Finding.UNKNOWN
    try:
        paper = load(CheckPaper, open_signed(body, signing_key, MOST_OCTETS)) if code == 200 else None
    except Invalid:
        paper = None
    return Finding.CLEAR if paper and paper.check == nonce else Finding.CAPTIVE


def is_captive(probe: PortalProbe, uplinks: Sequence[Uplink], waited: float) -> bool:
    """The line in use; `waited`: seconds since the tunnel was asked for. A router may say so itself (RFC 8910)."""
    active = next((x for x in uplinks if x.active), None)
    if active is None or active.lease is None:
        return False
    found = probe.finding if probe.link == active.link else Finding.UNKNOWN
    hinted = active.lease.portal and waited > HINT_AFTER and found is Finding.UNKNOWN
    return found is Finding.CAPTIVE or hinted


def is_spare_captive(probe: PortalProbe, uplinks: Sequence[Uplink]) -> bool:
    """The line that was left."""
    return probe.finding is Finding.CAPTIVE and any(x.link == probe.link and not x.active for x in uplinks)


# ------------------------------------------------------------------------------------------ the hole


def allowed(assignment: Assignment | None) -> bool:
    return assignment is not None and assignment.policy.sign_in and not assignment.revoked


def is_offered(assignment: Assignment | None, status: Status) -> bool:
    """Whether the pages offer to sign in."""
    return allowed(assignment) and status.reason is Reason.LINE_CAPTIVE


def hole_for(
    address: str,
    assignment: Assignment | None,
    status: Status,
    uplinks: Sequence[Uplink],
    laptops: Iterable[LaptopLease],
    registered: Collection[str],
    present: Hole | None,
) -> Hole:
    """The hole for whoever asks from `address`. `registered`: hardware addresses of laptops for desktops; those never
    get to the internet. Raises Refused."""
    if not allowed(assignment):
        raise Refused("sign-in-not-allowed")
    if present is not None:
        if present.address != address:
            raise Refused("sign-in-busy")
        return present
    active = next((x for x in uplinks if x.active), None)
    if not is_offered(assignment, status) or active is None or active.lease is None or active.six:
        raise Refused("sign-in-not-needed")
    mac = next((x.mac for x in laptops if x.address == address), "")
    if not mac or mac in registered:
        raise Refused("sign-in-laptop" if mac else "sign-in-unknown")
    return Hole(
        mac=mac,
        address=address,
        link=active.link,
        source=active.lease.address,
        dns=tuple(x for x in active.lease.dns if ":" not in x)[:2],
    )


def why_closed(
    hole: Hole, since: float, assignment: Assignment | None, uplinks: Sequence[Uplink], observed: Observed
) -> str:
    """Why the hole must not be there any more, "" while it may; the first that applies."""
    active = next((x for x in uplinks if x.active), None)
    if not since <= observed.now < since + LASTS:
        return "time"
    if not allowed(assignment):
        return "withdrawn"
    if observed.hub.last_answer > since:
        return "done"
    if (
        active is None
        or active.lease is None
        or (active.link, active.lease.address) != (hole.link, hole.source)
    ):
        return "line"
    if not any((x.mac, x.address) == (hole.mac, hole.address) for x in observed.laptops):
        return "gone"
    return ""
