"""Desktops: from a product's profile to named destinations, and which of them may be opened now.

A value that does not fit its grammar never becomes a `Desktop`: the firewall, the `.rdp` file and the pages
may print what stands in one without looking again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from appliance.core.desktop_profiles import (
    BadDesktop,
    Fault,
    GreetingKind,
    Profile,
    checked_name,
    checked_port,
    checked_reason,
    checked_title,
    refuse_closed,
)
from appliance.core.machine import Answer
from appliance.core.model import Desktop, DesktopKind, Endpoint, MissionKind, NetworkClass, Part, Protocol

ENDPOINTS_MOST = 64  # a pool of thirty hosts over TCP and UDP; more belongs behind a broker
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class Pinhole(NamedTuple):
    """What the firewall lets through: one destination, one protocol, one port."""

    host: str
    protocol: Protocol
    port: int


class WhyRefused(StrEnum):
    """The codes under which `words.refusal` has the sentences."""

    RADIO = "mynumber-radio"
    DRILL_ONLY = "drill-only"
    DRILL_CLOSED = "drill-closed"
    LINE = "line-class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    desktop: Desktop
    why: WhyRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An endpoint that can be greeted, and how."""

    endpoint: Endpoint
    greeting: GreetingKind
    certificate: str = ""  # pinned fingerprint, "" = not pinned


# ------------------------------------------------------------------------------------ from a profile


