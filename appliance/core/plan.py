"""desired − observed → ordered steps. Firewalls come first: each ruleset is safe by itself, so a plan that breaks
off half-way leaves nothing open. Whole replacement where a transaction exists (nft, WireGuard), differences
where churn hurts (addresses, routes, units)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from appliance.core.codec import digest, dump_masked
from appliance.core.machine import (
    Address,
    Bridge,
    Desired,
    FileContent,
    Firewall,
    Hole,
    Observed,
    Peer,
    Route,
    Rule,
    Shaper,
    Sysctl,
    Tunnel,
    TunnelState,
    Unit,
)
from appliance.core.modem import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeNamespace:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFirewall:
    firewall: Firewall


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSysctl:
    sysctl: Sysctl


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeBridge:
    bridge: Bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPort:
    bridge: Bridge
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePort:
    """A line stands in the bridge, where laptops are."""

    bridge: Bridge
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCountry:
    """Whose rules the radios obey."""

    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmuteRadio:
    phy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeClient:
    """A second interface of a radio, to be in somebody's Wi-Fi."""

    link: str
    phy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAround:
    """Which networks are there; one that hides answers to its name, `ssid`."""

    link: str
    ssid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellModem:
    """ModemManager is told; how it went is observed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLinkUp:
    namespace: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTunnel:
    tunnel: Tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTunnel:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPeers:
    name: str
    namespace: str
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAddress:
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAddress:
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRoute:
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRoute:
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRule:
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRule:
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class SetShaper:
    shaper: Shaper


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveShaper:
    namespace: str
    link: str
    down: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    file: FileContent


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartUnit:
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class StopUnit:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHole:
    hole: Hole


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseHole:
    pass


Step = (
    MakeNamespace
    | SetFirewall
    | SetSysctl
    | MakeBridge
    | AddPort
    | RemovePort
    | SetCountry
    | UnmuteRadio
    | MakeClient
    | LookAround
    | TellModem
    | SetLinkUp
    | SetTunnel
    | RemoveTunnel
    | ForgetPeers
    | AddAddress
    | RemoveAddress
    | AddRoute
    | RemoveRoute
    | AddRule
    | RemoveRule
    | SetShaper
    | RemoveShaper
    | WriteFile
    | RestartUnit
    | StopUnit
    | OpenHole
    | CloseHole
)


def plan(desired: Desired, observed: Observed) -> tuple[Step, ...]:
    """The steps from what is to what should be; empty when nothing differs."""
    if desired.tunnel is None and observed.tunnel is not None:  # what lies on the device goes with it
        name = desired.tunnel_name
        observed = replace(
            observed,
            addresses=frozenset(x for x in observed.addresses if x.link != name),
            routes=frozenset(x for x in observed.routes if x.link != name),
        )
    return (
        *_no_hole(desired, observed),
        *_namespaces(desired, observed),
        *_firewalls(desired, observed),
        *_bridge(desired, observed),
        *_sysctls(desired, observed),
        *_rules(desired, observed),
        # The line is ready before the tunnel: a first handshake into the void costs five seconds.
        *_links(desired, observed, of_tunnel=False),
        *_addresses(desired, observed, of_tunnel=False),
        *_routes(desired, observed, of_tunnel=False),
        *_tunnel(desired, observed),
        *_forget(desired),
        *_links(desired, observed, of_tunnel=True),
        *_addresses(desired, observed, of_tunnel=True),
        *_routes(desired, observed, of_tunnel=True),
        *_shapers(desired, observed),
        *_radios(desired, observed),
        *([TellModem(order=desired.order)] if desired.order and not observed.mobile.busy else []),
        *_files(desired, observed),
        *_units(desired, observed),
        *_hole(desired, observed),
    )


def _no_hole(desired: Desired, observed: Observed) -> list[Step]:
    """What closes comes before anything that may fail."""
    return [CloseHole()] if observed.hole is not None and observed.hole != desired.hole else []


def _hole(desired: Desired, observed: Observed) -> list[Step]:
    return [OpenHole(hole=desired.hole)] if desired.hole and desired.hole != observed.hole else []


def shown(config: object, observed: Observed, desired: Desired) -> dict[str, Any]:
    """What root may look at, secrets masked. The steps come from the secrets themselves: masked files all look
    changed."""
    return {
        "config": dump_masked(config),
        "observed": dump_masked(observed),
        "desired": dump_masked(desired),
        "steps": [repr(x) for x in plan(desired, observed)],
    }


def _namespaces(desired: Desired, observed: Observed) -> list[Step]:
    return [MakeNamespace(name=x) for x in sorted(desired.namespaces - observed.namespaces)]


def _firewalls(desired: Desired, observed: Observed) -> list[Step]:
    loaded = dict(observed.firewalls)
    return [
        SetFirewall(firewall=x) for x in desired.firewalls if loaded.get(x.namespace) != digest(x.ruleset)
    ]


def _bridge(desired: Desired, observed: Observed) -> list[Step]:
    bridge = desired.bridge
    if bridge is None:
        return []
    steps: list[Step] = []
    there = observed.link(bridge.namespace, bridge.name)
    veth = observed.link(bridge.namespace, bridge.veth)
    peer = observed.link(bridge.peer_namespace, bridge.peer)
    if there is None or peer is None or veth is None or veth.master != bridge.name:
        steps.append(MakeBridge(bridge=bridge))
    for port in bridge.ports:
        link = observed.link(bridge.namespace, port)
        if link is not None and not (link.master == bridge.name and link.isolated):
            steps.append(AddPort(bridge=bridge, port=port))
    for port in bridge.guests:
        link = observed.link(bridge.namespace, port)
        if link is not None and link.master == bridge.name and not link.isolated:
            steps.append(AddPort(bridge=bridge, port=port))
    for port in bridge.never:
        link = observed.link(bridge.namespace, port)
        if link is not None and link.master == bridge.name:
            steps.append(RemovePort(bridge=bridge, port=port))
    return steps


def _radios(desired: Desired, observed: Observed) -> list[Step]:
    """Before anything is on the air."""
    muted = sorted(x.phy for x in observed.radios if x.muted and x.phy in desired.unmuted)
    country: list[Step] = [SetCountry(country=desired.country)] if desired.country else []
    steps = country + [UnmuteRadio(phy=x) for x in muted]
    name, phy = desired.client
    if name and observed.link("", name) is None and phy in {x.phy for x in observed.radios}:
        steps.append(MakeClient(link=name, phy=phy))
    ear, ssid = desired.scan
    link = observed.link("", ear) if ear else None
    return [*steps, LookAround(link=ear, ssid=ssid)] if link is not None and link.up else steps


def _sysctls(desired: Desired, observed: Observed) -> list[Step]:
    known = {(x.namespace, x.key): x.value for x in observed.sysctls}
    return [
        SetSysctl(sysctl=x)
        for x in sorted(desired.sysctls)
        if known.get((x.namespace, x.key), x.value if _optional(x) else None) != x.value
        and _applies(x, desired, observed)
    ]


def _optional(sysctl: Sysctl) -> bool:
    """The bridge's own filter is a module: its settings are there only while it is loaded."""
    return sysctl.key.startswith("net/bridge/")


