"""Everything HQ's people and HQ's intake may ask of the hub: command + hub config → hub config. Pure: new keys,
ids and the time come in as arguments."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace

from appliance.core import devices, policy, waves
from appliance.core.desktops import Pinhole, pinholes, refusals
from appliance.core.enrolment import is_endpoint, is_key, is_name, is_phone
from appliance.core.identity import are_sockets
from appliance.core.model import (
    Assignment,
    BoxRecord,
    BoxState,
    Desktop,
    HubConfig,
    Invitation,
    Mission,
    MissionKind,
    Secret,
    Ticket,
)
from appliance.core.words import Refused

LAN_PREFIX = 26
MAX_TICKET_DAYS = 366
MAX_MISSION_HOURS = 24 * 366
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """What only the shell can make."""

    id: str
    invitation_private: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What a box says of itself when it enrols; `address` is where inside the tunnel it came from."""

    ticket: str
    tunnel_public: str
    report_public: str
    serial: str
    model: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """LAN prefixes and tunnel addresses, and the desktops they may reach."""

    sources: tuple[str, ...]
    pinholes: tuple[Pinhole, ...]


def hub_address(config: HubConfig) -> str:
    return str(next(ipaddress.IPv4Network(config.tunnel_network).hosts()))


def issue_ticket(
    config: HubConfig,
    site: str,
    days: int,
    by: str,
    mission: tuple[MissionKind, int] | None,
    new: NewTicket,
    now: float,
) -> tuple[HubConfig, Ticket]:
    """An invitation for one box. `mission`: kind and days, begun when the box joins."""
    if not is_name(site) or not 1 <= days <= MAX_TICKET_DAYS:
        raise Refused("bad-value")
    if mission and not 1 <= mission[1] <= MAX_TICKET_DAYS:
        raise Refused("bad-value")
    config = forget_old_invitations(config, now)
    ticket = Ticket(
        id=new.id,
        hq_name=config.name,
        site=site,
        endpoints=config.endpoints,
        hub_key=config.public_key,
        hub_address=hub_address(config),
        signing_key=config.signing_key,
        invitation_key=new.invitation_private,
        invitation_address=_free_invitation_address(config),
        expires=now + days * DAY,
        entrance=config.entrance,
    )
    planned = Mission(kind=mission[0], site=site, start=now, end=now + mission[1] * DAY) if mission else None
    invitation = Invitation(ticket=ticket, issued=now, issued_by=by, mission=planned)
    return replace(config, invitations=(*config.invitations, invitation)), ticket


def withdraw_ticket(config: HubConfig, ticket: str) -> HubConfig:
    """A withdrawn ticket expires at once; one that a box already used cannot be withdrawn (revoke the box)."""
    invitation = find_invitation(config, ticket)
    if invitation.redeemed_by:
        raise Refused("ticket-used")
    return _with_invitation(config, replace(invitation, ticket=replace(invitation.ticket, expires=0.0)))


def enrol(config: HubConfig, newcomer: Newcomer, now: float) -> tuple[HubConfig, BoxRecord]:
    """A box joins. The same box with the same keys may ask again and gets the same answer; another box with the
    same ticket is refused."""
    if not (is_key(newcomer.tunnel_public) and is_key(newcomer.report_public)):
        raise Refused("bad-value")
    if not (_is_plain(newcomer.serial) and _is_plain(newcomer.model)):
        raise Refused("bad-value")
    invitation = next((x for x in config.invitations if x.ticket.id == newcomer.ticket), None)
    if invitation is None or newcomer.address != invitation.ticket.invitation_address:
        raise Refused("ticket-unknown")
    if invitation.redeemed_by:
        box = find_box(config, invitation.redeemed_by)
        same = (box.tunnel_public, box.report_public) == (newcomer.tunnel_public, newcomer.report_public)
        if same and box.state is BoxState.ACTIVE:
            return config, box
        raise Refused("ticket-used")
    if now > invitation.ticket.expires:
        raise Refused("ticket-expired")
    if any(newcomer.tunnel_public == x.tunnel_public for x in config.boxes):
        raise Refused("ticket-used")
    box = _new_box(config, invitation, newcomer, now)
    config = replace(config, boxes=(*config.boxes, box), next_number=config.next_number + 1)
    return _with_invitation(config, replace(invitation, redeemed_by=box.name)), box


