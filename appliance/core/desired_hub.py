"""HQ's config → what HQ's machine should be: the tunnel with every box and invitation, its rules, its programs."""

from __future__ import annotations

import ipaddress
import json

from appliance.core import hub_firewall
from appliance.core.fleet import openings
from appliance.core.machine import (
    Address,
    Desired,
    FileContent,
    Firewall,
    Machine,
    Peer,
    Route,
    Sysctl,
    Tunnel,
)
from appliance.core.model import BoxState, HubConfig, Invitation
from appliance.core.programs import HUB_PROGRAMS, RELAY_LISTENS, STAFF_PORT, hub_programs, staff_pages


def invitation_is_open(invitation: Invitation, now: float) -> bool:
    """Whether the invitation's key still gets an answer from the hub."""
    return not invitation.spent and now <= invitation.ticket.expires


def hub(
    config: HubConfig,
    machine: Machine,
    now: float,
    invitation_keys: dict[str, str],
    scout_keys: dict[str, tuple[str, ...]] | None = None,
) -> Desired:
    """HQ's entrance. `invitation_keys`: ticket id → public half of its invitation key. `scout_keys`: a box's
    tunnel key → its scouts' keys, which are answered and reach nothing."""
    here = machine.outside
    address = str(next(ipaddress.IPv4Network(config.tunnel_network).hosts()))
    peers = [
        Peer(public_key=invitation_keys[x.ticket.id], allowed=(f"{x.ticket.invitation_address}/32",))
        for x in config.invitations
        if invitation_is_open(x, now)
    ]
    for box in config.boxes:
        active = box.state is BoxState.ACTIVE
        allowed = (f"{box.tunnel_address}/32", box.lan) if active else (f"{box.tunnel_address}/32",)
        peers.append(Peer(public_key=box.tunnel_public, allowed=allowed))
        if active:
            peers += [Peer(public_key=x, allowed=()) for x in (scout_keys or {}).get(box.tunnel_public, ())]
    tunnel = Tunnel(
        name=machine.tunnel,
        birthplace=here,
        namespace=here,
        private_key=config.private_key,
        public_key=config.public_key,
        listen_port=config.listen_port,
        peers=tuple(peers),
    )
    return Desired(
        namespaces=frozenset({here}) if here else frozenset(),
        sysctls=frozenset({Sysctl(namespace=here, key="net/ipv4/ip_forward", value="1")}),
        firewalls=(
            Firewall(
                namespace=here,
                ruleset=hub_firewall.hub(
                    tunnel=machine.tunnel,
                    listen_port=config.listen_port,
                    further_ports=config.entrance.ports,
                    relay=(config.entrance.relay_port, RELAY_LISTENS) if config.entrance.relay_port else None,
                    hub_address=address,
                    staff_address=machine.corporate,
                    staff_port=STAFF_PORT,
                    openings=[(x.sources, x.pinholes) for x in openings(config, now)],
                ),
            ),
        ),
        tunnel=tunnel,
        tunnel_name=machine.tunnel,
        addresses=frozenset(
            {
                Address(
                    namespace=here,
                    link=machine.tunnel,
                    address=f"{address}/{ipaddress.IPv4Network(config.tunnel_network).prefixlen}",
                )
            }
        ),
        owned_links=frozenset({(here, machine.tunnel)}),
        routes=frozenset(
            {Route(namespace=here, table=254, destination=config.lan_network, link=machine.tunnel)}
        ),
        units=hub_programs(machine, address, relay=bool(config.entrance.relay_port)),
        files=_files(config, machine),
        unit_names=HUB_PROGRAMS,
    )


def without_config(machine: Machine) -> Desired:
    """HQ whose file cannot be read: no tunnel, nothing passes, and the staff's pages say why."""
    ruleset = hub_firewall.hub_closed(
        tunnel=machine.tunnel, staff_address=machine.corporate, staff_port=STAFF_PORT
    )
    return Desired(
        namespaces=frozenset({machine.outside}) if machine.outside else frozenset(),
        firewalls=(Firewall(namespace=machine.outside, ruleset=ruleset),),
        tunnel_name=machine.tunnel,
        owned_links=frozenset({(machine.outside, machine.tunnel)}),
        units=(staff_pages(machine),),
        unit_names=HUB_PROGRAMS,
    )


def _files(config: HubConfig, machine: Machine) -> frozenset[FileContent]:
    """What the relay is told; its key lies where only it may read."""
    if not config.entrance.relay_port:
        return frozenset()
    folder = f"{machine.state}/relay"
    told = {
        "port": RELAY_LISTENS,
        "wireguard": config.listen_port,
        "certificate": f"{folder}/certificate.pem",
        "key": f"{folder}/key.pem",
    }
    return frozenset({FileContent(path=f"{machine.run}/relay.json", content=json.dumps(told))})
