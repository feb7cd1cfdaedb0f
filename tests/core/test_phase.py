"""Facts → phase and reason: one row for each line of the table, and the order between the lines."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.machine import (
    Answer,
    DesktopProbe,
    Failure,
    HubProbe,
    Observed,
    PeerState,
    Status,
    TunnelState,
    Uplink,
)
from appliance.core.model import OPEN_PHASES, JoinStage, Mission, MissionKind, Phase, Reason
from appliance.core.modem_words import MODEM
from appliance.core.phase import HANDSHAKE_FRESH, Facts, facts_of, judge, status
from tests import machines
from tests.machines import ETH0, NOW, USB0

MISSION = machines.RUNNING
WELL = Facts(
    now=NOW,
    assigned=True,
    handshake_age=10.0,
    hub_age=0.5,
    mission=MISSION,
    desktops=2,
    tested=2,
    answering=2,
)
FRESH = Facts(now=NOW)
INVITED = Facts(now=NOW, stage=JoinStage.INVITED, handshake_age=1.0)
ASSIGNED = Facts(now=NOW, stage=JoinStage.ASSIGNED, assigned=True, handshake_age=1.0)
REFUSED = Facts(now=NOW, stage=JoinStage.REFUSED)
LOST = replace(WELL, handshake_age=None, hub_age=None)

# Top down as docs/security.md has it: what makes a line apply, the facts it is added to, what comes out.
TABLE: list[tuple[dict[str, object], Facts, Phase, Reason]] = [
    ({"config_damaged": True}, WELL, Phase.BLOCKED, Reason.CONFIG_DAMAGED),
    ({"disk_full": True}, WELL, Phase.BLOCKED, Reason.DISK_FULL),
    ({"step_failed": True}, WELL, Phase.BLOCKED, Reason.STEP_FAILED),
    ({"revoked": True}, WELL, Phase.BLOCKED, Reason.REVOKED),
    ({"refusal": "ticket-expired"}, REFUSED, Phase.BLOCKED, Reason.TICKET_EXPIRED),
    ({"refusal": "ticket-used"}, REFUSED, Phase.BLOCKED, Reason.TICKET_USED),
    ({"refusal": "ticket-unknown"}, REFUSED, Phase.BLOCKED, Reason.TICKET_UNKNOWN),
    ({"refusal": "revoked"}, REFUSED, Phase.BLOCKED, Reason.REVOKED),
    ({"refusal": "something new"}, REFUSED, Phase.BLOCKED, Reason.TICKET_UNKNOWN),
    ({}, FRESH, Phase.SETUP, Reason.NO_TICKET),
    ({"carrier": False, "address": False}, FRESH, Phase.SETUP, Reason.NO_TICKET),
    ({"carrier": False, "address": False}, INVITED, Phase.CONNECTING, Reason.NO_UPLINK),
    *(({"carrier": False, "modem": x}, LOST, Phase.CONNECTING, x) for x in MODEM),
    ({"carrier": False, "modem": Reason.MODEM_NO_SIM}, INVITED, Phase.CONNECTING, Reason.MODEM_NO_SIM),
    ({"carrier": False, "modem": Reason.MODEM_NO_SIM}, WELL, Phase.DEGRADED, Reason.LINE_LOST),
    ({"modem": Reason.MODEM_NO_SIM}, WELL, Phase.PROTECTED, Reason.ALL_WELL),
    ({"address": False}, INVITED, Phase.CONNECTING, Reason.NO_ADDRESS),
    ({"handshake_age": None, "hub_refusal": "internet"}, INVITED, Phase.CONNECTING, Reason.NO_INTERNET),
    ({"handshake_age": None, "hub_refusal": "port"}, INVITED, Phase.CONNECTING, Reason.HUB_PORT_CLOSED),
    ({"handshake_age": None, "waited": 7.9}, INVITED, Phase.CONNECTING, Reason.TUNNEL_STARTING),
    ({"handshake_age": None, "waited": 8.0}, INVITED, Phase.CONNECTING, Reason.INVITATION_SILENT),
    ({}, INVITED, Phase.CONNECTING, Reason.ENROLLING),
    ({}, ASSIGNED, Phase.CONNECTING, Reason.NEW_KEY_STARTING),
    ({"carrier": False, "address": False}, LOST, Phase.CONNECTING, Reason.NO_UPLINK),
    ({"address": False}, LOST, Phase.CONNECTING, Reason.NO_ADDRESS),
    ({"hub_refusal": "internet"}, LOST, Phase.CONNECTING, Reason.NO_INTERNET),
    ({"hub_refusal": "port"}, LOST, Phase.CONNECTING, Reason.HUB_PORT_CLOSED),
    ({"waited": 1.0}, LOST, Phase.CONNECTING, Reason.TUNNEL_STARTING),
    ({"waited": 60.0}, LOST, Phase.CONNECTING, Reason.HUB_SILENT),
    ({"handshake_age": 180.0, "waited": 60.0}, WELL, Phase.CONNECTING, Reason.HUB_SILENT),
    ({"hub_age": 180.0, "waited": 60.0}, WELL, Phase.CONNECTING, Reason.HUB_SILENT),
    ({"line_refused": Reason.LINE_REFUSED}, WELL, Phase.CONNECTING, Reason.LINE_REFUSED),
    ({"line_refused": Reason.OPEN_WIFI_REFUSED}, INVITED, Phase.CONNECTING, Reason.OPEN_WIFI_REFUSED),
    ({"line_refused": Reason.WIFI_CHANNEL}, INVITED, Phase.CONNECTING, Reason.WIFI_CHANNEL),
    ({"line_refused": Reason.WIFI_COUNTRY}, INVITED, Phase.CONNECTING, Reason.WIFI_COUNTRY),
    ({"captive": True}, LOST, Phase.CONNECTING, Reason.LINE_CAPTIVE),
    ({"captive": True, "handshake_age": None}, INVITED, Phase.CONNECTING, Reason.LINE_CAPTIVE),
    ({"signing_in": True}, WELL, Phase.SIGN_IN, Reason.SIGNING_IN),
    ({"hub_age": 5.1, "captive": True}, WELL, Phase.DEGRADED, Reason.LINE_CAPTIVE),
    ({"spare": True, "spare_captive": True}, WELL, Phase.DEGRADED, Reason.SPARE_CAPTIVE),
    ({"clock_wrong": True}, WELL, Phase.CONNECTING, Reason.CLOCK_WRONG),
    ({"mission": None}, WELL, Phase.STANDBY, Reason.NO_MISSION),
    ({"mission": replace(MISSION, start=NOW + 1)}, WELL, Phase.STANDBY, Reason.MISSION_NOT_STARTED),
    ({"mission": replace(MISSION, end=NOW)}, WELL, Phase.STANDBY, Reason.MISSION_ENDED),
    ({"carrier": False, "address": False}, WELL, Phase.DEGRADED, Reason.LINE_LOST),
    ({"address": False}, WELL, Phase.DEGRADED, Reason.LINE_LOST),
    ({"hub_age": 5.1}, WELL, Phase.DEGRADED, Reason.LINE_LOST),
    ({"tested": 1, "answering": 0}, WELL, Phase.DEGRADED, Reason.TESTING_DESKTOPS),
    ({"answering": 0}, WELL, Phase.DEGRADED, Reason.NO_DESKTOP_ANSWERS),
    ({"desktops": 0, "tested": 0, "answering": 0}, WELL, Phase.DEGRADED, Reason.NO_DESKTOP_ANSWERS),
    ({"loss": 0.06}, WELL, Phase.DEGRADED, Reason.LOSING_PACKETS),
    ({"answering": 1}, WELL, Phase.DEGRADED, Reason.DESKTOP_SILENT),
    ({"spare": True}, WELL, Phase.DEGRADED, Reason.SPARE_UPLINK),
    ({}, WELL, Phase.PROTECTED, Reason.ALL_WELL),
]

# Of a box that joined: what each line needs, in the table's order. All below it may be true as well.
ORDER: list[tuple[dict[str, object], Reason]] = [
    ({"config_damaged": True}, Reason.CONFIG_DAMAGED),
    ({"disk_full": True}, Reason.DISK_FULL),
    ({"step_failed": True}, Reason.STEP_FAILED),
    ({"revoked": True}, Reason.REVOKED),
    ({"stage": JoinStage.ASSIGNED}, Reason.NEW_KEY_STARTING),
    ({"clock_wrong": True}, Reason.CLOCK_WRONG),
    ({"mission": None}, Reason.NO_MISSION),
    ({"hub_age": 20.0}, Reason.LINE_LOST),
    ({"answering": 0}, Reason.NO_DESKTOP_ANSWERS),
    ({"loss": 0.5}, Reason.LOSING_PACKETS),
    ({"desktops": 3, "tested": 3}, Reason.DESKTOP_SILENT),
    ({"spare": True}, Reason.SPARE_UPLINK),
]


@pytest.mark.parametrize(("changes", "base", "phase", "reason"), TABLE)
def test_each_line_of_the_table(
    changes: dict[str, object], base: Facts, phase: Phase, reason: Reason
) -> None:
    assert judge(replace(base, **changes)) == (phase, reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(("upper", "lower"), list(itertools.combinations(range(len(ORDER)), 2)))
def test_the_upper_of_two_lines_wins(upper: int, lower: int) -> None:
    facts = replace(WELL, **(ORDER[lower][0] | ORDER[upper][0]))  # type: ignore[arg-type]
    assert judge(facts)[1] is ORDER[upper][1]


def test_every_reason_of_a_box_is_in_the_table() -> None:
    told = {x[3] for x in TABLE}
    assert set(Reason) - told == {Reason.HUB_RUNNING}


def test_a_box_that_had_joined_keeps_working_when_a_later_ticket_is_refused() -> None:
    assert judge(replace(WELL, stage=JoinStage.REFUSED, refusal="ticket-used"))[0] is Phase.PROTECTED


def test_the_least_of_a_clean_slate_is_open_only_with_everything_that_opening_needs() -> None:
    """Guard: the rows above really stand on facts that open."""
    assert judge(WELL)[0] in OPEN_PHASES


FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    config_damaged=st.booleans(),
    step_failed=st.booleans(),
    disk_full=st.booleans(),
    revoked=st.booleans(),
    stage=st.sampled_from([None, *JoinStage]),
    refusal=st.sampled_from(["", "ticket-used", "x"]),
    assigned=st.booleans(),
    carrier=st.booleans(),
    address=st.booleans(),
    spare=st.booleans(),
    waited=st.floats(0, 100),
    handshake_age=st.none() | st.floats(0, 400),
    hub_age=st.none() | st.floats(0, 400),
    hub_refusal=st.sampled_from(["", "internet", "port"]),
    loss=st.floats(0, 1),
    clock_wrong=st.booleans(),
    mission=st.none()
    | st.builds(
        Mission,
        kind=st.sampled_from(MissionKind),
        site=st.just("x"),
        start=st.floats(NOW - 10, NOW + 10),
        end=st.floats(NOW - 10, NOW + 10),
    ),
    desktops=st.integers(0, 3),
    tested=st.integers(0, 3),
    answering=st.integers(0, 3),
)


@given(FACTS)
def test_whatever_the_facts_it_opens_only_for_a_joined_box_with_a_live_session_and_a_running_mission(
    f: Facts,
) -> None:
    phase, _ = judge(f)
    if phase in OPEN_PHASES:
        assert f.assigned or f.stage is JoinStage.JOINED or f.stage is JoinStage.REFUSED
        assert not (f.config_damaged or f.step_failed or f.disk_full or f.revoked or f.clock_wrong)
        assert f.handshake_age is not None and f.handshake_age < HANDSHAKE_FRESH
        assert f.hub_age is not None and f.hub_age < HANDSHAKE_FRESH
        assert f.mission is not None and f.mission.start <= f.now < f.mission.end


# ------------------------------------------------------------------------------------ facts, since


def uplink(lease: object, active: bool = True) -> Uplink:
    return Uplink(link="eth0", kind="ethernet", carrier=True, lease=lease, table=5001, active=active)  # type: ignore[arg-type]


def observed(**changes: object) -> Observed:
    return replace(Observed(now=NOW), **changes)  # type: ignore[arg-type]


def test_facts_name_what_the_machine_told() -> None:
    peer = PeerState(public_key="k", endpoint="", allowed=(), handshake=NOW - 7, received=0, sent=0)
    tunnel = TunnelState(name="wg0", namespace="field", public_key="p", listen_port=1, mark=1, peers=(peer,))
    seen = observed(
        tunnel=tunnel,
        hub=HubProbe(last_answer=NOW - 2, loss=0.25, refusal="port"),
        desktops=(
            DesktopProbe(desktop="soumu", answer=Answer.ANSWERS, at=NOW - 9),
            DesktopProbe(desktop="soumu", answer=Answer.SILENT, at=NOW - 1),
            DesktopProbe(desktop="gone", answer=Answer.ANSWERS, at=NOW),
        ),
    )
    ups = (uplink(ETH0, active=False), replace(uplink(USB0), link="usb0"))
    facts = facts_of(machines.SHELTER, seen, ups, frozenset({"soumu", "zeimu"}), 3.0)
    assert (facts.handshake_age, facts.hub_age, facts.loss, facts.hub_refusal) == (7.0, 2.0, 0.25, "port")
    assert (facts.desktops, facts.tested, facts.answering) == (2, 1, 0)
    assert facts.spare and facts.carrier and facts.address
    assert facts.mission == machines.RUNNING


def test_no_handshake_and_no_answer_are_not_ages() -> None:
    facts = facts_of(machines.SHELTER, observed(), (), frozenset(), 0.0)
    assert (facts.handshake_age, facts.hub_age) == (None, None)


def test_a_handshake_that_seems_to_lie_ahead_is_new() -> None:
    """The clock may have been set back by a little since."""
    facts = facts_of(machines.SHELTER, observed(hub=HubProbe(last_answer=NOW + 5)), (), frozenset(), 0.0)
    assert facts.hub_age == 0.0


@pytest.mark.parametrize(("behind", "wrong"), [(3599.0, False), (3601.0, True), (-1e8, False)])
def test_a_clock_is_wrong_when_it_lags_an_hour_behind_what_hq_signed(behind: float, wrong: bool) -> None:
    config = replace(machines.SHELTER, assignment=machines.assignment(hub_time=NOW + behind))
    assert facts_of(config, observed(), (), frozenset(), 0.0).clock_wrong is wrong


def test_a_full_disk_is_told_apart_from_other_failures() -> None:
    full = Failure(step="WriteFile", message="[Errno 28] No space left on device", at=NOW)
    facts = facts_of(machines.SHELTER, observed(failures=(full,)), (), frozenset(), 0.0)
    assert judge(replace(facts, carrier=True))[1] is Reason.DISK_FULL


def test_since_is_when_phase_and_reason_began() -> None:
    first = status(None, Phase.SETUP, Reason.NO_TICKET, NOW)
    assert status(first, Phase.SETUP, Reason.NO_TICKET, NOW + 9) is first
    assert status(first, Phase.CONNECTING, Reason.NO_UPLINK, NOW + 9) == Status(
        phase=Phase.CONNECTING, reason=Reason.NO_UPLINK, since=NOW + 9
    )
