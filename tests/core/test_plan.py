"""desired − observed: applied once nothing is left, cut anywhere it closes nothing open and ends the same."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core import fleet
from appliance.core.codec import digest
from appliance.core.firewall import boot
from appliance.core.machine import Address, Desired, FileContent, Observed, Route, Rule
from appliance.core.model import Phase
from appliance.core.plan import (
    AddRoute,
    MakeBridge,
    MakeNamespace,
    RemoveAddress,
    RemoveRoute,
    RemoveTunnel,
    RestartUnit,
    SetFirewall,
    SetLinkUp,
    SetTunnel,
    Step,
    StopUnit,
    WriteFile,
    plan,
)
from appliance.host.simulated import after_step, without_link
from tests import machines
from tests.core.boxes import CONFIGS, MACHINES, box_in, desired_box, desired_hub, settled, start
from tests.machines import NOW

EVERY = list(itertools.product(CONFIGS, Phase, MACHINES))
WAYS = st.sampled_from(EVERY)


def comparable(state: Observed) -> Observed:
    """Without what has no order and no meaning."""
    links = tuple(sorted(state.links, key=lambda x: (x.namespace, x.name)))
    return replace(state, links=links, now=0.0)


@pytest.mark.parametrize(("name", "phase", "hardware"), EVERY)
def test_applied_once_nothing_is_left(name: str, phase: Phase, hardware: str) -> None:
    place = MACHINES[hardware]
    state = start(place)
    desired = desired_box(CONFIGS[name], phase, place, state)
    steps = plan(desired, state)
    assert steps
    for step in steps:
        state = after_step(state, step)
    assert plan(desired, state) == ()


@settings(max_examples=150)
@given(WAYS, WAYS)
def test_from_any_box_to_any_other_one_plan_is_enough(
    before: tuple[str, Phase, str], after: tuple[str, Phase, str]
) -> None:
    if MACHINES[before[2]].machine != MACHINES[after[2]].machine:
        after = (*after[:2], before[2])
    _, state = box_in(*before)
    desired, _ = box_in(*after)
    for step in plan(desired, state):
        state = after_step(state, step)
    assert plan(desired, state) == ()


@settings(max_examples=150)
@given(WAYS, WAYS, st.integers(0, 80))
def test_a_plan_cut_after_any_step_leaves_a_whole_firewall_and_ends_the_same(
    before: tuple[str, Phase, str], after: tuple[str, Phase, str], cut: int
) -> None:
    after = (*after[:2], before[2])
    old, state = box_in(*before)
    desired, _ = box_in(*after)
    known = {digest(boot()), *(digest(x.ruleset) for x in (*old.firewalls, *desired.firewalls))}
    whole = settled(desired, state)
    for step in plan(desired, state)[:cut]:
        state = after_step(state, step)
        assert {x for _, x in state.firewalls} <= known
    assert comparable(settled(desired, state)) == comparable(whole)


@pytest.mark.parametrize("name", ["assigned", "shelter", "stored"])
def test_closing_comes_before_everything_that_could_fail(name: str) -> None:
    """From open to closed: the first step is the closing one."""
    _, state = box_in(name, Phase.PROTECTED, "one-line")
    desired = desired_box(CONFIGS[name], Phase.BLOCKED, MACHINES["one-line"], state)
    steps = plan(desired, state)
    assert isinstance(steps[0], SetFirewall)
    assert steps[0].firewall.namespace == "field"


def test_every_firewall_comes_before_links_addresses_routes_and_the_tunnel() -> None:
    hardware = MACHINES["two-lines"]
    up = replace(start(hardware), links=tuple(replace(x, up=True) for x in start(hardware).links))
    steps = plan(desired_box(machines.SHELTER, Phase.PROTECTED, hardware, up), up)
    kinds = [type(x) for x in steps]
    last = max(i for i, x in enumerate(kinds) if x is SetFirewall)
    assert set(kinds[:last]) <= {MakeNamespace, SetFirewall}
    assert kinds.index(AddRoute) < kinds.index(SetTunnel)  # the line is ready before the tunnel


def test_a_machine_switched_off_and_on_reaches_the_same_end() -> None:
    desired, state = box_in("shelter", Phase.PROTECTED, "two-lines")
    again = settled(desired, start(MACHINES["two-lines"]), turns=6)
    assert comparable(settled(desired, again)) == comparable(state)


# ----------------------------------------------------------------------- what somebody else changed

DESIRED, STATE = box_in("shelter", Phase.PROTECTED, "two-lines")


def steps_after(**changes: object) -> tuple[Step, ...]:
    changed = replace(STATE, **changes)  # type: ignore[arg-type]
    steps = plan(DESIRED, changed)
    assert settled(DESIRED, changed).routes >= STATE.routes
    return steps


def test_nothing_changed_is_no_step() -> None:
    assert plan(DESIRED, STATE) == ()


def test_a_ruleset_flushed_by_hand_is_loaded_again() -> None:
    steps = steps_after(firewalls=(("field", ""), STATE.firewalls[0]))
    assert [type(x) for x in steps] == [SetFirewall]


def test_a_stray_address_on_our_link_goes_and_one_on_a_stranger_s_stays() -> None:
    stray = Address(namespace="field", link="lan0", address="192.0.2.1/24")
    foreign = Address(namespace="", link="docker0", address="192.0.2.1/24")
    assert steps_after(addresses=STATE.addresses | {stray, foreign}) == (RemoveAddress(address=stray),)


def test_a_stray_route_in_our_table_goes_and_one_in_a_stranger_s_stays() -> None:
    stray = Route(namespace="", table=5000, destination="198.51.100.0/24", link="eth0")
    foreign = Route(namespace="", table=42, destination="default", link="eth0")
    assert steps_after(routes=STATE.routes | {stray, foreign}) == (RemoveRoute(route=stray),)


def test_a_way_out_that_somebody_else_put_into_the_machine_s_main_table_goes() -> None:
    """Whoever else is on the machine (a network manager, a person): only the tunnel's mark has a way out."""
    for stray in (
        Route(namespace="", table=254, destination="default", link="eth0", gateway="192.168.1.1"),
        Route(namespace="", table=254, destination="0.0.0.0/1", link="usb0", gateway="192.168.8.1"),
    ):
        assert steps_after(routes=STATE.routes | {stray}) == (RemoveRoute(route=stray),)
    elsewhere = Route(namespace="", table=254, destination="172.17.0.0/16", link="docker0")
    assert steps_after(routes=STATE.routes | {elsewhere}) == ()


