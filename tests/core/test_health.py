"""Reports and the status page: pure views, the same words for the same facts, no secret in them but the Wi-Fi's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from appliance.core.desktops import refusals
from appliance.core.health import OUTBOX_KEEPS, quality, report, status_view, surplus
from appliance.core.machine import Answer, DesktopProbe, HubProbe, Observed, Status, Uplink
from appliance.core.model import Config, MissionKind, Phase, Reason
from appliance.core.words import words
from tests import machines
from tests.core.test_codec import secrets_in
from tests.machines import ETH0, NOW, SOUMU, ZEIMU

WELL = Status(phase=Phase.PROTECTED, reason=Reason.ALL_WELL, since=NOW - 60)
LINE = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)
SEEN = Observed(
    now=NOW,
    hub=HubProbe(at=NOW, last_answer=NOW - 0.2, round_trip=0.034567, loss=0.0),
    desktops=(DesktopProbe(desktop="soumu", answer=Answer.ANSWERS, at=NOW),),
    laptops=machines.LAPTOPS,
)


def view(
    config: Config, status: Status = WELL, observed: Observed = SEEN, radio: bool = False
) -> dict[str, Any]:
    assignment = config.assignment
    kind = assignment.mission.kind if assignment and assignment.mission else None
    allowed, refused = refusals(assignment.desktops if assignment else (), radio, kind)
    return status_view(config, status, observed, (LINE,), allowed, refused, {"open": NOW}, None)


@pytest.mark.parametrize("reason", Reason)
def test_the_page_says_what_words_say(reason: Reason) -> None:
    seen = view(machines.SHELTER, Status(phase=Phase.BLOCKED, reason=reason, since=NOW))
    assert seen["number"] == words(reason).number and seen["words"] == words(reason).as_data()


@pytest.mark.parametrize(
    "config", [machines.FACTORY, machines.INVITED, machines.REFUSED, machines.ASSIGNED, machines.SHELTER, machines.REVOKED]
)  # fmt: skip
def test_a_status_is_plain_json_without_any_key(config: Config) -> None:
    text = json.dumps(view(config), allow_nan=False)
    assert all(x not in text for x in secrets_in(config))


def test_a_desktop_is_shown_open_with_its_answer_and_address() -> None:
    (shown,) = view(machines.SHELTER)["desktops"]
    assert (shown["open"], shown["answer"], shown["address"]) == (True, "answers", "10.10.0.20:3389")
    (closed,) = view(machines.SHELTER, Status(phase=Phase.STANDBY, reason=Reason.NO_MISSION, since=NOW))[
        "desktops"
    ]
    assert closed["open"] is False


def test_a_desktop_for_individual_numbers_says_why_it_stays_closed_beside_a_radio() -> None:
    config = replace(
        machines.SHELTER, assignment=machines.assignment(mission=machines.RUNNING, desktops=(SOUMU, ZEIMU))
    )
    shown = {x["name"]: x for x in view(config, radio=True)["desktops"]}
    assert shown["soumu"]["refused"] is None and shown["soumu"]["open"]
    assert "個人番号" in shown["zeimu"]["refused"]["ja"] and not shown["zeimu"]["open"]


@pytest.mark.parametrize(
    ("kind", "end", "drill"),
    [(MissionKind.DRILL, 1, True), (MissionKind.DRILL, 0, False), (MissionKind.HOME, 1, False)],
)
def test_a_drill_is_marked_while_it_runs(kind: MissionKind, end: float, drill: bool) -> None:
    mission = replace(machines.RUNNING, kind=kind, end=NOW + end)
    config = replace(machines.SHELTER, assignment=machines.assignment(mission=mission))
    assert view(config)["drill"] is drill


def test_joining_is_told_in_steps() -> None:
    told = view(machines.INVITED, Status(phase=Phase.CONNECTING, reason=Reason.ENROLLING, since=NOW))[
        "joining"
    ]
    done = {x["name"]: x["done"] for x in told["steps"]}
    assert done == {"uplink": True, "ticket": True, "tunnel": False, "enrolled": False, "desktop": False}
    told = view(machines.ASSIGNED, Status(phase=Phase.CONNECTING, reason=Reason.ENROLLING, since=NOW))[
        "joining"
    ]
    assert {x["name"] for x in told["steps"] if x["done"]} == {"uplink", "ticket", "tunnel", "enrolled"}
    assert view(machines.SHELTER)["joining"] is None


@pytest.mark.parametrize(
    ("round_trip", "loss", "last", "word"),
    [
        (0.03, 0.0, NOW, "good"),
        (0.079, 0.01, NOW, "good"),
        (0.08, 0.0, NOW, "usable"),
        (0.03, 0.05, NOW, "usable"),
        (0.25, 0.0, NOW, "poor"),
        (0.03, 0.06, NOW, "poor"),
        (0.0, 0.0, 0.0, "unknown"),
    ],
)
def test_the_line_s_quality_is_one_of_four_words(
    round_trip: float, loss: float, last: float, word: str
) -> None:
    probe = HubProbe(at=NOW, last_answer=last, round_trip=round_trip, loss=loss)
    assert quality(Observed(now=NOW, hub=probe)) == word


def test_a_report_names_the_box_its_policy_and_what_it_sees() -> None:
    body = report(machines.SHELTER, WELL, SEEN, (LINE,), {"open": NOW}, None, "boot", 7, 12.3456)
    assert (body["box"], body["seq"], body["boot_id"], body["uptime"]) == ("box-0001", 7, "boot", 12.346)
    assert (body["phase"], body["reason"], body["policy"]) == ("PROTECTED", "all-well", 1)
    assert body["uplink"] == {"link": "eth0", "kind": "ethernet"} and body["round_trip"] == 0.0346
    assert body["desktops"] == {"soumu": "answers"} and body["laptops"] == 2
    json.dumps(body, allow_nan=False)


def test_a_report_of_a_box_that_heard_nothing_yet_has_no_invented_numbers() -> None:
    body = report(machines.SHELTER, WELL, Observed(now=NOW), (), {}, None, "boot", 1, 0.0)
    assert (body["round_trip"], body["handshake_age"], body["uplink"]) == (None, None, None)


# ------------------------------------------------------------------------------------------ outbox


def names(count: int) -> list[str]:
    return [f"report-{i:06d}" for i in range(count)]


def test_the_outbox_keeps_what_fits() -> None:
    assert surplus(names(OUTBOX_KEEPS)) == () == surplus([])


def test_a_long_outage_is_thinned_and_keeps_its_first_and_its_newest_reports() -> None:
    kept = names(OUTBOX_KEEPS)
    for i in range(3 * OUTBOX_KEEPS):
        kept.append(f"report-{OUTBOX_KEEPS + i:06d}")
        gone = set(surplus(kept))
        kept = [x for x in kept if x not in gone]
        assert len(kept) <= OUTBOX_KEEPS
    assert kept[0] == "report-000000"
    assert kept[-500:] == [f"report-{i:06d}" for i in range(4 * OUTBOX_KEEPS - 500, 4 * OUTBOX_KEEPS)]
    numbers = [int(x[-6:]) for x in kept]
    assert any(1000 < x < 4000 for x in numbers), "the middle of the outage has an outline"
