"""The whole decision as one pure function, and its result as lines to read: what the golden cases pin down."""

from __future__ import annotations

from appliance.core import path_mtu, policy
from appliance.core.air import host, radio_on
from appliance.core.desired import field_box
from appliance.core.desktops import refusals
from appliance.core.devices import by_mac, emergency_runs, hosts_file, seats, seats_of
from appliance.core.machine import TUNNEL_MTU, Desired, HubProbe, Machine, Observed, Status
from appliance.core.model import Config, JoinStage
from appliance.core.phase import facts_of, judge
from appliance.core.plan import (
    AddAddress,
    AddPort,
    AddRoute,
    AddRule,
    CloseHole,
    LookAround,
    MakeBridge,
    MakeClient,
    MakeNamespace,
    OpenHole,
    RemoveAddress,
    RemovePort,
    RemoveRoute,
    RemoveRule,
    RemoveShaper,
    RemoveTunnel,
    RestartUnit,
    SetCountry,
    SetFirewall,
    SetLinkUp,
    SetShaper,
    SetSysctl,
    SetTunnel,
    Step,
    StopUnit,
    TellModem,
    UnmuteRadio,
    WriteFile,
)
from appliance.core.uplinks import NO_POLICY, Choice, choose, mark_active, uplinks_of
from appliance.host.wireguard import public_of
from tests.machines import IDENTITY


def decide(config: Config, observed: Observed, machine: Machine) -> tuple[Status, Desired]:
    """As the role does it, at its first turn."""
    held = config.assignment.policy if config.assignment else NO_POLICY
    uplinks = policy.judged(uplinks_of(machine, observed, config.lines, held), config.assignment)
    uplinks = mark_active(uplinks, choose(uplinks, Choice(), HubProbe(), (), 0.0, observed.now))
    assignment = config.assignment
    running = assignment.mission if assignment else None
    allowed, _ = refusals(
        assignment.desktops if assignment else (),
        radio_on=radio_on(IDENTITY, config, observed.radios),
        mission=running.kind if running else None,
        carried=policy.carried(uplinks),
    )
    facts = facts_of(config, observed, uplinks, frozenset(x.name for x in allowed), 0.0)
    phase, reason = judge(facts)
    status = Status(phase=phase, reason=reason, since=observed.now)
    joining = config.joining
    invited = joining is not None and joining.stage is JoinStage.INVITED
    public = public_of(joining.ticket.invitation_key) if joining and invited else ""
    known = by_mac(assignment.devices if assignment else ())
    taken = seats({}, observed.laptops, known, assignment.lan) if assignment else {}
    return status, field_box(
        policy.at_line(config, uplinks),
        status,
        machine,
        uplinks,
        allowed,
        invitation_public=public,
        seats=seats_of(taken, known, allowed),
        hosts=hosts_file(taken),
        any_laptop=emergency_runs(assignment, observed.now),
        mtu=path_mtu.size_of(observed.paths, path_mtu.line_of(uplinks), TUNNEL_MTU),
        point=host(IDENTITY, observed.radios, config.air, machine.radio).point,
    )


def line(step: Step) -> str:  # noqa: C901 - one line for each kind of step
    """One step as one line; rulesets and files have files of their own."""
    match step:
        case MakeNamespace(name=name) | RemoveTunnel(name=name) | StopUnit(name=name):
            words = [name]
        case SetFirewall(firewall=x):
            words = [x.namespace or "outside"]
        case SetSysctl(sysctl=x):
            words = [x.namespace or "outside", f"{x.key}={x.value}"]
        case MakeBridge(bridge=x):
            words = [x.name, x.veth, x.peer]
        case AddPort(port=port) | RemovePort(port=port):
            words = [port]
        case SetCountry(country=country):
            words = [country]
        case UnmuteRadio(phy=phy):
            words = [phy]
        case MakeClient(link=link, phy=phy):
            words = [link, phy]
        case LookAround(link=link):
            words = [link]
        case TellModem(order=x):
            words = [x.path, "connect" if x.connect else "enable"]
        case SetLinkUp(namespace=namespace, link=link):
            words = [namespace or "outside", link]
        case SetTunnel(tunnel=x):
            words = [
                x.name,
                x.public_key,
                *(f"{y.public_key}@{y.endpoint}→{','.join(y.allowed)}" for y in x.peers),
            ]
        case AddAddress(address=x) | RemoveAddress(address=x):
            words = [x.namespace or "outside", x.link, x.address]
        case AddRoute(route=x) | RemoveRoute(route=x):
            words = [x.namespace or "outside", str(x.table), x.destination, x.gateway, x.link]
            words += [f"metric {x.metric}"] if x.metric else []
        case AddRule(rule=x) | RemoveRule(rule=x):
            words = [x.namespace or "outside", str(x.preference), str(x.table), hex(x.mark), x.incoming]
            words += ["IPv6"] if x.family == 6 else []
        case SetShaper(shaper=x):
            words = [x.namespace, x.link, "down" if x.down else "up", str(x.rate)]
        case RemoveShaper(namespace=namespace, link=link, down=down):
            words = [namespace, link, "down" if down else "up"]
        case WriteFile(file=x):
            words = [x.path, oct(x.mode)]
        case OpenHole(hole=x):
            words = [x.mac, x.address, x.link]
        case CloseHole():
            words = []
        case RestartUnit(unit=x):
            words = [x.name, x.namespace or "outside", str(x.user)]
    return " ".join([type(step).__name__, *words]).rstrip()
