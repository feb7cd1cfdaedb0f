"""Facts → phase and reason: one ordered table, the first line that applies wins. Memory is `Status.since` only."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.core.machine import Answer, DesktopProbe, Observed, Status, Uplink
from appliance.core.model import Config, JoinStage, Mission, Phase, Reason
from appliance.core.policy import refusal_of
from appliance.core.portal import is_captive, is_spare_captive

HANDSHAKE_FRESH = (
    180.0  # seconds: WireGuard's REJECT_AFTER_TIME, after which a session is dead (whitepaper 6.1)
)
HUB_ANSWERED = 5.0  # seconds since the last echo answer that count as "answers now"
PATIENCE = 8.0  # seconds of silence at the start before we say more than "connecting"
LOSS_WARNING = 0.05  # part of echo requests lost
CLOCK_SLACK = 3600.0  # seconds a clock may be wrong before decisions by it are worth nothing

_REFUSALS = {
    "ticket-expired": Reason.TICKET_EXPIRED,
    "ticket-used": Reason.TICKET_USED,
    "ticket-unknown": Reason.TICKET_UNKNOWN,
    "revoked": Reason.REVOKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the phase depends on, and nothing else."""

    now: float
    config_damaged: bool = False
    step_failed: bool = False
    disk_full: bool = False
    revoked: bool = False
    stage: JoinStage | None = None
    refusal: str = ""
    assigned: bool = False
    carrier: bool = True
    address: bool = True
    line_refused: Reason | None = None  # HQ's policy refuses every line there is
    modem: Reason | None = None  # a modem is there, and this is why it is no line
    spare: bool = False
    captive: bool = False  # the line in use is held up by a sign-in page
    spare_captive: bool = False  # the one that was left is
    signing_in: bool = False  # a phone is passing it
    waited: float = 0.0  # seconds since the tunnel was asked for
    handshake_age: float | None = None  # None = never under the present key
    hub_age: float | None = None  # since the last answer inside the tunnel
    hub_refusal: str = ""
    loss: float = 0.0
    clock_wrong: bool = False
    mission: Mission | None = None
    desktops: int = 0
    tested: int = 0
    answering: int = 0


def facts_of(
    config: Config,
    observed: Observed,
    uplinks: tuple[Uplink, ...],
    allowed_desktops: frozenset[str],
    waited: float,
    *,
    clock_signed: bool = False,
    clock_ahead: float = 0.0,
    signing_in: bool = False,
    modem: Reason | None = None,
) -> Facts:
    """Gather the facts from what was asked and what is. `clock_signed`: HQ vouches for our clock; `clock_ahead`:
    seconds it is known to be wrong by and not yet set."""
    now, assignment, joining = observed.now, config.assignment, config.joining
    probes = _newest(observed.desktops)
    tested = [probes[name] for name in allowed_desktops if name in probes]
    handshake = max((p.handshake for p in observed.tunnel.peers), default=0.0) if observed.tunnel else 0.0
    first = next((x for x in uplinks if x.carrier and not x.refused), None)
    return Facts(
        now=now,
        config_damaged=observed.config_damaged,
        step_failed=bool(observed.failures),
        disk_full=any("No space left" in x.message for x in observed.failures),
        revoked=assignment is not None and assignment.revoked,
        stage=joining.stage if joining else None,
        refusal=joining.refusal if joining else "",
        assigned=assignment is not None,
        carrier=any(x.carrier for x in uplinks),
        address=any(x.usable for x in uplinks),
        line_refused=refusal_of(uplinks),
        modem=modem,
        spare=first is not None and not first.active,
        captive=is_captive(observed.portal, uplinks, waited),
        spare_captive=is_spare_captive(observed.portal, uplinks),
        signing_in=signing_in,
        waited=waited,
        handshake_age=max(0.0, now - handshake) if handshake else None,
        hub_age=max(0.0, now - observed.hub.last_answer) if observed.hub.last_answer else None,
        hub_refusal=observed.hub.refusal,
        loss=observed.hub.loss,
        clock_wrong=clock_ahead > CLOCK_SLACK
        or (not clock_signed and assignment is not None and now < assignment.hub_time - CLOCK_SLACK),
        mission=assignment.mission if assignment else None,
        desktops=len(allowed_desktops),
        tested=len(tested),
        answering=sum(x.answer is Answer.ANSWERS for x in tested),
    )


def judge(f: Facts) -> tuple[Phase, Reason]:
    """The ordered table of docs/security.md."""
    return _blocked(f) or _joining(f) or _signing_in(f) or _connecting(f) or _waiting(f) or _open(f)