def spend_invitations(config: HubConfig, shaken: Iterable[str]) -> HubConfig:
    """`shaken`: public keys that have shaken hands. A box's own first handshake spends its ticket."""
    keys = set(shaken)
    joined = {x.name for x in config.boxes if x.tunnel_public in keys}
    invitations = tuple(
        replace(x, spent=True) if x.redeemed_by in joined and not x.spent else x for x in config.invitations
    )
    return replace(config, invitations=invitations) if invitations != config.invitations else config


def start_mission(
    config: HubConfig, box: str, kind: MissionKind, site: str, hours: float, now: float
) -> HubConfig:
    record = find_box(config, box)
    if record.state is not BoxState.ACTIVE:
        raise Refused("revoked")
    if not is_name(site) or not 0 < hours <= MAX_MISSION_HOURS:
        raise Refused("bad-value")
    mission = Mission(kind=kind, site=site, start=now, end=now + hours * 3600)
    return _with_box(config, replace(record, mission=mission, site=site))


def end_mission(config: HubConfig, box: str, now: float) -> HubConfig:
    record = find_box(config, box)
    if record.mission is None or record.mission.end <= now:
        return config
    return _with_box(config, replace(record, mission=replace(record.mission, end=now)))


def revoke(config: HubConfig, box: str) -> HubConfig:
    """The box keeps a peer that reaches one signed notice; its prefix and its desktops are gone at once."""
    return _with_box(config, replace(find_box(config, box), state=BoxState.REVOKED, mission=None))


def declare_blue(config: HubConfig, box: str, blue: tuple[int, ...]) -> HubConfig:
    """Which built-in sockets of a box are for lines, all of them; the others are for laptops. Never none: it would be
    out of reach from its next start on."""
    record = find_box(config, box)
    if record.state is not BoxState.ACTIVE:
        raise Refused("revoked")
    if not blue or not are_sockets(blue):
        raise Refused("bad-sockets")
    blue = tuple(sorted(blue))
    return config if blue == record.blue else _with_box(config, replace(record, blue=blue))


def set_desktops(config: HubConfig, desktops: tuple[Desktop, ...]) -> HubConfig:
    config = replace(config, desktops=desktops)
    return replace(config, boxes=tuple(replace(x, version=x.version + 1) for x in config.boxes))


def remove_desktop(config: HubConfig, name: str) -> HubConfig:
    if all(x.name != name for x in config.desktops):
        raise Refused("unknown-desktop")
    return set_desktops(config, tuple(x for x in config.desktops if x.name != name))


def set_phone(config: HubConfig, phone: str) -> HubConfig:
    """HQ's telephone, which every box shows from its next assignment on; "" for none. Raises Refused."""
    if phone and not is_phone(phone):
        raise Refused("bad-phone")
    boxes = tuple(replace(x, version=x.version + 1) for x in config.boxes)
    return replace(config, phone=phone, boxes=boxes) if phone != config.phone else config


def assignment_of(
    config: HubConfig, box: BoxRecord, now: float, rdp_files: tuple[tuple[str, str], ...] = ()
) -> Assignment:
    """What one box is told; signed by the shell."""
    revoked = box.state is BoxState.REVOKED
    return Assignment(
        version=box.version,
        box=box.name,
        site=box.site,
        hq_name=config.name,
        tunnel_address=box.tunnel_address,
        lan=box.lan,
        hub_address=hub_address(config),
        hub_key=config.public_key,
        endpoints=config.endpoints,
        desktops_network=config.desktops_network,
        desktops=() if revoked else config.desktops,
        dns=config.dns,
        names=config.names,
        mission=box.mission,
        revoked=revoked,
        hub_time=now,
        rdp_files=() if revoked else rdp_files,
        key=box.tunnel_public,
        publisher=config.publisher,
        devices=() if revoked else devices.for_boxes(config.devices),
        any_laptop_until=0.0 if revoked else devices.emergency_end(box.emergencies),
        policy=policy.of_box(config, box),
        entrance=config.entrance,
        software=waves.wish_of(config, box),
        blue=box.blue,
        phone=config.phone,
    )


# -------------------------------------------------------------------------------------------- finding