def test_a_route_of_another_gateway_is_replaced_and_never_first_removed() -> None:
    mine = next(x for x in STATE.routes if x.table == 5000)
    changed = STATE.routes - {mine} | {replace(mine, gateway="192.168.1.254")}
    assert steps_after(routes=changed) == (AddRoute(route=mine),)


def test_a_stray_rule_goes_and_the_system_s_own_stay() -> None:
    ours = Rule(namespace="", preference=500, table=7)
    theirs = Rule(namespace="", preference=32766, table=254)
    steps = steps_after(rules=STATE.rules | {ours, theirs})
    assert [x.rule for x in steps if hasattr(x, "rule")] == [ours]


def test_a_tunnel_deleted_by_hand_comes_back_with_its_addresses_and_routes() -> None:
    gone = replace(without_link(STATE, "field", "wg0"), tunnel=None)
    kinds = [type(x).__name__ for x in plan(DESIRED, gone)]
    assert kinds == ["SetTunnel", "SetLinkUp", "AddAddress", "AddRoute", "AddRoute"]
    assert settled(DESIRED, gone).routes == STATE.routes


def test_a_tunnel_that_goes_takes_its_addresses_and_routes_without_a_step_of_their_own() -> None:
    desired = desired_box(machines.FACTORY, Phase.SETUP, MACHINES["two-lines"], STATE)
    steps = plan(desired, STATE)
    assert RemoveTunnel(name="wg0") in steps
    assert not [x for x in steps if isinstance(x, RemoveRoute) and x.route.link == "wg0"]
    assert not settled(desired, STATE).link("field", "wg0")


