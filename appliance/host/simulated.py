"""A machine in memory: it does what the kernel would do with each step, and nothing of it is real.

`after_step` is the pure part: a state and one step give the next state, or the error the kernel would give.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from appliance.core import plan as steps
from appliance.core.codec import digest
from appliance.core.desired import BRIDGE
from appliance.core.lease import Lease
from appliance.core.machine import (
    Bridge,
    Desired,
    DesktopProbe,
    Failure,
    HubProbe,
    LineProbe,
    Link,
    Machine,
    Observed,
    PeerState,
    Route,
    Sysctl,
    Tunnel,
    TunnelState,
)
from appliance.core.radio import Radio


class PowerCut(BaseException):
    """The plug was pulled; nobody may catch it but who pulled it."""


# ------------------------------------------------------------------------------------- the pure part


def sockets(machine: Machine, *plugged: str, radios: tuple[Radio, ...] = ()) -> Observed:
    """The machine as it wakes up: its sockets, `plugged` of them with a cable, its radios, and nothing of ours."""
    names = dict.fromkeys(("lo", *machine.uplinks, *machine.ports, *(x.link for x in radios)))
    return Observed(
        now=0.0,
        namespaces=frozenset({machine.outside}),
        links=tuple(
            Link(
                namespace=machine.outside,
                name=x,
                carrier=x in plugged or x == "lo",
                wireless=x in {y.link for y in radios},
            )
            for x in names
        ),
        radios=radios,
    )


def after_step(state: Observed, step: steps.Step) -> Observed:  # noqa: C901 - one line for each kind of step
    """What is, once the step is done. Raises OSError where the kernel would refuse it."""
    match step:
        case steps.MakeNamespace(name=name):
            loopback = Link(namespace=name, name="lo")
            return replace(state, namespaces=state.namespaces | {name}, links=(*state.links, loopback))
        case steps.SetFirewall(firewall=firewall):
            _namespace(state, firewall.namespace)
            loaded = {**dict(state.firewalls), firewall.namespace: digest(firewall.ruleset)}
            return replace(state, firewalls=tuple(sorted(loaded.items())))
        case steps.SetSysctl(sysctl=setting):
            return _set(state, setting)
        case steps.MakeBridge(bridge=bridge):
            return _make_bridge(state, bridge)
        case steps.AddPort(bridge=bridge, port=port):
            _link(state, bridge.namespace, bridge.name)
            link = _link(state, bridge.namespace, port)
            return _with_link(state, replace(link, master=bridge.name, isolated=True))
        case steps.RemovePort(bridge=bridge, port=port):
            return _with_link(state, replace(_link(state, bridge.namespace, port), master="", isolated=False))
        case steps.SetCountry(country=country):
            return replace(state, radios=tuple(replace(x, country=country) for x in state.radios))
        case steps.UnmuteRadio(phy=phy):
            return replace(
                state, radios=tuple(replace(x, muted=x.muted and x.phy != phy) for x in state.radios)
            )
        case steps.MakeClient(link=name):
            return _with_link(state, Link(namespace="", name=name, wireless=True))
        case steps.LookAround():
            return state
        case steps.TellModem():
            return replace(state, mobile=replace(state.mobile, busy=True))
        case steps.SetLinkUp(namespace=namespace, link=name):
            link = _link(state, namespace, name)
            return _with_link(state, replace(link, up=True, carrier=link.carrier or bool(link.kind)))
        case steps.SetTunnel(tunnel=tunnel):
            return _set_tunnel(state, tunnel)
        case steps.RemoveTunnel(name=name):
            return _without_tunnel(state, name)
        case steps.ForgetPeers(peers=peers):
            return _forget_peers(state, {x.public_key: x.endpoint for x in peers})
        case steps.AddAddress(address=address):
            _link(state, address.namespace, address.link)
            return replace(state, addresses=state.addresses | {address})
        case steps.RemoveAddress(address=address):
            return replace(state, addresses=state.addresses - {address})
        case steps.AddRoute(route=route):
            return _add_route(state, route)
        case steps.RemoveRoute(route=route):
            return replace(state, routes=state.routes - {route})
        case steps.AddRule(rule=rule):
            _namespace(state, rule.namespace)
            return replace(state, rules=state.rules | {rule})
        case steps.RemoveRule(rule=rule):
            return replace(state, rules=state.rules - {rule})
        case steps.SetShaper(shaper=shaper):
            _link(state, shaper.namespace, shaper.link)
            place = (shaper.namespace, shaper.link, shaper.down)
            others = {x for x in state.shapers if (x.namespace, x.link, x.down) != place}
            return replace(state, shapers=frozenset(others | {shaper.in_force}))
        case steps.RemoveShaper(namespace=namespace, link=name, down=down):
            place = (namespace, name, down)
            kept = {x for x in state.shapers if (x.namespace, x.link, x.down) != place}
            return replace(state, shapers=frozenset(kept))
        case steps.WriteFile(file=file):
            written = {**dict(state.files), file.path: digest(file.content)}
            return replace(state, files=tuple(sorted(written.items())))
        case steps.RestartUnit(unit=unit):
            _namespace(state, unit.namespace)
            running = {**dict(state.units), unit.name: unit.config}
            return replace(state, units=tuple(sorted(running.items())))
        case steps.OpenHole(hole=hole):
            return replace(state, hole=hole)
        case steps.CloseHole():
            return replace(state, hole=None)
        case steps.StopUnit(name=name):
            gone = name.removeprefix("dhcp-")
            return replace(
                state,
                units=tuple(x for x in state.units if x[0] != name),
                leases=tuple(x for x in state.leases if not (name.startswith("dhcp-") and x.link == gone)),
            )
        case _:
            assert_never(step)


def without_link(state: Observed, namespace: str, name: str) -> Observed:
    """The link is gone, and with it what the kernel keeps on it."""
    return replace(
        state,
        links=tuple(x for x in state.links if (x.namespace, x.name) != (namespace, name)),
        addresses=frozenset(x for x in state.addresses if (x.namespace, x.link) != (namespace, name)),
        routes=frozenset(x for x in state.routes if (x.namespace, x.link) != (namespace, name)),
        shapers=frozenset(x for x in state.shapers if (x.namespace, x.link) != (namespace, name)),
    )


def _namespace(state: Observed, name: str) -> None:
    if name not in state.namespaces:
        raise FileNotFoundError(errno.ENOENT, "no such namespace", name)


def _link(state: Observed, namespace: str, name: str) -> Link:
    _namespace(state, namespace)
    link = state.link(namespace, name)
    if link is None:
        raise FileNotFoundError(errno.ENODEV, "no such link", name)
    return link


def _with_link(state: Observed, link: Link) -> Observed:
    others = tuple(x for x in state.links if (x.namespace, x.name) != (link.namespace, link.name))
    return replace(state, links=(*others, link))


def _set(state: Observed, setting: Sysctl) -> Observed:
    _namespace(state, setting.namespace)
    parts = setting.key.split("/")
    if len(parts) >= 5 and parts[2] == "conf" and parts[3] not in ("all", "default"):
        _link(state, setting.namespace, parts[3])
    others = {x for x in state.sysctls if (x.namespace, x.key) != (setting.namespace, setting.key)}
    return replace(state, sysctls=frozenset(others | {setting}))


def _on_air(state: Observed) -> Observed:
    """hostapd puts the first radio's interface into the bridge, and does not isolate it."""
    link = _link(state, "", state.radios[0].link)
    return _with_link(state, replace(link, up=True, carrier=True, master=BRIDGE, isolated=False))


