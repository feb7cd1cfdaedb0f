"""Config and status → what a box should be. HQ's machine is in core/desired_hub.py."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from appliance.core import (
    access_point,
    firewall,
    ladder,
    path_mtu,
    portal,
    steer,
    wifi_line,
)
from appliance.core.desktops import pinholes
from appliance.core.ladder import Standing
from appliance.core.machine import (
    Address,
    Bridge,
    Desired,
    FileContent,
    Firewall,
    Hole,
    Machine,
    Peer,
    Route,
    Rule,
    Status,
    Tunnel,
    Uplink,
)
from appliance.core.marks import CHECK_MARK, LOOKUP_MARK, MARK, PLACED_MARK, SCOUT_MARK, SIGN_IN_MARK
from appliance.core.model import (
    OPEN_PHASES,
    AccessPoint,
    Config,
    Desktop,
    JoinStage,
    Phase,
    Reason,
    Secret,
)
from appliance.core.programs import (
    box_program_names,
    box_programs,
)
from appliance.core.settings import box_sysctls
from appliance.core.uplinks import FIRST_UPLINK_TABLE, SPARE_METRIC, TUNNEL_TABLE

BRIDGE = "br-lan"
LAN = "lan0"  # the field namespace's end of the bridge
VETH = "lan0-port"
KEEPALIVE = 15
LOCAL_RULE = 10  # where the rule for the machine's own addresses goes, behind the deaf bridge's
TUNNEL_RULE = 100
SCOUT_RULE, PLACED_RULE, RELAY_RULE, LOOKUP_RULE = 101, 102, 103, 104
PORTAL_RULE = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Selves:
    """The two halves of a key pair, as the tunnel needs them."""

    private: Secret
    public: str


# ----------------------------------------------------------------------------------------------- box


def field_box(
    config: Config,
    status: Status,
    machine: Machine,
    uplinks: tuple[Uplink, ...],
    allowed: tuple[Desktop, ...],
    invitation_public: str = "",
    standing: Standing | None = None,
    begun: bool = True,
    told: bool = False,
    seats: tuple[firewall.Seat, ...] = (),
    hosts: str = "",
    any_laptop: bool = False,
    check: portal.Check | None = None,
    hole: Hole | None = None,
    mtu: int = path_mtu.START,
    point: AccessPoint | None = None,
    client: wifi_line.Client | None = None,
) -> Desired:
    """The box, whole. `allowed` are the desktops that may open; `invitation_public` is the public half of the
    ticket's key; `standing` says by which of HQ's doors (the first one where nothing is known yet).
    `begun`: a session exists, so the hub stays known even while no uplink is there. `told`: HQ knows that we
    read its revocation, so nothing leaves any more. `seats`: the registered laptops and what each reaches;
    `hosts`: the same for the DHCP server; `any_laptop`: HQ's emergency runs; `check`: the line that
    HQ's check is asked on; `hole`: a phone's way out; `mtu`: the largest packet for the
    tunnel on the line in use; `point`: the Wi-Fi; `client`: the radio that is in
    somebody else's."""
    standing = standing or ladder.standing({}, ladder.ladder_of(config))
    tunnel = None if told else _box_tunnel(config, machine, invitation_public, standing, status)
    if tunnel and not begun and not any(x.active for x in uplinks):
        tunnel = replace(tunnel, peers=())
    phase = status.phase
    files = _box_files(config, phase, machine) | {access_point.seats_file(machine.run, hosts)}
    if point is not None:
        files |= {access_point.hostapd(run=machine.run, bridge=BRIDGE, point=point)}
    guests = (point.link,) if point else ()
    if client is not None and config.wifi is not None:
        files |= {wifi_line.supplicant(machine.run, client, config.wifi)}
    relay = standing.relay_file(machine.run) if standing and standing.relaying and tunnel else None
    files |= {relay} if relay else set()
    rules = _field_rules(config, status, machine, allowed, tunnel is not None)
    rules = replace(rules, seats=seats, any_laptop=any_laptop, hole=hole, segment=mtu - path_mtu.HEADERS)
    return Desired(
        namespaces=frozenset({machine.field}),
        sysctls=box_sysctls(machine, (BRIDGE, VETH, *machine.ports, *guests)),
        firewalls=(
            Firewall(namespace=machine.field, ruleset=firewall.field(rules)),
            Firewall(
                namespace=machine.outside,
                ruleset=_outside_ruleset(machine, tunnel, standing, uplinks, check, hole),
            ),
        ),
        bridge=Bridge(
            namespace=machine.outside,
            name=BRIDGE,
            ports=machine.ports,
            guests=guests,
            never=machine.uplinks,
            veth=VETH,
            peer=LAN,
            peer_namespace=machine.field,
        ),
        links_up=_links_up(machine, uplinks),
        tunnel=tunnel,
        tunnel_name=machine.tunnel,
        addresses=_box_addresses(config, machine, uplinks, tunnel),
        owned_links=frozenset(
            {
                (machine.field, LAN),
                (machine.field, machine.tunnel),
                *((machine.outside, x) for x in machine.uplinks),
            }
        ),
        routes=_box_routes(machine, uplinks, tunnel, mtu),
        owned_tables=frozenset(
            {
                (machine.outside, TUNNEL_TABLE),
                *((machine.outside, FIRST_UPLINK_TABLE + i) for i in range(len(machine.uplinks))),
                (machine.outside, 254),  # whoever puts a way out there: only the tunnel's mark has one
                (machine.field, 254),
            }
        ),
        rules=_box_rules(machine) | _portal_rules(machine, check, hole),
        owned_rules=(machine.outside, 0, 1000),
        hole=hole,
        files=files,
        client=(client.link, client.phy) if client and client.made else ("", ""),
        units=box_programs(machine, uplinks, files, client.link if client else ""),
        unit_names=box_program_names(machine),
    )