def _applies(sysctl: Sysctl, desired: Desired, observed: Observed) -> bool:
    """A key that belongs to a link has a value only once the link is there."""
    parts = sysctl.key.split("/")
    if len(parts) < 5 or parts[3] in ("all", "default"):
        return True
    made = {desired.bridge.name, desired.bridge.veth} if desired.bridge else set()
    return parts[3] in made or observed.link(sysctl.namespace, parts[3]) is not None


def _tunnel(desired: Desired, observed: Observed) -> list[Step]:
    if desired.tunnel is None:
        return [RemoveTunnel(name=desired.tunnel_name)] if observed.tunnel else []
    if observed.tunnel is not None and same_tunnel(desired.tunnel, observed.tunnel):
        return []
    return [SetTunnel(tunnel=desired.tunnel)]


def _forget(desired: Desired) -> list[Step]:
    tunnel = desired.tunnel
    if tunnel is None or not desired.forget:
        return []
    return [ForgetPeers(name=tunnel.name, namespace=tunnel.namespace, peers=desired.forget)]


def same_tunnel(tunnel: Tunnel, state: TunnelState) -> bool:
    """Whether nothing about the device has to change. A peer without a wished endpoint may roam."""
    if (tunnel.namespace, tunnel.public_key, tunnel.mark) != (state.namespace, state.public_key, state.mark):
        return False
    if tunnel.listen_port and tunnel.listen_port != state.listen_port:
        return False
    there = {x.public_key: x for x in state.peers}
    if set(there) != {x.public_key for x in tunnel.peers}:
        return False
    return all(
        set(x.allowed) == set(there[x.public_key].allowed)
        and (not x.endpoint or x.endpoint == there[x.public_key].endpoint)
        and x.keepalive == there[x.public_key].keepalive
        for x in tunnel.peers
    )