def status(before: Status | None, phase: Phase, reason: Reason, now: float) -> Status:
    """`since` is when this phase and reason began."""
    if before is not None and (before.phase, before.reason) == (phase, reason):
        return before
    return Status(phase=phase, reason=reason, since=now)


def _blocked(f: Facts) -> tuple[Phase, Reason] | None:
    if f.config_damaged:
        return Phase.BLOCKED, Reason.CONFIG_DAMAGED
    if f.disk_full:
        return Phase.BLOCKED, Reason.DISK_FULL
    if f.step_failed:
        return Phase.BLOCKED, Reason.STEP_FAILED
    if f.revoked:
        return Phase.BLOCKED, Reason.REVOKED
    if f.stage is JoinStage.REFUSED and not f.assigned:
        return Phase.BLOCKED, _REFUSALS.get(f.refusal, Reason.TICKET_UNKNOWN)
    return None


def _joining(f: Facts) -> tuple[Phase, Reason] | None:
    if f.stage is None and not f.assigned:
        return Phase.SETUP, Reason.NO_TICKET
    if f.stage not in (JoinStage.INVITED, JoinStage.ASSIGNED):
        return None
    lost = _line(f)
    if lost:
        return Phase.CONNECTING, lost
    if f.handshake_age is None:
        return Phase.CONNECTING, _silence(f)
    return Phase.CONNECTING, Reason.ENROLLING if f.stage is JoinStage.INVITED else Reason.NEW_KEY_STARTING


def _signing_in(f: Facts) -> tuple[Phase, Reason] | None:
    return (Phase.SIGN_IN, Reason.SIGNING_IN) if f.signing_in else None


def _connecting(f: Facts) -> tuple[Phase, Reason] | None:
    alive = f.handshake_age is not None and f.handshake_age < HANDSHAKE_FRESH
    answered = f.hub_age is not None and f.hub_age < HANDSHAKE_FRESH
    if f.line_refused:  # whatever session is left: no line may carry it
        return Phase.CONNECTING, f.line_refused
    if not (alive and answered):
        return Phase.CONNECTING, _line(f) or _silence(f)
    if f.clock_wrong:
        return Phase.CONNECTING, Reason.CLOCK_WRONG
    return None


def _waiting(f: Facts) -> tuple[Phase, Reason] | None:
    if f.mission is None:
        return Phase.STANDBY, Reason.NO_MISSION
    if f.now < f.mission.start:
        return Phase.STANDBY, Reason.MISSION_NOT_STARTED
    if f.now >= f.mission.end:
        return Phase.STANDBY, Reason.MISSION_ENDED
    return None


def _open(f: Facts) -> tuple[Phase, Reason]:
    if _line(f) or f.hub_age is None or f.hub_age > HUB_ANSWERED:
        return Phase.DEGRADED, Reason.LINE_CAPTIVE if f.captive and not _line(f) else Reason.LINE_LOST
    if f.answering == 0:
        testing = f.tested < f.desktops
        return Phase.DEGRADED, Reason.TESTING_DESKTOPS if testing else Reason.NO_DESKTOP_ANSWERS
    if f.loss > LOSS_WARNING:
        return Phase.DEGRADED, Reason.LOSING_PACKETS
    if f.tested - f.answering > 0:
        return Phase.DEGRADED, Reason.DESKTOP_SILENT
    if f.spare:
        return Phase.DEGRADED, Reason.SPARE_CAPTIVE if f.spare_captive else Reason.SPARE_UPLINK
    return Phase.PROTECTED, Reason.ALL_WELL


def _line(f: Facts) -> Reason | None:
    if not f.carrier:
        return f.modem or Reason.NO_UPLINK
    if f.line_refused:
        return f.line_refused
    return None if f.address else Reason.NO_ADDRESS


def _silence(f: Facts) -> Reason:
    if f.captive:
        return Reason.LINE_CAPTIVE
    if f.hub_refusal == "internet":
        return Reason.NO_INTERNET
    if f.hub_refusal == "port":
        return Reason.HUB_PORT_CLOSED
    if f.waited < PATIENCE:
        return Reason.TUNNEL_STARTING
    # HQ answers no key it does not know: from here a spent invitation looks like a hub that is down.
    return Reason.INVITATION_SILENT if f.stage is JoinStage.INVITED else Reason.HUB_SILENT


def _newest(probes: tuple[DesktopProbe, ...]) -> dict[str, DesktopProbe]:
    newest: dict[str, DesktopProbe] = {}
    for probe in sorted(probes, key=lambda x: x.at):
        newest[probe.desktop] = probe
    return newest
