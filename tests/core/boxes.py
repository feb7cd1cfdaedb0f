"""Every config of the cast × phase × machine: what the plan, the desired machine and the firewall are tested over."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.core.air import host, radio_on
from appliance.core.desired import field_box
from appliance.core.desired_hub import hub
from appliance.core.desktops import refusals
from appliance.core.devices import by_mac, hosts_file, seats, seats_of
from appliance.core.lease import Lease
from appliance.core.machine import Desired, Machine, Observed, Status
from appliance.core.model import Config, HubConfig, Phase, Reason
from appliance.core.plan import plan
from appliance.core.radio import Radio
from appliance.core.uplinks import Choice, mark_active, uplinks_of
from appliance.host.simulated import after_step, sockets
from tests import machines
from tests.machines import ETH0, IDENTITY, NOW, USB0

CONFIGS = {
    "factory": machines.FACTORY,
    "invited": machines.INVITED,
    "refused": machines.REFUSED,
    "assigned": machines.ASSIGNED,
    "shelter": machines.SHELTER,
    "stored": machines.STORED,
    "revoked": machines.REVOKED,
}
REASON_OF = {
    Phase.SETUP: Reason.NO_TICKET,
    Phase.SIGN_IN: Reason.NO_INTERNET,
    Phase.CONNECTING: Reason.TUNNEL_STARTING,
    Phase.STANDBY: Reason.NO_MISSION,
    Phase.PROTECTED: Reason.ALL_WELL,
    Phase.DEGRADED: Reason.LOSING_PACKETS,
    Phase.BLOCKED: Reason.STEP_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    machine: Machine
    plugged: tuple[str, ...] = ()
    leases: tuple[Lease, ...] = ()
    radios: tuple[Radio, ...] = ()


MACHINES = {
    "bare": Hardware(machine=machines.BOX_MACHINE),
    "one-line": Hardware(machine=machines.BOX_MACHINE, plugged=("eth0", "port1"), leases=(ETH0,)),
    "two-lines": Hardware(machine=machines.BOX_MACHINE, plugged=("eth0", "usb0"), leases=(ETH0, USB0)),
    "radio": Hardware(
        machine=machines.BOX_MACHINE, plugged=("usb0",), leases=(USB0,), radios=(machines.RADIO,)
    ),
    "no-address": Hardware(machine=machines.BOX_MACHINE, plugged=("eth0",)),
}


def desired_box(config: Config, phase: Phase, hardware: Hardware, state: Observed) -> Desired:
    uplinks = uplinks_of(hardware.machine, state)
    first = next((x.link for x in uplinks if x.usable), "")
    uplinks = mark_active(uplinks, Choice(link=first))
    assignment = config.assignment
    allowed, _ = refusals(
        assignment.desktops if assignment else (),
        radio_on(IDENTITY, config, state.radios),
        assignment.mission.kind if assignment and assignment.mission else None,
    )
    status = Status(phase=phase, reason=REASON_OF[phase], since=NOW)
    public = machines.key_pair(5001)[1]
    known = by_mac(assignment.devices if assignment else ())
    taken = seats({}, state.laptops, known, assignment.lan) if assignment else {}
    return field_box(
        config,
        status,
        hardware.machine,
        uplinks,
        allowed,
        invitation_public=public,
        seats=seats_of(taken, known, allowed),
        hosts=hosts_file(taken),
        point=host(IDENTITY, state.radios, config.air).point,
    )


def desired_hub(config: HubConfig, now: float = NOW) -> Desired:
    keys = {x.ticket.id: machines.key_pair(5000 + int(x.ticket.id, 16))[1] for x in config.invitations}
    return hub(config, machines.HQ_MACHINE, now, keys)


def start(hardware: Hardware) -> Observed:
    return replace(
        sockets(hardware.machine, *hardware.plugged, radios=hardware.radios),
        leases=hardware.leases,
        laptops=machines.LAPTOPS,
        now=NOW,
    )


def settled(desired: Desired, state: Observed, turns: int = 4) -> Observed:
    """Until the plan is empty; fails where it never is."""
    for _ in range(turns):
        steps = plan(desired, state)
        if not steps:
            return state
        for step in steps:
            state = after_step(state, step)
    raise AssertionError(f"still to do: {plan(desired, state)}")


def box_in(name: str, phase: Phase, hardware: str) -> tuple[Desired, Observed]:
    """A box that is as it should be: desired, and what then is. Two rounds, as links come up in the first."""
    place = MACHINES[hardware]
    state = start(place)
    for _ in range(2):
        desired = desired_box(CONFIGS[name], phase, place, state)
        state = settled(desired, state)
    return desired_box(CONFIGS[name], phase, place, state), state