def _make_bridge(state: Observed, bridge: Bridge) -> Observed:
    _namespace(state, bridge.namespace)
    _namespace(state, bridge.peer_namespace)
    if state.link(bridge.namespace, bridge.name) is None:
        state = _with_link(state, Link(namespace=bridge.namespace, name=bridge.name, kind="bridge"))
    ends = ((bridge.namespace, bridge.veth), (bridge.peer_namespace, bridge.peer))
    if any(state.link(*x) is None for x in ends):
        for namespace, name in ends:  # a veth's two ends live and die together
            state = without_link(state, namespace, name)
            state = _with_link(state, Link(namespace=namespace, name=name, kind="veth"))
    veth = _link(state, bridge.namespace, bridge.veth)
    return _with_link(state, replace(veth, master=bridge.name))


def _set_tunnel(state: Observed, tunnel: Tunnel) -> Observed:
    _namespace(state, tunnel.birthplace)
    _namespace(state, tunnel.namespace)
    if state.link(tunnel.namespace, tunnel.name) is None:
        link = Link(namespace=tunnel.namespace, name=tunnel.name, kind="wireguard", up=True, carrier=True)
        state = _with_link(state, link)
    before = state.tunnel
    same = before is not None and before.public_key == tunnel.public_key  # other keys end all sessions
    known = {x.public_key: x for x in before.peers} if before is not None and same else {}
    peers = []
    for x in tunnel.peers:
        old = known.get(x.public_key)
        peers.append(
            PeerState(
                public_key=x.public_key,
                endpoint=x.endpoint or (old.endpoint if old else ""),
                allowed=x.allowed,
                handshake=old.handshake if old else 0.0,
                received=old.received if old else 0,
                sent=old.sent if old else 0,
                keepalive=x.keepalive,
            )
        )
    port = tunnel.listen_port or (before.listen_port if before else 40000)
    return replace(
        state,
        tunnel=TunnelState(
            name=tunnel.name,
            namespace=tunnel.namespace,
            public_key=tunnel.public_key,
            listen_port=port,
            mark=tunnel.mark,
            peers=tuple(peers),
        ),
    )


def _forget_peers(state: Observed, endpoints: dict[str, str]) -> Observed:
    """Peers as they were before they ever shook hands."""
    if state.tunnel is None:
        raise FileNotFoundError(errno.ENODEV, "no such link", "")
    peers = tuple(
        replace(x, handshake=0.0, received=0, sent=0, endpoint=endpoints[x.public_key])
        if x.public_key in endpoints
        else x
        for x in state.tunnel.peers
    )
    return replace(state, tunnel=replace(state.tunnel, peers=peers))