def hosts_from_text(profile: Profile, words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`10.10.0.20` or `gateway=10.10.0.5`, several of a role for a pool, as an administrator types them."""
    hosts: dict[str, tuple[str, ...]] = {}
    for word in words:
        role, equals, address = word.partition("=")
        if not equals:
            role, address = profile.hosts[0], word
        hosts[role] = (*hosts.get(role, ()), address)
    return hosts


def desktop_from_profile(
    profile: Profile,
    *,
    name: str,
    title: str,
    kind: DesktopKind,
    network: NetworkClass,
    hosts: Mapping[str, Sequence[str]],
    desktops_network: str,
    certificate: str = "",
    drill: bool = False,
    optional: bool = False,
) -> Desktop:
    """`hosts` gives IPv4 addresses for each role of the profile; `optional` adds its optional endpoints;
    `certificate` may be written with colons. Raises `BadDesktop`."""
    if unknown := sorted(set(hosts) - set(profile.hosts)):
        raise BadDesktop(Fault.ROLE_UNKNOWN, unknown[0])
    for role in profile.hosts:
        if not hosts.get(role):
            raise BadDesktop(Fault.ROLE_MISSING, role)
    endpoints = tuple(
        Endpoint(host=host, protocol=ports.protocol, port=port, part=entry.part, reason=entry.reason)
        for entry in profile.endpoints
        if optional or not entry.optional
        for host in dict.fromkeys(hosts[entry.host])
        for ports in entry.open
        for port in range(ports.first, ports.last + 1)
    )
    desktop = Desktop(
        name=name,
        title=title,
        kind=kind,
        network=network,
        profile=profile.name,
        endpoints=endpoints,
        certificate=certificate.replace(":", "").lower(),
        drill=drill,
    )
    return check_desktop(desktop, profile, desktops_network)


def check_desktop(desktop: Desktop, profile: Profile, desktops_network: str) -> Desktop:
    """The same desktop, once every value fits its grammar; also for one whose endpoints were edited."""
    checked_name(desktop.name)
    checked_title(desktop.title)
    shows_none = any(x.greeting is GreetingKind.VNC for x in profile.endpoints)
    if desktop.certificate and (shows_none or not _FINGERPRINT.fullmatch(desktop.certificate)):
        raise BadDesktop(Fault.CERTIFICATE, desktop.certificate)
    screen = any(x.part is Part.SCREEN for x in desktop.endpoints)
    if not screen or len(desktop.endpoints) > ENDPOINTS_MOST:
        raise BadDesktop(Fault.ENDPOINTS, desktop.name)
    network = ipaddress.IPv4Network(desktops_network)
    for endpoint in desktop.endpoints:
        _check_host(endpoint.host, network)
        checked_port(endpoint.port)
        refuse_closed(profile, endpoint.protocol, endpoint.port)
        checked_reason(endpoint.reason)
    return desktop


def _check_host(host: str, network: ipaddress.IPv4Network) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        raise BadDesktop(Fault.HOST, host) from error
    edges = {network.network_address, network.broadcast_address}
    # A /31 or /32 has no addresses to spare for a network and a broadcast (RFC 3021).
    if address not in network or (network.prefixlen < 31 and address in edges):
        raise BadDesktop(Fault.HOST_ELSEWHERE, host)


def add_desktop(desktops: Sequence[Desktop], desktop: Desktop) -> tuple[Desktop, ...]:
    """Names are what tickets, devices and logs point at, so each is there once."""
    if any(x.name == desktop.name for x in desktops):
        raise BadDesktop(Fault.NAME_TAKEN, desktop.name)
    return (*desktops, desktop)


# ----------------------------------------------------------------------------------- what may be opened


def refusals(
    desktops: Iterable[Desktop],
    radio_on: bool,
    mission: MissionKind | None = None,
    carried: Collection[NetworkClass] = tuple(NetworkClass),
) -> tuple[tuple[Desktop, ...], tuple[Refusal, ...]]:
    """Which desktops may be opened, and which not and why.

    `radio_on` is true while this box has any radio switched on, as access point or as client: class
    個人番号利用事務系 never crosses the air. During a drill only drill desktops open, and at no other time.
    Without a mission the phase closes everything; the classes are still told apart, for the pages. `carried`: the
    classes that HQ's policy lets the lines in use carry.
    """
    allowed: list[Desktop] = []
    refused: list[Refusal] = []
    for desktop in desktops:
        why = _why_refused(desktop, radio_on, mission, carried)
        if why is None:
            allowed.append(desktop)
        else:
            refused.append(Refusal(desktop=desktop, why=why))
    return tuple(allowed), tuple(refused)


def _why_refused(
    desktop: Desktop, radio_on: bool, mission: MissionKind | None, carried: Collection[NetworkClass]
) -> WhyRefused | None:
    if desktop.network is NetworkClass.MYNUMBER and radio_on:
        return WhyRefused.RADIO
    if mission is MissionKind.DRILL and not desktop.drill:
        return WhyRefused.DRILL_ONLY
    if mission not in (None, MissionKind.DRILL) and desktop.drill:
        return WhyRefused.DRILL_CLOSED
    return None if desktop.network in carried else WhyRefused.LINE


def pinholes(desktops: Iterable[Desktop]) -> tuple[Pinhole, ...]:
    """Everything these desktops open, each once, in an order that does not depend on theirs."""
    return tuple(sorted({Pinhole(x.host, x.protocol, x.port) for y in desktops for x in y.endpoints}))


def must_stay_closed(desktops: Sequence[Desktop], profiles: Mapping[str, Profile]) -> tuple[Pinhole, ...]:
    """On the desktops' own hosts: ports their profiles keep closed and no desktop opens (for `prove`)."""
    closed = {
        Pinhole(endpoint.host, ports.protocol, port)
        for desktop in desktops
        if desktop.profile in profiles
        for endpoint in desktop.endpoints
        for ports in profiles[desktop.profile].closed
        for port in range(ports.first, ports.last + 1)
    }
    return tuple(sorted(closed - set(pinholes(desktops))))


# -------------------------------------------------------------------------------------------- greetings

_BY_PORT = {3389: GreetingKind.RDP, 443: GreetingKind.TLS, 8443: GreetingKind.TLS, 5900: GreetingKind.VNC}


def greetings(desktop: Desktop, profiles: Mapping[str, Profile]) -> tuple[Expected, ...]:
    """The desktop's screen endpoints that can be greeted. Where a desktop was edited, or its profile is one
    that only HQ knows, the product's one greeting or the well-known port says how."""
    found: list[Expected] = []
    for endpoint in desktop.endpoints:
        kind = _greeting_kind(endpoint, profiles.get(desktop.profile))
        if endpoint.part is Part.SCREEN and kind is not None:
            found.append(Expected(endpoint=endpoint, greeting=kind, certificate=desktop.certificate))
    return tuple(found)


def _greeting_kind(endpoint: Endpoint, profile: Profile | None) -> GreetingKind | None:
    if endpoint.protocol is not Protocol.TCP:
        return None
    known = profile.endpoints if profile else ()
    for entry in known:
        if any(x.holds(endpoint.protocol, endpoint.port) for x in entry.open):
            return entry.greeting
    only = {x.greeting for x in known if x.part is Part.SCREEN and x.greeting is not None}
    return only.pop() if len(only) == 1 else _BY_PORT.get(endpoint.port)


# A certificate that is not the pinned one is said even when another host of the pool answers well: somebody
# may stand in between. Otherwise a pool answers when one of its hosts does, and else for its worst cause.
_FIRST_SAID = (
    Answer.WRONG_CERTIFICATE,
    Answer.ANSWERS,
    Answer.NOT_THE_PROTOCOL,
    Answer.PROHIBITED,
    Answer.REFUSED,
    Answer.SILENT,
)


def judge_answers(answers: Sequence[Answer]) -> Answer:
    """One desktop's answer from those of its endpoints."""
    return next((x for x in _FIRST_SAID if x in answers), Answer.SILENT)
