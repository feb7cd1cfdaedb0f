"""Config and status → the whole machine: what each kind of box is, and what it never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import fleet
from appliance.core.desired import field_box, hub_address, tunnel_address
from appliance.core.ladder import Standing
from appliance.core.machine import Status
from appliance.core.marks import MARK
from appliance.core.model import Config, MissionKind, Phase, Reason
from tests import machines
from tests.core.boxes import CONFIGS, MACHINES, box_in, desired_box, desired_hub, start
from tests.machines import BOX_MACHINE, HQ, NOW, TICKET, enrolled, invite

LINES = MACHINES["two-lines"]


def box(config: Config, phase: Phase = Phase.PROTECTED) -> object:
    return desired_box(config, phase, LINES, start(LINES))


# ------------------------------------------------------------------------------------- the tunnel


@pytest.mark.parametrize(
    ("name", "inner", "allowed"),
    [
        ("invited", TICKET.invitation_address, ("10.210.0.1/32",)),
        ("assigned", "10.210.0.2", ("10.210.0.1/32", "10.10.0.0/24")),
        ("shelter", "10.210.0.2", ("10.210.0.1/32", "10.10.0.0/24")),
    ],
)
def test_the_tunnel_carries_what_the_stage_of_joining_allows(
    name: str, inner: str, allowed: tuple[str, ...]
) -> None:
    desired, _ = box_in(name, Phase.CONNECTING, "two-lines")
    assert desired.tunnel is not None
    (peer,) = desired.tunnel.peers
    assert peer.allowed == allowed and desired.tunnel.mark == MARK
    assert tunnel_address(CONFIGS[name]) == inner and hub_address(CONFIGS[name]) == "10.210.0.1"
    assert f"{inner}/32" in {x.address for x in desired.addresses if x.link == "wg0"}


@pytest.mark.parametrize("name", ["factory", "refused"])
def test_a_box_that_nobody_invited_has_no_tunnel(name: str) -> None:
    assert box_in(name, Phase.SETUP, "two-lines")[0].tunnel is None
    assert (tunnel_address(CONFIGS[name]), hub_address(CONFIGS[name])) == ("", "")


@pytest.mark.parametrize("config", [machines.SHELTER, machines.INVITED])
def test_a_damaged_config_opens_no_tunnel(config: Config) -> None:
    status = Status(phase=Phase.BLOCKED, reason=Reason.CONFIG_DAMAGED, since=NOW)
    assert field_box(config, status, BOX_MACHINE, (), ()).tunnel is None


def test_a_revoked_box_that_told_so_sends_nothing_any_more() -> None:
    status = Status(phase=Phase.BLOCKED, reason=Reason.REVOKED, since=NOW)
    assert field_box(machines.REVOKED, status, BOX_MACHINE, (), (), told=False).tunnel is not None
    silent = field_box(machines.REVOKED, status, BOX_MACHINE, (), (), told=True)
    assert silent.tunnel is None and "203.0.113.10" not in silent.firewalls[1].ruleset


def test_the_tunnel_goes_to_the_door_where_the_line_stands_and_to_the_first_one_before_that() -> None:
    status = Status(phase=Phase.CONNECTING, reason=Reason.HUB_SILENT, since=NOW)
    other = Standing(endpoint=HQ.endpoints[1], first=HQ.endpoints[0], doors=())
    tried = []
    for standing in (None, other):
        tunnel = field_box(machines.SHELTER, status, BOX_MACHINE, (), (), standing=standing).tunnel
        assert tunnel is not None
        tried.append(tunnel.peers[0].endpoint)
    assert tried == [HQ.endpoints[0], HQ.endpoints[1]]


# ---------------------------------------------------------------------------------- two worlds


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("phase", Phase)
def test_whatever_the_phase_structure_keeps_the_two_worlds_apart(name: str, phase: Phase) -> None:
    desired, _ = box_in(name, phase, "two-lines")
    settings = {(x.namespace, x.key): x.value for x in desired.sysctls}
    assert settings["", "net/ipv4/ip_forward"] == "0"
    assert settings["field", "net/ipv6/conf/all/disable_ipv6"] == "1"
    deaf = min(desired.rules, key=lambda x: x.preference)
    assert (deaf.incoming, deaf.blackhole) == ("br-lan", True)
    assert not [x for x in desired.routes if x.namespace == "" and x.table in (254, 255)]
    assert not [x for x in desired.routes if x.namespace == "field" and x.destination == "default"]
    assert {x.link for x in desired.routes if x.namespace == "field"} <= {"wg0"}
    assert not [
        x for x in desired.addresses if x.namespace == "" and x.link in ("br-lan", "lan0-port", "port1")
    ]


@pytest.mark.parametrize("phase", Phase)
def test_web_and_courier_live_in_the_field_as_nobody_else(phase: Phase) -> None:
    units = {x.name: x for x in box_in("shelter", phase, "two-lines")[0].units}
    assert (units["web"].namespace, units["web"].user) == ("field", BOX_MACHINE.web_uid)
    assert (units["courier"].namespace, units["courier"].user) == ("field", BOX_MACHINE.courier_uid)
    assert {"dhcp-eth0", "dhcp-usb0"} <= set(units) and "hostapd" not in units


def test_the_wizard_s_address_stays_after_joining() -> None:
    before, after = (box_in(x, Phase.SETUP, "one-line")[0] for x in ("factory", "shelter"))
    on_lan = [{x.address for x in y.addresses if x.link == "lan0"} for y in (before, after)]
    assert on_lan == [{"10.86.86.1/26"}, {"10.86.86.1/26", "10.211.0.1/26"}]


def test_one_line_is_active_and_each_has_a_table_of_its_own() -> None:
    desired, _ = box_in("shelter", Phase.PROTECTED, "two-lines")
    tables = {(x.table, x.link, x.metric) for x in desired.routes if x.destination == "default"}
    assert tables == {(5000, "eth0", 0), (5000, "usb0", 102), (5001, "eth0", 0), (5002, "usb0", 0)}


def test_an_access_point_runs_only_where_there_is_a_radio() -> None:
    with_radio, _ = box_in("shelter", Phase.PROTECTED, "radio")
    without, _ = box_in("shelter", Phase.PROTECTED, "one-line")
    assert "hostapd" in {x.name for x in with_radio.units}
    assert "hostapd" not in {x.name for x in without.units} and len(without.files) == 2


@pytest.mark.parametrize("name", CONFIGS)
def test_no_command_line_carries_a_secret(name: str) -> None:
    desired, _ = box_in(name, Phase.PROTECTED, "radio")
    from tests.core.test_codec import secrets_in

    told = " ".join(f"{x.command} {x.environment}" for x in desired.units)
    assert all(x not in told for x in secrets_in(CONFIGS[name]))


# ------------------------------------------------------------------------------------------- the hub


def test_the_hub_answers_open_invitations_and_boxes_and_nobody_else() -> None:
    config, record, _ = enrolled(mission=(MissionKind.DISASTER, 3))
    config, late = invite(config, 2)
    desired = desired_hub(config)
    assert desired.tunnel is not None
    assert {x.allowed[0] for x in desired.tunnel.peers} == {
        "10.210.128.0/32",
        f"{late.invitation_address}/32",
        f"{record.tunnel_address}/32",
    }
    after = desired_hub(config, late.expires + 1)
    assert after.tunnel is not None and len(after.tunnel.peers) == 1


def test_no_two_peers_of_the_hub_claim_the_same_addresses() -> None:
    config = HQ
    for i in range(1, 30):
        config, _, _ = enrolled(config, i)
    config, _ = invite(fleet.revoke(config, "box-0003"), 99)
    tunnel = desired_hub(config).tunnel
    assert tunnel is not None
    claimed = [x for peer in tunnel.peers for x in peer.allowed]
    assert len(claimed) == len(set(claimed))
    assert len({x.public_key for x in tunnel.peers}) == len(tunnel.peers)


def test_the_hub_s_two_webs_are_told_apart_by_uid() -> None:
    desired = desired_hub(HQ)
    assert {x.name: x.user for x in desired.units} == {
        "intake": machines.HQ_MACHINE.intake_uid,
        "hq": machines.HQ_MACHINE.hq_uid,
        "checkpoint": 0,  # for its port; see hub/checkpoint.py
    }
    assert replace(desired, units=()) != desired