def _box_tunnel(
    config: Config, machine: Machine, invitation_public: str, standing: Standing | None, status: Status
) -> Tunnel | None:
    joining, assignment, keys = config.joining, config.assignment, config.keys
    if status.reason is Reason.CONFIG_DAMAGED or standing is None:
        return None
    if assignment and keys and not (joining and joining.stage is JoinStage.INVITED):
        selves = Selves(private=keys.tunnel_private, public=keys.tunnel_public)
        hub_key = assignment.hub_key
        allowed: tuple[str, ...] = (f"{assignment.hub_address}/32", assignment.desktops_network)
    elif joining and joining.stage is JoinStage.INVITED:
        selves = Selves(private=joining.ticket.invitation_key, public=invitation_public)
        hub_key = joining.ticket.hub_key
        allowed = (f"{joining.ticket.hub_address}/32",)
    else:
        return None
    return Tunnel(
        name=machine.tunnel,
        birthplace=machine.outside,
        namespace=machine.field,
        private_key=selves.private,
        public_key=selves.public,
        mark=MARK,
        peers=(
            Peer(
                public_key=hub_key,
                allowed=allowed,
                endpoint=standing.endpoint,
                keepalive=KEEPALIVE,
            ),
        ),
    )


def tunnel_address(config: Config) -> str:
    """The box's own address inside the tunnel, "" before there is one."""
    joining, assignment = config.joining, config.assignment
    if joining and joining.stage is JoinStage.INVITED:
        return joining.ticket.invitation_address
    return assignment.tunnel_address if assignment else ""


def hub_address(config: Config) -> str:
    joining, assignment = config.joining, config.assignment
    if joining and joining.stage is JoinStage.INVITED:
        return joining.ticket.hub_address
    return assignment.hub_address if assignment else ""


def _field_rules(
    config: Config, status: Status, machine: Machine, allowed: tuple[Desktop, ...], tunnelled: bool
) -> firewall.FieldRules:
    assignment = config.assignment
    networks = [access_point.WIZARD_ADDRESS]
    if assignment:
        networks.append(access_point.lan_address(assignment.lan).split("/")[0])
    return firewall.FieldRules(
        phase=status.phase,
        lan=LAN,
        tunnel=machine.tunnel,
        box_addresses=tuple(networks),
        lan_network=assignment.lan if assignment else "",
        hub_address=hub_address(config) if tunnelled else "",
        pinholes=pinholes(allowed) if assignment else (),
        dns=assignment.dns if assignment else (),
        courier_uid=machine.courier_uid,
    )


def _outside_ruleset(
    machine: Machine,
    tunnel: Tunnel | None,
    standing: Standing | None,
    uplinks: tuple[Uplink, ...],
    check: portal.Check | None,
    hole: Hole | None,
) -> str:
    endpoints = standing.doors if standing and tunnel and tunnel.peers else ()
    relay = None
    if standing and standing.relays and endpoints:
        relay = firewall.RelayRules(
            uid=machine.relay_uid,
            far=tuple((x.address, x.to) for x in standing.relays),
            mouths=tuple(x.port for x in standing.relays),
        )
    lookups = [*standing.lookups, *_asked_for_nat64(uplinks)] if standing and endpoints else []
    ways = [x for x in machine.uplinks if not any(y.link == x and y.refused for y in uplinks)]
    asked = (check.link, check.address) if check else None
    rules = firewall.outside(ways, endpoints, relay, lookups, check=asked, hole=hole)
    return rules + steer.ruleset([x for x in uplinks if x.usable])


