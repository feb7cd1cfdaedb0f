"""Everything that may change a box's config: what the field's pages ask, and what HQ answered. Each function is
command + config → config; keys and the time come in as arguments."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from appliance.core.access_point import is_host_name
from appliance.core.clock import is_plausible
from appliance.core.devices import are_devices
from appliance.core.enrolment import (
    TicketRefused,
    check_expiry,
    is_endpoint,
    is_ipv4,
    is_key,
    is_name,
    read_ticket,
)
from appliance.core.identity import are_sockets
from appliance.core.machine import Machine
from appliance.core.model import (
    Air,
    Assignment,
    Band,
    BoxKeys,
    Config,
    Joining,
    JoinStage,
    LineWishes,
    Place,
    Ticket,
)
from appliance.core.policy import is_policy
from appliance.core.software import is_wish
from appliance.core.words import Refused


def check_ticket(config: Config, text: str, now: float, mark: float = 0.0) -> Ticket:
    """The ticket in `text` if this box may use it. `mark`: the latest time that HQ signed. Raises Refused with a
    code of words.py."""
    try:
        ticket = read_ticket(text, config.signing_key)
        check_expiry(ticket, now, clock_trusted=is_plausible(now, mark))
    except TicketRefused as error:
        raise Refused(error.code) from error
    joining = config.joining
    if config.assignment and not config.assignment.revoked and joining is None:
        raise Refused("already-joined")
    if (
        joining
        and joining.stage in (JoinStage.INVITED, JoinStage.ASSIGNED)
        and joining.ticket.id != ticket.id
    ):
        raise Refused("joining-now")
    return ticket


def redeem(config: Config, text: str, keys: BoxKeys, now: float, mark: float = 0.0) -> Config:
    """Begin to join. The same ticket twice is one joining: power may fail between any two lines."""
    ticket = check_ticket(config, text, now, mark)
    joining = config.joining
    if joining and joining.ticket.id == ticket.id and joining.stage is not JoinStage.REFUSED:
        return config
    unconfirmed = not config.signing_key or (joining is not None and joining.pins)
    return replace(
        config,
        keys=config.keys if config.keys and config.assignment is None else keys,
        signing_key=config.signing_key or ticket.signing_key,
        assignment=None,
        joining=Joining(ticket=ticket, stage=JoinStage.INVITED, since=now, pins=unconfirmed),
    )


def start_over(config: Config) -> Config:
    """Back to "take a photo": where joining failed, is still under way, or HQ has revoked the box."""
    if config.assignment and not config.assignment.revoked and config.joining is None:
        raise Refused("already-joined")
    # A signing key that only a failed ticket brought was never confirmed by HQ: forget it with the ticket. The one
    # that was there before stays: who stole a revoked box cannot hand it to another office by starting over.
    pinned = "" if config.joining and config.joining.pins else config.signing_key
    return replace(config, joining=None, assignment=None, keys=None, signing_key=pinned)


def accept_assignment(config: Config, assignment: Assignment) -> Config:
    """HQ's signed word about this box. An older version than the one we hold changes nothing, nor does a paper
    for another box, nor one whose values the machine could not carry out: it would stop at every start."""
    held, joining, keys = config.assignment, config.joining, config.keys
    if keys is None or assignment.key != keys.tunnel_public or not is_sound(assignment):
        return config
    if held and (assignment.version < held.version or assignment.box != held.box):
        return config
    if joining and joining.stage is JoinStage.INVITED:
        joining = replace(joining, stage=JoinStage.ASSIGNED)
    return replace(config, assignment=assignment, joining=joining)


def set_air(config: Config, place: str, band: str) -> Config:
    """Where the box stands and how the Wi-Fi is to be; "" leaves what was."""
    held = config.air
    if place not in ("", *Place) or band not in ("", *Band):
        raise Refused("bad-request")
    air = Air(place=Place(place or held.place), band=Band(band or held.band))
    return replace(config, air=air)


def wish_line(config: Config, machine: Machine, link: str, wish: str) -> Config:
    """What somebody on site wishes of a line: "first", "in-need", "freely", or "reset" for no wish at all."""
    if link not in machine.uplinks:
        raise Refused("unknown-line")
    held = config.lines
    need, freely = ([x for x in names if x != link] for names in (held.in_need, held.freely))
    first = held.first
    match wish:
        case "first":  # a line that is wished for is no line of last resort
            first = link
            freely.append(link)
        case "in-need":
            need.append(link)
        case "freely":
            freely.append(link)
        case "reset":
            pass
        case _:
            raise Refused("bad-request")
    if first == link and wish in ("in-need", "reset"):
        first = ""
    return replace(config, lines=LineWishes(first=first, in_need=tuple(need), freely=tuple(freely)))


def is_sound(a: Assignment) -> bool:
    """Whether every value has its grammar: what HQ signed goes into rulesets and configuration files."""
    endpoints = [x for desktop in a.desktops for x in desktop.endpoints]
    return (
        a.version > 0
        and all(is_name(x) for x in (a.box, a.site, a.hq_name))
        and is_key(a.hub_key)
        and 0 < len(a.endpoints) <= 8
        and all(is_endpoint(x) for x in a.endpoints)
        and all(is_ipv4(x) for x in (a.tunnel_address, a.hub_address, *a.dns, *(x.host for x in endpoints)))
        and _is_network(a.lan, longest=29)
        and _is_network(a.desktops_network, longest=32)
        and all(0 < x.port < 65536 for x in endpoints)
        and all(is_host_name(x) for x in a.names)
        and all(is_name(x.name) and is_name(x.title) for x in a.desktops)
        and are_devices(a.devices)
        and is_policy(a.policy)
        and is_wish(a.software)
        and are_sockets(a.blue)
    )


def _is_network(text: str, longest: int) -> bool:
    try:
        return 8 <= ipaddress.IPv4Network(text).prefixlen <= longest
    except ValueError:
        return False


def joined(config: Config) -> Config:
    """The first handshake under the box's own key: the ticket's secret is of no more use and is wiped."""
    if config.joining is None or config.joining.stage is not JoinStage.ASSIGNED:
        return config
    return replace(config, joining=None)


def new_key_silent(config: Config) -> Config:
    """HQ's answer came but nobody answers the new key: fall back to the invitation and ask again."""
    joining = config.joining
    if joining is None or joining.stage is not JoinStage.ASSIGNED:
        return config
    return replace(config, joining=replace(joining, stage=JoinStage.INVITED))


def invitation_silent(config: Config) -> Config:
    """The invitation does not answer either: HQ may have spent it when our own key shook hands just before the
    power went. Try that key again."""
    joining = config.joining
    if joining is None or joining.stage is not JoinStage.INVITED or config.assignment is None:
        return config
    return replace(config, joining=replace(joining, stage=JoinStage.ASSIGNED))


def join_refused(config: Config, code: str) -> Config:
    """HQ refused the ticket. A box that was enrolled before keeps what it had."""
    if config.joining is None or config.joining.stage is not JoinStage.INVITED:
        return config
    return replace(config, joining=replace(config.joining, stage=JoinStage.REFUSED, refusal=code))
