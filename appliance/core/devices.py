"""Which laptop may reach which desktop: the register's grammar, a box's seats, and what the firewall makes of them.

A laptop is known by its hardware address, bound to the one address that it holds on the LAN (its seat). Anybody
who copies a registered laptop's hardware address passes for it: this is a second factor beside the desktop's own
sign-in, not an identity.
"""

from __future__ import annotations

import csv
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.core.codec import digest
from appliance.core.desktops import pinholes
from appliance.core.enrolment import is_name
from appliance.core.firewall import Seat
from appliance.core.machine import LaptopLease
from appliance.core.model import Assignment, BoxState, Desktop, Device, Emergency, HubConfig
from appliance.core.words import Refused

EVERY = "*"
MOST_DEVICES = 4000
MOST_MACS, MOST_DESKTOPS = 4, 16
MOST_TEXT = 512 * 1024  # octets of an imported list
MOST_PROBLEMS = 100  # told of one import
LONGEST_EMERGENCY = 24.0  # hours
EMERGENCIES_KEPT = 20  # of each box
PROOF_ADDRESSES = 2  # the prefix's last hosts, kept for the proof's stand-in laptops

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DESKTOP = re.compile(r"[a-z0-9-]{1,32}")
_HEADS = ("name", "資産番号")


# ------------------------------------------------------------------------------------------ grammar


def mac_of(text: str) -> str:
    """`AA-BB-CC-DD-EE-FF`, `aabb.ccdd.eeff` or the like as we write it; "" for what no network socket has."""
    digits = re.sub(r"[:.-]", "", text.strip()).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or len(text.strip()) > 17:
        return ""
    if int(digits[:2], 16) & 1 or digits == "0" * 12:  # a group's address, or nobody's
        return ""
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def is_mac(text: str) -> bool:
    return _MAC.fullmatch(text) is not None and mac_of(text) == text


def is_device(device: Device) -> bool:
    """Whether every value has its grammar; a box checks again what HQ signed."""
    return (
        _NAME.fullmatch(device.name) is not None
        and (not device.title or is_name(device.title))
        and 0 < len(device.macs) <= MOST_MACS
        and all(is_mac(x) for x in device.macs)
        and len(set(device.macs)) == len(device.macs)
        and 0 < len(device.desktops) <= MOST_DESKTOPS
        and (device.desktops == (EVERY,) or all(_DESKTOP.fullmatch(x) for x in device.desktops))
    )


def are_devices(devices: Sequence[Device]) -> bool:
    """A sound register: every name and every hardware address is there once."""
    macs = [x for device in devices for x in device.macs]
    return (
        len(devices) <= MOST_DEVICES
        and all(map(is_device, devices))
        and len({x.name for x in devices}) == len(devices)
        and len(set(macs)) == len(macs)
    )


def short_number(mac: str) -> str:
    """What a person reads to HQ over the telephone. It tells laptops apart; it is no secret and proves nothing."""
    number = int(digest(f"noroshi laptop {mac}")[:12], 16) % 1_000_000
    return f"{number // 1000:03d}-{number % 1000:03d}"


