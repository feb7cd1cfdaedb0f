"""The real machine: reads all of it in one go, and does one step at a time. Decides nothing."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from pyroute2.netlink.exceptions import NetlinkError

from appliance.core import plan as steps
from appliance.core.lease import Lease
from appliance.core.machine import (
    Desired,
    Failure,
    HubProbe,
    Machine,
    Observed,
    PortalProbe,
    Rule,
    Shaper,
    ShaperState,
    Tunnel,
    TunnelState,
    Unit,
)
from appliance.core.modem import Mobile, Order, lease_of
from appliance.core.router_advert import read_advert
from appliance.core.uplinks import TUNNEL_TABLE, read_lease
from appliance.host import files, laptops, namespaces, radio, sysctl, vitals, wireguard
from appliance.host.clock import Clock, MachineClock, Moments
from appliance.host.interfaces import addresses
from appliance.host.modem_manager import Modems
from appliance.host.netlink import Netlink
from appliance.host.nft import Rulesets
from appliance.host.probe import Probes
from appliance.host.run import Failed
from appliance.host.shaping import Shaping
from appliance.host.sign_in import SignIn
from appliance.host.systemd_units import SystemdUnits
from appliance.host.units import ProcessUnits

GO = "wireguard-go"
# It wakes up for every packet; as a batch program it is not put in front of who works just then, and finds several at
# once (sched(7)). That is a quarter of its processor time (docs/performance.md).
BATCH = ("chrt", "--batch", "0")
LEASES = {"dhcp": ".json", "routers": ".six"}  # who writes an uplink's lease down, and where


def _doors(state: TunnelState) -> set[str]:
    return {x.endpoint for x in state.peers}


def _tables(desired: Desired | None) -> frozenset[tuple[str, int]]:
    if desired is None:
        return frozenset()
    return desired.owned_tables | {(x.namespace, x.table) for x in desired.routes}


class RealMachine:
    """One box or one hub. `probes` is None on a hub, which asks nobody."""

    def __init__(
        self,
        machine: Machine,
        environment: Mapping[str, str],
        probes: Probes | None,
        clock: Clock | None = None,
        modems: Modems | None = None,
    ) -> None:
        self._machine, self._clock = machine, clock or MachineClock()
        self._moments = Moments(self._clock)
        self._netlink = Netlink()
        self._rulesets = Rulesets()
        self._probes = probes
        self._shaping, self._shapes = Shaping(self._netlink), True
        self._radios = radio.Radios(machine.outside)
        self._modems = modems
        self.units: ProcessUnits | SystemdUnits = (SystemdUnits if machine.systemd else ProcessUnits)(
            Path(machine.run), dict(environment)
        )
        self._sign_in = SignIn(machine.outside, machine.field, machine.portal_uid)
        self._known: frozenset[str] = frozenset()

    # ------------------------------------------------------------------------------------- observing

    def observe(self, desired: Desired | None) -> Observed:
        """What is. `desired` says where to look: tables, settings, files; None at the very first turn."""
        now = self._clock.now()
        spaces = self._spaces(desired)
        tunnel = desired.tunnel_name if desired else self._machine.tunnel
        mobile = self._modems.look() if self._modems else Mobile()
        brought = (lease_of(x, now) for x in mobile.modems)
        probes, leases = self._probes, (*self._leases(now), *(x for x in brought if x))
        links = self._netlink.links(sorted(spaces))
        radios = self._radios.read(links) if self._probes else ()
        observed = Observed(
            now=now,
            namespaces=spaces,
            links=self._radios.named(links),
            addresses=addresses(spaces),
            routes=self._netlink.routes(x for x in _tables(desired) if x[0] in spaces),
            rules=self._rules(desired),
            sysctls=sysctl.read(desired.sysctls if desired else ()),
            firewalls=tuple((x, self._rulesets.digest(x)) for x in sorted(spaces)),
            tunnel=self._dated(self._tunnel(tunnel, spaces)),
            files=files.digests(x.path for x in (desired.files if desired else ())),
            units=self.units.running(),
            leases=leases,
            hub=self._heard(probes.hub) if probes else Observed(now=now).hub,
            lines=probes.lines if probes else (),
            paths=probes.paths if probes else (),
            doors=probes.doors if probes else (),
            found=probes.found if probes else (),
            routers=self._netlink.routers(self._machine.outside, leases) if probes else (),
            load=probes.load if probes else None,
            shapers=self._held(tunnel),
            shapes=self._shapes,
            desktops=probes.desktops if probes else (),
            portal=probes.portal if probes else PortalProbe(),
            hole=self._sign_in.hole,
            radios=radios,
            heard=self._radios.heard,
            mobile=mobile,
            laptops=laptops.leases(Path(self._machine.run) / "dhcp" / "laptops"),
            vitals=vitals.read(Path(self._machine.state)),
        )
        self._moments.looked()
        return observed

    def _dated(self, tunnel: TunnelState | None) -> TunnelState | None:
        """Handshakes by our clock: the device dates them by the kernel's."""
        if tunnel is None:
            return None
        held = self._moments.held
        peers = tuple(replace(x, handshake=held(x.public_key, x.handshake)) for x in tunnel.peers)
        return replace(tunnel, peers=peers)

    def _heard(self, hub: HubProbe) -> HubProbe:
        return replace(
            hub,
            at=self._moments.held("hub", hub.at),
            last_answer=self._moments.held("answer", hub.last_answer),
        )

    def _held(self, tunnel: str) -> frozenset[ShaperState]:
        """Looked for at the very first turn, too: what is in force was measured by the daemon before."""
        if self._probes is None or self._machine.field not in namespaces.names():
            return frozenset()
        return self._shaping.read(self._machine.field, tunnel)

    def _spaces(self, desired: Desired | None) -> frozenset[str]:
        wanted = {self._machine.outside, *(desired.namespaces if desired else ())}
        there = namespaces.names()
        found = frozenset(x for x in wanted if not x or x in there)
        for gone in self._known - found:
            self._netlink.forget(gone)
        self._known = found
        return found

    def _rules(self, desired: Desired | None) -> frozenset[Rule]:
        owned = desired.owned_rules if desired else None
        return self._netlink.rules(*owned) if owned else frozenset()

    def _tunnel(self, name: str, spaces: frozenset[str]) -> TunnelState | None:
        home = self._machine.field if self._machine.field in spaces else self._machine.outside
        try:
            self._netlink.index(home, name)
        except FileNotFoundError:
            return None
        return wireguard.show(name, home)

    def _leases(self, now: float) -> tuple[Lease, ...]:
        found = []
        for path in sorted((Path(self._machine.run) / "leases").glob("[!.]*")):
            text = files.read_foreign(path, 65536)
            try:
                data = json.loads(text) if text else None
            except ValueError:
                continue
            read = read_lease if path.suffix == ".json" else read_advert
            lease = read(data, now) if isinstance(data, dict) else None
            if lease is not None and lease.link == path.stem:
                found.append(lease)
        return tuple(found)

    # ---------------------------------------------------------------------------------------- acting

    def apply(self, step: steps.Step) -> Failure | None:
        """One step; what goes wrong comes back as an observation."""
        try:
            self._apply(step)
        except (OSError, Failed, LookupError, ValueError, NetlinkError) as error:
            return Failure(step=type(step).__name__, message=str(error)[:500], at=time.time())
        return None

    def _apply(self, step: steps.Step) -> None:  # noqa: C901 - one line for each kind of step
        match step:
            case steps.MakeNamespace(name=name):
                self._make_namespace(name)
            case steps.SetFirewall(firewall=firewall):
                self._rulesets.load(firewall.namespace, firewall.ruleset)
            case steps.SetSysctl(sysctl=setting):
                sysctl.write(setting)
            case steps.MakeBridge(bridge=bridge):
                self._netlink.make_bridge(bridge)
            case steps.AddPort(bridge=bridge, port=port):
                self._netlink.add_port(bridge, port)
            case steps.RemovePort(bridge=bridge, port=port):
                self._netlink.remove_port(bridge, port)
            case steps.SetCountry(country=country):
                self._radios.set_country(country)
            case steps.UnmuteRadio(phy=phy):
                radio.unmute(phy)
            case steps.MakeClient(link=link, phy=phy):
                self._radios.make_client(link, phy)
            case steps.LookAround(link=link, ssid=ssid):
                self._radios.look_around(link, ssid)
            case steps.TellModem(order=order):
                self._tell_modem(order)
            case steps.SetLinkUp(namespace=namespace, link=link):
                self._netlink.set_up(namespace, link)
            case steps.SetTunnel(tunnel=tunnel):
                self._set_tunnel(tunnel)
            case steps.RemoveTunnel(name=name):
                self._remove_tunnel(name)
            case steps.ForgetPeers(name=name, namespace=namespace, peers=peers):
                wireguard.forget_peers(name, namespace, peers)
            case steps.AddAddress(address=address):
                self._netlink.add_address(address)
            case steps.RemoveAddress(address=address):
                self._netlink.remove_address(address)
                if address.namespace == self._machine.outside:
                    self._line_changed()
            case steps.AddRoute(route=route):
                self._netlink.add_route(route)
                if route.table == TUNNEL_TABLE and not route.metric:
                    self._line_changed()
            case steps.RemoveRoute(route=route):
                self._netlink.remove_route(route)
            case steps.AddRule(rule=rule):
                self._netlink.add_rule(rule)
            case steps.RemoveRule(rule=rule):
                self._netlink.remove_rule(rule)
            case steps.SetShaper(shaper=shaper):
                self._shape(shaper)
            case steps.RemoveShaper(namespace=namespace, link=link, down=down):
                self._shaping.remove(namespace, link, down=down)
            case steps.WriteFile(file=file):
                files.write_atomically(Path(file.path), file.content, file.mode)
            case steps.RestartUnit(unit=unit):
                self.units.restart(unit)
            case steps.StopUnit(name=name):
                self._stop_unit(name)
            case steps.OpenHole(hole=hole):
                self._sign_in.open(hole)
            case steps.CloseHole():
                self._sign_in.close()
            case _:
                assert_never(step)

    def _make_namespace(self, name: str) -> None:
        if name in namespaces.names():  # made before the daemon, which had not looked into it yet
            return
        if isinstance(self.units, SystemdUnits):
            self.units.make_namespace()
        else:
            namespaces.make(name)

    def _shape(self, shaper: Shaper) -> None:
        """A kernel that cannot is no fault: desktops stay open, only a download may slow them down."""
        try:
            self._shaping.set(shaper)
        except (Failed, NetlinkError) as error:
            sys.stderr.write(f"noroshi: rates are not kept: {error}\n")
            self._shapes = False

    def _tell_modem(self, order: Order) -> None:
        if self._modems is not None:
            self._modems.do(order)

    def _line_changed(self) -> None:
        """The tunnel's packets leave by another way now: the device must not insist on its old address, and the
        hub learns where we are from the next packet."""
        with contextlib.suppress(FileNotFoundError):
            self._netlink.index(self._machine.field, self._machine.tunnel)
            wireguard.forget_source(self._machine.tunnel, self._machine.field)
            if self._probes:
                self._probes.line_changed()

    def _set_tunnel(self, tunnel: Tunnel) -> None:
        """WireGuard's UDP socket stays in the namespace where the device is born; the device moves on."""
        try:
            self._netlink.index(tunnel.namespace, tunnel.name)
            before = wireguard.show(tunnel.name, tunnel.namespace)
        except FileNotFoundError:
            before = None
        there = before is not None
        if before is not None and before.public_key != tunnel.public_key:
            # A peer that stays keeps the time of its last handshake, and it would count for the new key.
            wireguard.synchronize(replace(tunnel, peers=()))
        if not there:
            self._remove_tunnel(tunnel.name)
            if not self._netlink.add_wireguard(tunnel.birthplace, tunnel.name):
                self._start_wireguard_go(tunnel)
            # Up before the move: wireguard-go does not hear of its device any more once it lives elsewhere.
            self._netlink.set_up(tunnel.birthplace, tunnel.name, tunnel.mtu)
            if tunnel.namespace != tunnel.birthplace:
                self._netlink.move(tunnel.birthplace, tunnel.name, tunnel.namespace)
        wireguard.synchronize(tunnel)
        if not there:
            self._netlink.set_up(tunnel.namespace, tunnel.name, tunnel.mtu)
        elif before is not None and self._probes and _doors(before) != {x.endpoint for x in tunnel.peers}:
            self._probes.line_changed(same_line=True)  # HQ learns of the other door from the next packet

    def _start_wireguard_go(self, tunnel: Tunnel) -> None:
        wireguard.forget_socket(tunnel.name)
        self.units.restart(
            Unit(
                name=GO,
                command=(*BATCH, GO, "--foreground", tunnel.name),
                namespace=tunnel.birthplace,
                environment=(("LOG_LEVEL", "error"), ("WG_PROCESS_FOREGROUND", "1")),
            )
        )
        wireguard.wait_for_socket(tunnel.name)

    def _remove_tunnel(self, name: str) -> None:
        self.units.stop(GO)
        for namespace in sorted(self._known):
            self._netlink.remove_link(namespace, name)

    def _stop_unit(self, name: str) -> None:
        self.units.stop(name)
        client, _, link = name.partition("-")
        if client in LEASES:  # without its client a lease is only a memory
            (Path(self._machine.run) / "leases" / f"{link}{LEASES[client]}").unlink(missing_ok=True)
