"""HQ's policy for lines: who is told of a change, what never becomes a policy, and what it says of one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.core import commands, fleet, policy
from appliance.core.codec import dump_private, load
from appliance.core.model import (
    Assignment,
    BoxRecord,
    HubConfig,
    LineEntrance,
    LineKind,
    LineRule,
    NetworkClass,
    Policy,
)
from appliance.core.words import REFUSALS, Refused
from tests.machines import HQ, NOW, SHELTER, SOUMU, assignment, desktop, enrolled

CLOSED_ONLY = Policy(lines=(LineRule(network=NetworkClass.LGWAN, kinds=(LineKind.CLOSED,)),))
KANKO = desktop("kanko", "10.10.0.40", network=NetworkClass.INTERNET)


def two_boxes() -> tuple[HubConfig, BoxRecord, BoxRecord]:
    config, first, _ = enrolled()
    config, second, _ = enrolled(config, 2)
    return config, first, second


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def told(config: HubConfig, name: str) -> Assignment:
    return fleet.assignment_of(config, fleet.find_box(config, name), NOW)


# ---------------------------------------------------------------------------------------------- at HQ


def test_nothing_is_allowed_before_hq_says_so() -> None:
    assert Policy() == Policy(sign_in=False, open_wifi=False, lines=(), entrances=())


def test_an_assignment_from_before_there_were_policies_is_read_with_the_careful_one() -> None:
    old = dump_private(assignment())
    del old["policy"]
    assert load(Assignment, old).policy == Policy()
    old_hq = dump_private(HQ)
    del old_hq["policy"]
    assert load(HubConfig, old_hq).policy == Policy()


def test_the_fleets_policy_reaches_every_box_without_its_own_and_only_those_are_told() -> None:
    config, first, second = two_boxes()
    config = policy.set_policy(config, second.name, {"sign_in": True})
    config = policy.set_policy(config, "", {"open_wifi": True})
    assert told(config, first.name).policy == Policy(open_wifi=True)
    assert told(config, second.name).policy == Policy(sign_in=True)
    assert [x.version - y.version for x, y in zip(config.boxes, (first, second), strict=True)] == [1, 1]


def test_a_box_of_its_own_begins_with_the_fleets_values_and_goes_back_to_them() -> None:
    config, first, _ = two_boxes()
    config = policy.set_policy(config, "", {"open_wifi": True})
    config = policy.set_policy(config, first.name, {"sign_in": True})
    assert told(config, first.name).policy == Policy(open_wifi=True, sign_in=True)
    config = policy.set_policy(config, first.name, None)
    assert told(config, first.name).policy == Policy(open_wifi=True)
    assert policy.set_policy(config, "", None).policy == Policy()


def test_no_change_tells_nobody() -> None:
    config, first, _ = two_boxes()
    assert policy.set_policy(config, "", {"sign_in": False}) is config
    assert policy.set_policy(config, first.name, None) is config


@pytest.mark.parametrize(
    "changes",
    [
        {"sign_in": "yes"},
        {"sign-in": True},
        {"lines": [{"network": "lgwan", "kinds": ["carrier-pigeon"]}]},
        {"lines": [{"network": "lgwan", "kinds": []}, {"network": "lgwan", "kinds": ["lte"]}]},
        {"lines": [{"network": "lgwan", "kinds": ["lte", "lte"]}]},
        {"entrances": [{"kind": "lte", "endpoints": ["hq.example:51820"]}]},
        {"entrances": [{"kind": "lte", "endpoints": []}]},
        {"entrances": [{"kind": "lte", "endpoints": ["1.2.3.4:1"] * 9}]},
        {"entrances": [{"kind": "lte", "endpoints": ["1.2.3.4:1; drop"]}]},
        {"entrances": [{"kind": "lte", "endpoints": ["1.2.3.4:1"]}] * 2},
        {"prefer": ["lte", "lte"]},
        {"in_need": ["tin can"]},
        {"both_lines": "yes"},
    ],
)
def test_what_does_not_fit_never_becomes_a_policy(changes: dict[str, Any]) -> None:
    assert refused(lambda: policy.set_policy(HQ, "", changes)) == "bad-policy"


def test_an_unknown_box_has_no_policy() -> None:
    assert refused(lambda: policy.set_policy(HQ, "box-9999", {"sign_in": True})) == "unknown-box"


def test_a_box_checks_again_what_hq_signed() -> None:
    held = SHELTER.assignment
    assert held is not None
    bad = Policy(entrances=(LineEntrance(kind=LineKind.LTE, endpoints=("hq.example:1",)),))
    newer = replace(held, version=held.version + 1, policy=bad)
    assert commands.accept_assignment(SHELTER, newer) is SHELTER
    good = replace(newer, policy=CLOSED_ONLY)
    assert commands.accept_assignment(SHELTER, good).assignment == good


# ------------------------------------------------------------------------------------------ on the box


def test_a_class_without_a_rule_is_carried_by_every_line() -> None:
    for kind in LineKind:
        assert policy.may_carry(Policy(), kind) == frozenset(NetworkClass)


@pytest.mark.parametrize("kind", LineKind)
def test_closed_sim_only_refuses_every_other_kind_of_line(kind: LineKind) -> None:
    why = policy.why_refused(CLOSED_ONLY, kind, "", (SOUMU,))
    assert why == ("" if kind is LineKind.CLOSED else "line-kind")
    assert policy.why_refused(Policy(), kind, "", (SOUMU,)) == ""


def test_a_line_that_may_carry_one_of_the_desktops_is_used() -> None:
    assert policy.why_refused(CLOSED_ONLY, LineKind.USB, "", (SOUMU, KANKO)) == ""
    assert NetworkClass.LGWAN not in policy.may_carry(CLOSED_ONLY, LineKind.USB)
    assert NetworkClass.INTERNET in policy.may_carry(CLOSED_ONLY, LineKind.USB)


def test_the_open_disaster_wifi_is_refused_until_hq_allows_it() -> None:
    def why(held: Policy, ssid: str, kind: LineKind = LineKind.WIFI) -> str:
        return policy.why_refused(held, kind, ssid, (SOUMU,))

    assert why(Policy(), policy.OPEN_SSID) == "line-open-wifi"
    assert why(Policy(open_wifi=True), policy.OPEN_SSID) == ""
    assert why(Policy(), "shiyakusho") == ""
    assert why(CLOSED_ONLY, "shiyakusho") == "line-kind"


def test_each_kind_of_line_may_have_its_own_entrance() -> None:
    common = ("203.0.113.10:51820",)
    held = Policy(entrances=(LineEntrance(kind=LineKind.CLOSED, endpoints=("10.0.0.1:51820",)),))
    assert policy.entrances(held, LineKind.CLOSED, common) == ("10.0.0.1:51820",)
    assert policy.entrances(held, LineKind.LTE, common) == common


def test_every_refusal_of_a_line_has_words() -> None:
    assert {"line-kind", "line-open-wifi", "line-class", "bad-policy"} <= set(REFUSALS)