def _links(desired: Desired, observed: Observed, *, of_tunnel: bool) -> list[Step]:
    wanted = set(desired.links_up)
    made = set()
    if desired.tunnel:
        wanted.add((desired.tunnel.namespace, desired.tunnel.name))
        made.add(desired.tunnel.name)
    if desired.bridge:
        made |= {desired.bridge.name, desired.bridge.veth, desired.bridge.peer}
    steps: list[Step] = []
    for namespace, name in sorted(wanted):
        if (name == desired.tunnel_name) is not of_tunnel:
            continue
        link = observed.link(namespace, name)
        new = link is None and (name in made or (name == "lo" and namespace not in observed.namespaces))
        if new or (link is not None and not link.up):
            steps.append(SetLinkUp(namespace=namespace, link=name))
    return steps


def _addresses(desired: Desired, observed: Observed, *, of_tunnel: bool) -> list[Step]:
    owned = {x for x in observed.addresses if (x.namespace, x.link) in desired.owned_links}
    steps: list[Step] = [AddAddress(address=x) for x in sorted(desired.addresses - observed.addresses)]
    steps += [RemoveAddress(address=x) for x in sorted(owned - desired.addresses)]
    return [
        x
        for x in steps
        if isinstance(x, AddAddress | RemoveAddress) and (x.address.link == desired.tunnel_name) is of_tunnel
    ]


def _routes(desired: Desired, observed: Observed, *, of_tunnel: bool) -> list[Step]:
    links = {name for _, name in desired.owned_links}
    owned = {
        x
        for x in observed.routes
        if (x.namespace, x.table) in desired.owned_tables and (x.table != 254 or x.link in links)
    }
    replaced = {_place(x) for x in desired.routes}
    gone = {x for x in owned - desired.routes if _place(x) not in replaced}
    added = desired.routes - observed.routes
    steps: list[Step] = [
        AddRoute(route=x) for x in sorted(added) if (x.link == desired.tunnel_name) is of_tunnel
    ]
    steps += [RemoveRoute(route=x) for x in sorted(gone) if (x.link == desired.tunnel_name) is of_tunnel]
    return steps


def _place(route: Route) -> tuple[str, int, str, int]:
    """A new route in the same place takes the old one's, in one go."""
    return route.namespace, route.table, route.destination, route.metric


def _rules(desired: Desired, observed: Observed) -> list[Step]:
    if desired.owned_rules is None:
        return []
    namespace, first, last = desired.owned_rules
    owned = {x for x in observed.rules if x.namespace == namespace and first <= x.preference <= last}
    steps: list[Step] = [AddRule(rule=x) for x in sorted(desired.rules - observed.rules)]
    steps += [RemoveRule(rule=x) for x in sorted(owned - desired.rules)]
    return steps


def _shapers(desired: Desired, observed: Observed) -> list[Step]:
    """One of another rate or layout is changed where it stands: packets wait in it."""
    wanted = {(x.namespace, x.link, x.down) for x in desired.shapers}
    steps: list[Step] = [
        SetShaper(shaper=x) for x in sorted(desired.shapers) if x.in_force not in observed.shapers
    ]
    steps += [
        RemoveShaper(namespace=x.namespace, link=x.link, down=x.down)
        for x in sorted(observed.shapers)
        if (x.namespace, x.link, x.down) not in wanted
    ]
    return steps


def _files(desired: Desired, observed: Observed) -> list[Step]:
    known = dict(observed.files)
    return [WriteFile(file=x) for x in sorted(desired.files) if known.get(x.path) != digest(x.content)]


def _units(desired: Desired, observed: Observed) -> list[Step]:
    running = dict(observed.units)
    wanted = {x.name for x in desired.units}
    steps: list[Step] = [
        StopUnit(name=x) for x in sorted(set(running) & desired.unit_names) if x not in wanted
    ]
    steps += [RestartUnit(unit=x) for x in desired.units if running.get(x.name) != x.config]
    return steps