# --------------------------------------------------------------------------------------- HQ's register


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a line of an imported list; `code` has a sentence in `DEVICE_FAULTS` of words.py."""

    line: int
    code: str
    value: str = ""


def device_from(
    config: HubConfig, name: str, title: str, macs: Sequence[str], desktops: Sequence[str]
) -> Device:
    """A device as people typed it. Raises Refused with the code of what does not fit."""
    if not _NAME.fullmatch(name):
        raise Refused("device-name")
    if title and not is_name(title):
        raise Refused("device-title")
    found = tuple(dict.fromkeys(mac_of(x) for x in macs))
    if not 0 < len(found) <= MOST_MACS or "" in found:
        raise Refused("device-mac")
    wanted = tuple(dict.fromkeys(desktops))
    if not 0 < len(wanted) <= MOST_DESKTOPS or (EVERY in wanted and len(wanted) > 1):
        raise Refused("device-desktops")
    known = {EVERY, *(x.name for x in config.desktops)}
    if not known.issuperset(wanted):
        raise Refused("unknown-desktop")
    return Device(name=name, title=title, macs=found, desktops=wanted)


def add_device(config: HubConfig, device: Device) -> HubConfig:
    if any(x.name == device.name for x in config.devices):
        raise Refused("name-taken")
    return _with_devices(config, (*config.devices, device))


def remove_device(config: HubConfig, name: str) -> HubConfig:
    if all(x.name != name for x in config.devices):
        raise Refused("unknown-device")
    return _with_devices(config, tuple(x for x in config.devices if x.name != name))


def list_text(raw: bytes) -> str:
    """A list as spreadsheets save it: UTF-8, or what Excel in Japan writes."""
    if len(raw) > MOST_TEXT:
        raise Refused("device-list-size")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp932", errors="replace")


def import_devices(config: HubConfig, text: str) -> tuple[HubConfig, int, tuple[Problem, ...]]:
    """A list as CSV: name, title, hardware addresses, desktops; several in one field are parted by spaces or
    semicolons. A name that is known is replaced. All of it or nothing: the changed config and how many rows, or
    the problems."""
    if len(text.encode()) > MOST_TEXT:
        raise Refused("device-list-size")
    rows, problems = _rows(config, text)
    merged = {x.name: x for x in config.devices} | {x.name: x for _, x in rows}
    owners: dict[str, set[str]] = {}
    for device in (*merged.values(), *(x for _, x in rows)):
        for mac in device.macs:
            owners.setdefault(mac, set()).add(device.name)
    problems += [
        Problem(line=line, code="device-mac-taken", value=mac)
        for line, device in rows
        for mac in device.macs
        if owners[mac] != {device.name}
    ]
    if len(merged) > MOST_DEVICES:
        problems.append(Problem(line=0, code="device-list-size", value=str(len(merged))))
    if problems:
        return config, 0, tuple(sorted(problems, key=lambda x: x.line)[:MOST_PROBLEMS])
    return _with_devices(config, tuple(merged.values())), len(rows), ()


def _rows(config: HubConfig, text: str) -> tuple[list[tuple[int, Device]], list[Problem]]:
    found: list[tuple[int, Device]] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    reader = csv.reader([f"{x}\n" for x in text.removeprefix("\ufeff").split("\n")], strict=True)
    try:
        for cells in reader:
            line = reader.line_num
            cells = [x.strip() for x in cells]
            if not any(cells) or (not found and not problems and cells[0].lower() in _HEADS):
                continue
            if len(cells) != 4:
                problems.append(Problem(line=line, code="device-columns", value=str(len(cells))))
                continue
            name, title, macs, desktops = cells
            try:
                device = device_from(config, name, title, _several(macs), _several(desktops))
            except Refused as error:
                shown = {"device-name": name, "device-title": title, "device-mac": macs}.get(
                    error.code, desktops
                )
                problems.append(Problem(line=line, code=error.code, value=shown[:60]))
                continue
            if name in seen:
                problems.append(Problem(line=line, code="device-twice", value=name))
            seen.add(name)
            found.append((line, device))
    except csv.Error:
        problems.append(Problem(line=reader.line_num, code="device-columns"))
    return found, problems


def _several(text: str) -> tuple[str, ...]:
    return tuple(x for x in re.split(r"[\s;]+", text) if x)


def _with_devices(config: HubConfig, devices: tuple[Device, ...]) -> HubConfig:
    """Every box is told; an unchanged register tells nobody."""
    if len(devices) > MOST_DEVICES:
        raise Refused("device-list-size")
    macs = [x for device in devices for x in device.macs]
    if len(set(macs)) != len(macs):
        raise Refused("device-mac-taken")
    if devices == config.devices:
        return config
    boxes = tuple(
        replace(x, version=x.version + 1) if x.state is BoxState.ACTIVE else x for x in config.boxes
    )
    return replace(config, devices=devices, boxes=boxes)


def set_emergency(config: HubConfig, box: str, hours: float, by: str, now: float) -> HubConfig:
    """Any laptop behind `box` reaches its desktops for `hours`; 0 ends it. What was decided stays on record."""
    record = next((x for x in config.boxes if x.name == box), None)
    if record is None:
        raise Refused("unknown-box")
    if record.state is not BoxState.ACTIVE:
        raise Refused("revoked")
    if not 0 <= hours <= LONGEST_EMERGENCY:
        raise Refused("emergency-hours")
    held = tuple(replace(x, end=now) if x.end > now else x for x in record.emergencies)
    if hours:
        held = (*held, Emergency(start=now, end=now + hours * 3600, by=by[:60]))
    if held == record.emergencies:
        return config
    changed = replace(record, emergencies=held[-EMERGENCIES_KEPT:], version=record.version + 1)
    return replace(config, boxes=tuple(changed if x.name == box else x for x in config.boxes))


def emergency_end(emergencies: Sequence[Emergency]) -> float:
    return emergencies[-1].end if emergencies else 0.0


def for_boxes(devices: Iterable[Device]) -> tuple[Device, ...]:
    """What boxes are told: without what only HQ's people read."""
    return tuple(replace(x, title="") for x in devices)