def find_box(config: HubConfig, name: str) -> BoxRecord:
    box = next((x for x in config.boxes if x.name == name), None)
    if box is None:
        raise Refused("unknown-box")
    return box


def box_at(config: HubConfig, address: str) -> BoxRecord:
    """The box that owns an address inside the tunnel."""
    box = next((x for x in config.boxes if x.tunnel_address == address), None)
    if box is None:
        raise Refused("unknown-box")
    return box


def find_invitation(config: HubConfig, ticket: str) -> Invitation:
    invitation = next((x for x in config.invitations if x.ticket.id == ticket), None)
    if invitation is None:
        raise Refused("unknown-ticket")
    return invitation


def invitation_state(invitation: Invitation, now: float) -> str:
    if invitation.redeemed_by:
        return "spent" if invitation.spent else "redeemed"
    if invitation.ticket.expires == 0.0:
        return "withdrawn"
    return "expired" if now > invitation.ticket.expires else "open"


def forget_old_invitations(config: HubConfig, now: float) -> HubConfig:
    """Tickets that ended more than 90 days ago leave the list; their story stays in the audit."""
    kept = tuple(
        x
        for x in config.invitations
        if max(x.issued, x.ticket.expires) > now - 90 * DAY
        or invitation_state(x, now) in ("open", "redeemed")
    )
    return replace(config, invitations=kept)


def sound_endpoints(endpoints: tuple[str, ...]) -> bool:
    return 0 < len(endpoints) <= 8 and all(is_endpoint(x) for x in endpoints)


def openings(config: HubConfig, now: float) -> tuple[Opening, ...]:
    """What the hub lets through now: for each kind of mission that runs, whose packets go to which desktops."""
    sources: dict[MissionKind, list[str]] = {}
    for box in config.boxes:
        mission = box.mission
        if box.state is BoxState.ACTIVE and mission and mission.start <= now < mission.end:
            sources.setdefault(mission.kind, []).extend((box.lan, box.tunnel_address))
    return tuple(
        Opening(sources=tuple(sources[kind]), pinholes=pinholes(refusals(config.desktops, False, kind)[0]))
        for kind in sorted(sources)
    )


def _new_box(config: HubConfig, invitation: Invitation, newcomer: Newcomer, now: float) -> BoxRecord:
    number = config.next_number
    tunnels = ipaddress.IPv4Network(config.tunnel_network)
    lans = ipaddress.IPv4Network(config.lan_network)
    if number >= tunnels.num_addresses // 2 - 1 or number > 1 << (LAN_PREFIX - lans.prefixlen):
        raise Refused("fleet-full")
    mission = invitation.mission
    if mission:  # it begins when the box joins, not when somebody wrote the ticket
        mission = replace(mission, start=now, end=now + (mission.end - mission.start))
    lan = ipaddress.IPv4Network((int(lans.network_address) + ((number - 1) << (32 - LAN_PREFIX)), LAN_PREFIX))
    return BoxRecord(
        name=f"box-{number:04d}",
        serial=newcomer.serial,
        model=newcomer.model,
        site=invitation.ticket.site,
        number=number,
        tunnel_public=newcomer.tunnel_public,
        report_public=newcomer.report_public,
        tunnel_address=str(tunnels.network_address + 1 + number),
        lan=str(lan),
        version=1,
        joined=now,
        mission=mission,
    )


def _free_invitation_address(config: HubConfig) -> str:
    """Invitations live in the upper half of the tunnel network, so no box can ever get their addresses."""
    network = ipaddress.IPv4Network(config.tunnel_network)
    start, taken = network.num_addresses // 2, {x.ticket.invitation_address for x in config.invitations}
    for offset in range(start, network.num_addresses - 1):
        address = str(network.network_address + offset)
        if address not in taken:
            return address
    raise Refused("fleet-full")


def _with_box(config: HubConfig, record: BoxRecord) -> HubConfig:
    record = replace(record, version=record.version + 1)
    return replace(config, boxes=tuple(record if x.name == record.name else x for x in config.boxes))


def _with_invitation(config: HubConfig, invitation: Invitation) -> HubConfig:
    return replace(
        config,
        invitations=tuple(
            invitation if x.ticket.id == invitation.ticket.id else x for x in config.invitations
        ),
    )


def _is_plain(text: str) -> bool:
    return len(text) <= 64 and text.isprintable()
