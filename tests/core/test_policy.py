"""HQ's policy for lines: who is told of a change, what never becomes a policy, and what it says of one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.core import commands, fleet, policy
from appliance.core.codec import dump_private, load
from appliance.core.lease import Lease
from appliance.core.machine import (
    Desired,
    HubProbe,
    Link,
    Machine,
    Observed,
    PeerState,
    Status,
    TunnelState,
    Uplink,
)
from appliance.core.model import (
    Assignment,
    BoxRecord,
    HubConfig,
    LineEntrance,
    LineKind,
    LineRule,
    NetworkClass,
    Phase,
    Policy,
    Reason,
)
from appliance.core.uplinks import TUNNEL_TABLE, Choice, mark_active
from appliance.core.words import REFUSALS, Refused
from tests.core.decide import decide
from tests.machines import (
    BOX_MACHINE,
    ETH0,
    HQ,
    NOW,
    RUNNING,
    SHELTER,
    SOUMU,
    USB0,
    assignment,
    desktop,
    enrolled,
)

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
    lgwan = frozenset({NetworkClass.LGWAN})
    why = policy.why_refused(CLOSED_ONLY, kind, "shiyakusho", lgwan)
    assert why is (None if kind is LineKind.CLOSED else Reason.LINE_REFUSED)
    assert policy.why_refused(Policy(), kind, "shiyakusho", lgwan) is None


def test_a_line_that_may_carry_one_of_the_desktops_is_used_and_lacks_the_others() -> None:
    both = assignment(desktops=(SOUMU, KANKO), policy=CLOSED_ONLY)
    (usb,) = policy.judged((line("usb0", "usb"),), both)
    assert usb.usable and usb.lacks == {NetworkClass.LGWAN}
    (closed,) = policy.judged((line("wwan0", "closed"),), both)
    assert closed.usable and not closed.lacks


def test_the_open_disaster_wifi_is_refused_until_hq_allows_it() -> None:
    def why(held: Policy, ssid: str, kind: LineKind = LineKind.WIFI) -> Reason | None:
        return policy.why_refused(held, kind, ssid)

    for name in (policy.OPEN_SSID, "00000japan ", ""):
        assert why(Policy(), name) is Reason.OPEN_WIFI_REFUSED
        assert why(Policy(open_wifi=True), name) is None
    assert why(Policy(), "shiyakusho") is None
    assert why(Policy(), "", LineKind.ETHERNET) is None
    every = tuple(LineRule(network=x, kinds=(LineKind.CLOSED,)) for x in NetworkClass)
    assert why(Policy(lines=every), "shiyakusho") is Reason.LINE_REFUSED


def test_a_wifi_that_is_in_no_network_yet_is_not_called_the_open_one_and_one_without_a_name_is() -> None:
    nowhere = replace(line("wlan0", "wifi"), carrier=False, lease=None, ssid="")
    assert policy.judged((nowhere,), None)[0].refused is None
    nameless = replace(line("wlan0", "wifi"), ssid="")
    assert policy.judged((nameless,), None)[0].refused is Reason.OPEN_WIFI_REFUSED


def test_a_box_that_has_not_joined_has_the_careful_policy() -> None:
    (wifi,) = policy.judged((replace(line("wlan0", "wifi"), ssid=policy.OPEN_SSID),), None)
    assert wifi.refused is Reason.OPEN_WIFI_REFUSED and not wifi.usable


# ------------------------------------------------------------------------------------- whole decisions


def decided(held: Policy, *leases: Lease, machine: Machine = BOX_MACHINE) -> tuple[Status, Desired]:
    """A shelter whose lines are plugged in, a session running."""
    config = replace(SHELTER, assignment=assignment(mission=RUNNING, desktops=(SOUMU, KANKO), policy=held))
    keys = config.keys
    assert keys is not None
    links = tuple(Link(namespace="", name=x.link, up=True, carrier=True) for x in leases)
    peer = PeerState(public_key=HQ.public_key, endpoint="", allowed=(), handshake=NOW - 1, received=1, sent=1)
    tunnel = TunnelState(
        name="wg0", namespace="field", public_key=keys.tunnel_public, listen_port=1, mark=1, peers=(peer,)
    )
    observed = Observed(
        now=NOW, links=links, leases=leases, tunnel=tunnel, hub=HubProbe(at=NOW, last_answer=NOW)
    )
    return decide(config, observed, machine)


def outside(desired: Desired) -> str:
    return next(x.ruleset for x in desired.firewalls if x.namespace == "")


def field(desired: Desired) -> str:
    return next(x.ruleset for x in desired.firewalls if x.namespace == "field")


def only(*kinds: LineKind) -> Policy:
    return Policy(lines=tuple(LineRule(network=x, kinds=kinds) for x in NetworkClass))


def test_a_refused_line_has_no_route_and_no_rule_and_says_why_although_a_session_runs() -> None:
    status, desired = decided(Policy(), ETH0)
    assert 'oifname { "eth0", "usb0" }' in outside(desired) and len(desired.routes) > 2  # the guard
    status, desired = decided(only(LineKind.CLOSED), ETH0)
    assert (status.phase, status.reason) == (Phase.CONNECTING, Reason.LINE_REFUSED)
    assert not [x for x in desired.routes if x.link in BOX_MACHINE.uplinks]
    assert "eth0" not in outside(desired)
    assert "daddr 203.0.113.10" not in outside(desired)
    assert "10.10.0.20" not in field(desired)


def test_beside_a_refused_line_the_other_one_carries_the_tunnel_alone() -> None:
    _, desired = decided(only(LineKind.USB), ETH0, USB0)
    assert {x.link for x in desired.routes if x.namespace == "" and x.table >= 5000} == {"usb0"}
    assert '"usb0"' in outside(desired) and "eth0" not in outside(desired)


def test_on_a_line_that_lacks_a_class_its_desktops_stay_closed_and_the_others_open() -> None:
    _, desired = decided(CLOSED_ONLY, USB0)
    assert "10.10.0.20" not in field(desired) and "10.10.0.40" in field(desired)
    _, desired = decided(CLOSED_ONLY, USB0, machine=replace(BOX_MACHINE, closed=("usb0",)))
    assert "10.10.0.20" in field(desired) and "10.10.0.40" in field(desired)


def test_a_line_that_carries_all_is_taken_before_one_that_lacks_something() -> None:
    machine = replace(BOX_MACHINE, closed=("usb0",))  # eth0 is first in the machine's own order
    _, desired = decided(CLOSED_ONLY, ETH0, USB0, machine=machine)
    assert [x.link for x in desired.routes if x.table == TUNNEL_TABLE and not x.metric] == ["usb0"]


def test_over_a_line_with_an_entrance_of_its_own_the_tunnel_goes_there() -> None:
    own = Policy(entrances=(LineEntrance(kind=LineKind.CLOSED, endpoints=("10.0.0.1:51820",)),))
    closed = replace(BOX_MACHINE, closed=("eth0",))
    _, desired = decided(own, ETH0, machine=closed)
    assert desired.tunnel is not None and desired.tunnel.peers[0].endpoint == "10.0.0.1:51820"
    assert "daddr 10.0.0.1" in outside(desired) and "daddr 203.0.113.10" not in outside(desired)
    _, desired = decided(own, ETH0)
    assert desired.tunnel is not None and desired.tunnel.peers[0].endpoint == HQ.endpoints[0]


def test_copies_never_leave_on_a_line_that_may_carry_less() -> None:
    whole, less = line("wwan0", "closed"), replace(line("usb0", "usb"), lacks=frozenset({NetworkClass.LGWAN}))
    doubt = Choice(link="wwan0", double="usb0", suspected=NOW)
    assert [x.doubled for x in mark_active((whole, less), doubt)] == [False, False]
    assert [x.doubled for x in mark_active((whole, replace(less, lacks=frozenset())), doubt)] == [False, True]
    back = Choice(link="usb0", double="wwan0", suspected=NOW)
    assert [x.doubled for x in mark_active((whole, less), back)] == [True, False]


def line(link: str, kind: str) -> Uplink:
    lease = replace(ETH0, link=link)
    return Uplink(link=link, kind=kind, carrier=True, lease=lease, table=5001)


def test_each_kind_of_line_may_have_its_own_entrance() -> None:
    common = ("203.0.113.10:51820",)
    held = Policy(entrances=(LineEntrance(kind=LineKind.CLOSED, endpoints=("10.0.0.1:51820",)),))
    assert policy.entrances(held, LineKind.CLOSED, common) == ("10.0.0.1:51820",)
    assert policy.entrances(held, LineKind.LTE, common) == common


def test_every_refusal_of_a_line_has_words() -> None:
    assert {"line-refused", "open-wifi-refused", "line-class", "bad-policy"} <= set(REFUSALS)