def _asked_for_nat64(uplinks: tuple[Uplink, ...]) -> list[tuple[str, str]]:
    return [(x.link, y) for x in uplinks if x.lease and x.six and not x.lease.nat64 for y in x.lease.dns]


def _links_up(machine: Machine, uplinks: tuple[Uplink, ...]) -> frozenset[tuple[str, str]]:
    """A modem's link is left alone until it is dialled: the kernel changes its form (raw IP) only while it is down."""
    waiting = {x.link for x in uplinks if not x.dialled}
    return frozenset(
        {
            (machine.field, "lo"),
            (machine.field, LAN),
            (machine.outside, "lo"),
            (machine.outside, BRIDGE),
            (machine.outside, VETH),
            *((machine.outside, x) for x in machine.uplinks + machine.ports if x not in waiting),
        }
    )


def _box_addresses(
    config: Config, machine: Machine, uplinks: tuple[Uplink, ...], tunnel: Tunnel | None
) -> frozenset[Address]:
    prefix = ipaddress.IPv4Network(access_point.WIZARD_LAN).prefixlen
    found = {Address(namespace=machine.field, link=LAN, address=f"{access_point.WIZARD_ADDRESS}/{prefix}")}
    if config.assignment:
        own = access_point.lan_address(config.assignment.lan)
        found.add(Address(namespace=machine.field, link=LAN, address=own))
    inner = tunnel_address(config)
    if inner and tunnel:
        found.add(Address(namespace=machine.field, link=machine.tunnel, address=f"{inner}/32"))
    for uplink in uplinks:
        if uplink.lease:
            found.add(Address(namespace=machine.outside, link=uplink.link, address=uplink.lease.address))
    return frozenset(found)


def _box_routes(
    machine: Machine, uplinks: tuple[Uplink, ...], tunnel: Tunnel | None, mtu: int
) -> frozenset[Route]:
    found = set()
    if tunnel:
        for peer in tunnel.peers:
            found |= {
                Route(namespace=machine.field, table=254, destination=_network(x), link=tunnel.name, mtu=mtu)
                for x in peer.allowed
            }
    for uplink in uplinks:
        if uplink.lease is None or not uplink.usable:
            continue
        # A spare's route in the tunnel's table is for packets bound to its link: the scout's, and WireGuard's own
        # before they are steered.
        metric = 0 if uplink.active else SPARE_METRIC + uplink.table - TUNNEL_TABLE
        found |= {
            Route(
                namespace=machine.outside,
                table=table,
                destination="::/0" if uplink.six else "default",
                link=uplink.link,
                gateway=uplink.lease.gateway,
                metric=number,
            )
            for table, number in ((uplink.table, 0), (TUNNEL_TABLE, metric))
        }
    return frozenset(found)


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _box_rules(machine: Machine) -> frozenset[Rule]:
    """The deaf bridge first: whatever comes in from the LAN finds no route in this namespace, not even to the
    machine's own addresses. Then those addresses, then the tunnel's packets by their mark."""
    marks = (
        (TUNNEL_RULE, MARK),
        (SCOUT_RULE, SCOUT_MARK),
        (PLACED_RULE, PLACED_MARK),
        (LOOKUP_RULE, LOOKUP_MARK),
    )
    here = machine.outside
    return frozenset(
        x
        for family in (4, 6)
        for x in (
            Rule(namespace=here, preference=1, incoming=BRIDGE, blackhole=True, family=family),
            Rule(namespace=here, preference=LOCAL_RULE, table=255, family=family),
            *(
                Rule(namespace=here, preference=number, table=TUNNEL_TABLE, mark=mark, family=family)
                for number, mark in marks
            ),
            Rule(
                namespace=here,
                preference=RELAY_RULE,
                table=TUNNEL_TABLE,
                user=machine.relay_uid,
                family=family,
            ),
        )
    )


def _portal_rules(machine: Machine, check: portal.Check | None, hole: Hole | None) -> frozenset[Rule]:
    """Their packets are bound to one line; this table has its route. There only while they may leave at all."""
    marks = [CHECK_MARK] if check else []
    marks += [SIGN_IN_MARK] if hole else []
    return frozenset(
        Rule(namespace=machine.outside, preference=PORTAL_RULE + i, table=TUNNEL_TABLE, mark=x)
        for i, x in enumerate(marks)
    )


def _box_files(config: Config, phase: Phase, machine: Machine) -> frozenset[FileContent]:
    assignment = config.assignment
    found = {
        access_point.dnsmasq(
            run=machine.run,
            link=LAN,
            network=assignment.lan if assignment else access_point.WIZARD_LAN,
            open_to_desktops=phase in OPEN_PHASES,
            dns=assignment.dns if assignment else (),
            names=assignment.names if assignment else (),
        )
    }
    return frozenset(found)