def test_a_roaming_hub_without_a_wished_endpoint_is_left_alone() -> None:
    assert STATE.tunnel is not None and DESIRED.tunnel is not None
    roamed = replace(
        STATE.tunnel, peers=tuple(replace(x, endpoint="198.51.100.9:1") for x in STATE.tunnel.peers)
    )
    free = replace(DESIRED.tunnel, peers=tuple(replace(x, endpoint="") for x in DESIRED.tunnel.peers))
    assert [type(x) for x in steps_after(tunnel=roamed)] == [SetTunnel]
    assert plan(replace(DESIRED, tunnel=free), replace(STATE, tunnel=roamed)) == ()


@pytest.mark.parametrize("change", [{"mark": 1}, {"public_key": "other"}, {"peers": ()}])
def test_a_changed_tunnel_is_set_as_a_whole(change: dict[str, object]) -> None:
    assert STATE.tunnel is not None
    steps = steps_after(tunnel=replace(STATE.tunnel, **change))  # type: ignore[arg-type]
    assert [type(x) for x in steps] == [SetTunnel]


def test_a_port_that_lost_its_isolation_gets_it_back() -> None:
    port = STATE.link("", "port1")
    assert port is not None
    links = tuple(replace(x, isolated=False) if x is port else x for x in STATE.links)
    assert [type(x).__name__ for x in steps_after(links=links)] == ["AddPort"]


def test_a_veth_pulled_out_is_made_again() -> None:
    gone = without_link(without_link(STATE, "field", "lan0"), "", "lan0-port")
    steps = plan(DESIRED, gone)
    assert isinstance(steps[0], MakeBridge)
    assert comparable(settled(DESIRED, gone)) == comparable(STATE)


def test_a_link_that_is_down_is_put_up() -> None:
    links = tuple(replace(x, up=False) if x.name == "usb0" else x for x in STATE.links)
    assert steps_after(links=links) == (SetLinkUp(namespace="", link="usb0"),)


def test_a_usb_line_device_that_is_not_there_is_not_waited_for() -> None:
    hardware = MACHINES["bare"]
    state = without_link(start(hardware), "", "usb0")
    desired = desired_box(machines.FACTORY, Phase.SETUP, hardware, state)
    for step in plan(desired, state):
        state = after_step(state, step)
    assert plan(desired, state) == ()


def test_a_unit_that_died_is_started_and_one_that_reads_another_file_is_restarted() -> None:
    units = dict(STATE.units)
    assert [x.unit.name for x in steps_after(units=tuple((k, v) for k, v in units.items() if k != "web")) if isinstance(x, RestartUnit)] == ["web"]  # fmt: skip
    assert [x.unit.name for x in steps_after(units=tuple((units | {"dnsmasq": "old"}).items())) if isinstance(x, RestartUnit)] == ["dnsmasq"]  # fmt: skip


def test_a_file_is_written_before_the_unit_that_reads_it_starts() -> None:
    kinds = [type(x) for x in plan(DESIRED, replace(STATE, files=(), units=()))]
    assert kinds.index(WriteFile) < kinds.index(RestartUnit)


def test_only_our_own_units_are_stopped() -> None:
    stray = (*STATE.units, ("hostapd", ""), ("sshd", ""))
    assert steps_after(units=stray) == (StopUnit(name="hostapd"),)


def test_the_hub_settles_in_one_plan_too() -> None:
    config, box, _ = machines.enrolled(mission=(machines.RUNNING.kind, 3))
    state = start(replace(MACHINES["bare"], machine=machines.HQ_MACHINE))
    desired = desired_hub(config)
    for step in plan(desired, state):
        state = after_step(state, step)
    assert plan(desired, state) == ()
    kinds = [type(x) for x in plan(desired_hub(fleet.revoke(config, box.name)), state)]
    assert kinds == [SetFirewall, SetTunnel]


def test_files_are_compared_by_what_they_hold() -> None:
    desired = Desired(files=frozenset({FileContent(path="/run/x", content="a\n")}))
    assert plan(desired, Observed(now=NOW, files=(("/run/x", digest("a\n")),))) == ()
    assert len(plan(desired, Observed(now=NOW, files=(("/run/x", digest("b\n")),)))) == 1