# -------------------------------------------------------------------------------------------- the box


def by_mac(devices: Iterable[Device]) -> dict[str, Device]:
    return {mac: device for device in devices for mac in device.macs}


def seats(
    before: Mapping[str, str], leases: Iterable[LaptopLease], known: Mapping[str, Device], lan: str
) -> dict[str, str]:
    """Hardware address → the address that a registered laptop keeps on this LAN, present or not; the one seen last
    comes last. Who holds an address now has it; laptops that are away keep at most half of the prefix. A register
    that fits into that half is seated at once, a larger one as its laptops come."""
    network = ipaddress.IPv4Network(lan)
    hosts = range(int(network.network_address) + 2, int(network.broadcast_address) - PROOF_ADDRESSES)

    def fits(mac: str, address: str) -> bool:
        return mac in known and int(ipaddress.IPv4Address(address)) in hosts

    holders = {x.address: x.mac for x in leases}
    found = {m: a for m, a in before.items() if fits(m, a) and holders.get(a, m) == m}
    for address, mac in holders.items():
        if fits(mac, address):
            found.pop(mac, None)
            found[mac] = address
    present = set(holders.values())
    away = [x for x in found if x not in present]
    for mac in away[: max(0, len(away) - len(hosts) // 2)]:
        del found[mac]
    if len(known) <= len(hosts) // 2:  # so few that each has its seat before it comes
        free = (x for x in hosts if str(ipaddress.IPv4Address(x)) not in {*holders, *found.values()})
        found |= {mac: str(ipaddress.IPv4Address(next(free))) for mac in sorted(known) if mac not in found}
    return found


def may_open(device: Device | None, desktop: str) -> bool:
    return device is not None and (device.desktops == (EVERY,) or desktop in device.desktops)


def seats_of(
    taken: Mapping[str, str], known: Mapping[str, Device], allowed: Sequence[Desktop]
) -> tuple[Seat, ...]:
    """What the firewall lets each seat reach, of the desktops that may open at all."""
    found = []
    for mac, address in sorted(taken.items()):
        own = [x for x in allowed if may_open(known.get(mac), x.name)]
        if own:
            found.append(Seat(mac=mac, address=address, pinholes=pinholes(own)))
    return tuple(found)


def hosts_file(taken: Mapping[str, str]) -> str:
    """For dnsmasq: the seats stay theirs."""
    return "".join(f"{mac},{address}\n" for mac, address in sorted(taken.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who looks at a page of the box: `device` is None where it is not registered."""

    number: str = ""
    device: Device | None = None
    emergency: bool = False

    def may(self, desktop: str) -> bool:
        return self.emergency or may_open(self.device, desktop)


def visitor(
    address: str,
    leases: Iterable[LaptopLease],
    taken: Mapping[str, str],
    known: Mapping[str, Device],
    emergency: bool,
) -> Visitor:
    """By the address it came from. Pages show no more by it than they would to a registered laptop's user; what is
    reached is the firewall's affair."""
    mac = next((x.mac for x in leases if x.address == address), "")
    mac = mac or next((m for m, a in taken.items() if a == address), "")
    if not mac:
        return Visitor(emergency=emergency)
    return Visitor(number=short_number(mac), device=known.get(mac), emergency=emergency)


def emergency_runs(assignment: Assignment | None, now: float) -> bool:
    return assignment is not None and now < assignment.any_laptop_until