def _without_tunnel(state: Observed, name: str) -> Observed:
    if state.tunnel is not None:
        state = without_link(state, state.tunnel.namespace, name)
    return replace(state, tunnel=None)


def _add_route(state: Observed, route: Route) -> Observed:
    if not route.blackhole and not _link(state, route.namespace, route.link).up:
        raise OSError(errno.ENETDOWN, "the link is down", route.link)
    place = (route.namespace, route.table, route.destination, route.metric)
    others = {x for x in state.routes if (x.namespace, x.table, x.destination, x.metric) != place}
    return replace(state, routes=frozenset(others | {route}))


# --------------------------------------------------------------------------------- the machine itself


class SimulatedMachine:
    """`daemon.Machine` in memory. What the world does to it is said by the other methods."""

    def __init__(
        self, machine: Machine, clock: Callable[[], float], *plugged: str, radios: tuple[Radio, ...] = ()
    ) -> None:
        self._clock, self._place, self._radios = clock, machine, radios
        self.state = sockets(machine, *plugged, radios=radios)
        self.rulesets: dict[str, str] = {}  # namespace → what is loaded there
        self.done: list[steps.Step] = []
        self.failing: dict[type, str] = {}  # kind of step → what the kernel says
        self.refuse: Callable[[steps.Step], bool] | None = None  # single steps, whatever their kind
        self.power: int | None = None  # steps left until the plug is pulled

    def observe(self, desired: Desired | None) -> Observed:
        return replace(self.state, now=self._clock())

    def apply(self, step: steps.Step) -> Failure | None:
        if self.power is not None:
            if self.power == 0:
                raise PowerCut
            self.power -= 1
        name = type(step).__name__
        if type(step) in self.failing:
            return Failure(step=name, message=self.failing[type(step)], at=self._clock())
        if self.refuse is not None and self.refuse(step):
            return Failure(step=name, message="refused", at=self._clock())
        try:
            self.state = after_step(self.state, step)
        except OSError as error:
            return Failure(step=name, message=str(error), at=self._clock())
        if isinstance(step, steps.SetFirewall):
            self.rulesets[step.firewall.namespace] = step.firewall.ruleset
        if isinstance(step, steps.RestartUnit) and step.unit.name == "hostapd":
            self.state = _on_air(self.state)
        self.done.append(step)
        return None

    # ------------------------------------------------------------------------- what the world does

    def load_by_hand(self, namespace: str, ruleset: str) -> None:
        """Somebody else, or the boot, loaded a ruleset."""
        self.rulesets[namespace] = ruleset
        others = tuple(x for x in self.state.firewalls if x[0] != namespace)
        self.state = replace(self.state, firewalls=(*others, (namespace, digest(ruleset))))

    def plug(self, link: str) -> None:
        self._carrier(link, True)

    def unplug(self, link: str) -> None:
        self._carrier(link, False)

    def _carrier(self, name: str, carrier: bool) -> None:
        link = _link(self.state, self._place.outside, name)
        self.state = _with_link(self.state, replace(link, carrier=carrier))

    def lease(self, lease: Lease) -> None:
        others = tuple(x for x in self.state.leases if x.link != lease.link)
        self.state = replace(self.state, leases=(*others, lease))

    def shake(self, public_key: str, endpoint: str = "") -> None:
        """A handshake with this peer was completed just now."""
        tunnel = self.state.tunnel
        if tunnel is None:
            raise LookupError("there is no tunnel")
        peers = tuple(
            replace(x, handshake=self._clock(), endpoint=endpoint or x.endpoint)
            if x.public_key == public_key
            else x
            for x in tunnel.peers
        )
        self.state = replace(self.state, tunnel=replace(tunnel, peers=peers))

    def receive(self, public_key: str, octets: int = 148) -> None:
        """Something that this peer's key vouches for came in."""
        tunnel = self.state.tunnel
        if tunnel is None:
            raise LookupError("there is no tunnel")
        peers = tuple(
            replace(x, received=x.received + octets) if x.public_key == public_key else x
            for x in tunnel.peers
        )
        self.state = replace(self.state, tunnel=replace(tunnel, peers=peers))

    def probe(self, hub: HubProbe, desktops: tuple[DesktopProbe, ...]) -> None:
        self.state = replace(self.state, hub=hub, desktops=desktops)

    def scouted(self, lines: tuple[LineProbe, ...]) -> None:
        self.state = replace(self.state, lines=lines)

    def run_out_of_disk(self) -> None:
        self.failing[steps.WriteFile] = f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}"

    def lose_power(self, *plugged: str) -> None:
        """Off and on: what lived in the kernel is gone. Loads nothing: the boot does that."""
        self.state = sockets(self._place, *plugged, radios=self._radios)
        self.rulesets.clear()
        self.power = None
