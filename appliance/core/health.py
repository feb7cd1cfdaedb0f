"""What a box tells: the report HQ gets every ten seconds, and the status its own pages show. Pure views of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from appliance import VERSION
from appliance.core.codec import dump_masked
from appliance.core.desktops import Refusal
from appliance.core.devices import Visitor, short_number
from appliance.core.enrolment import is_phone
from appliance.core.ladder import Rung, is_usual, ladder_of
from appliance.core.logbook import Line
from appliance.core.machine import Answer, Observed, Status, Uplink
from appliance.core.model import OPEN_PHASES, Config, Desktop, Device, JoinStage, MissionKind
from appliance.core.words import REFUSALS, way_words, words

REPORT_INTERVAL = 10.0  # seconds
MOST_GUESTS = 16  # laptops without registration told in one report
OUTBOX_KEEPS = 2000  # reports; five and a half hours, thinned beyond that
GOOD_ROUND_TRIP, USABLE_ROUND_TRIP = 0.08, 0.25  # seconds
GOOD_LOSS, USABLE_LOSS = 0.01, 0.05


def report(
    config: Config,
    status: Status,
    observed: Observed,
    uplinks: tuple[Uplink, ...],
    milestones: Mapping[str, float],
    proof: Mapping[str, Any] | None,
    boot: str,
    sequence: int,
    uptime: float,
    question: Mapping[str, Any] | None = None,
    known: Mapping[str, Device] = MappingProxyType({}),
    ways: Mapping[str, Rung] = MappingProxyType({}),
    software: Mapping[str, Any] = MappingProxyType({}),
    log: Sequence[Line] = (),
    sockets: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """One health ping; the shell signs it. Times: seconds; parts: 0..1."""
    active = next((x for x in uplinks if x.active), None)
    handshake = handshake_of(observed)
    assignment = config.assignment
    return {
        "box": assignment.box if assignment else "",
        "seq": sequence,
        "boot_id": boot,
        "uptime": round(uptime, 3),
        "made_at": round(observed.now, 3),
        "phase": status.phase.value,
        "reason": status.reason.value,
        "since": round(status.since, 3),
        "policy": assignment.version if assignment else 0,
        "uplink": _used(active, ways.get(active.link), ladder_of(config)) if active else None,
        "round_trip": round(observed.hub.round_trip, 4) if observed.hub.last_answer else None,
        "loss": round(observed.hub.loss, 3),
        "line": rates(observed),
        "handshake_age": round(observed.now - handshake, 1) if handshake else None,
        "laptops": len(observed.laptops),
        "devices": sorted({known[x.mac].name for x in observed.laptops if x.mac in known}),
        "guests": [
            {"number": short_number(x.mac), "mac": x.mac, "host": x.host}
            for x in sorted(observed.laptops)
            if x.mac not in known
        ][:MOST_GUESTS],
        "load": round(observed.vitals.load, 2),
        "memory": round(observed.vitals.memory_used, 3),
        "disk": round(observed.vitals.disk_used, 3),
        "temperature": observed.vitals.temperature,
        "version": VERSION,
        "desktops": {x.desktop: x.answer.value for x in observed.desktops},
        "milestones": dict(milestones),
        "proof": proof,
        **({"software": {k: v for k, v in software.items() if k != "words"}} if software.get("slot") else {}),
        **({"sockets": dict(sockets)} if sockets else {}),
        **({"log": [x.as_data() for x in log]} if log else {}),
        **(question or {}),
    }


def surplus(names: Sequence[str]) -> tuple[str, ...]:
    """Which of the kept reports, oldest first, to give up: beyond the limit every second one of the older
    half goes, so that a long outage keeps its outline."""
    over = len(names) - OUTBOX_KEEPS
    if over <= 0:
        return ()
    return tuple(names[1 : len(names) // 2 : 2]) or tuple(names[:over])


def handshake_of(observed: Observed) -> float:
    return max((x.handshake for x in observed.tunnel.peers), default=0.0) if observed.tunnel else 0.0


def status_view(
    config: Config,
    status: Status,
    observed: Observed,
    uplinks: tuple[Uplink, ...],
    allowed: tuple[Desktop, ...],
    refused: tuple[Refusal, ...],
    milestones: Mapping[str, float],
    proof: Mapping[str, Any] | None,
    visitor: Visitor | None = None,
    ways: Mapping[str, Rung] | None = None,
) -> dict[str, Any]:
    """What the field's pages and `noroshi status` show. A visitor sees the desktops that its laptop may open."""
    assignment, joining = config.assignment, config.joining
    sentence = words(status.reason)
    mission = assignment.mission if assignment else None
    running = mission is not None and mission.start <= observed.now < mission.end

    def sees(desktop: Desktop) -> bool:
        return visitor is None or visitor.may(desktop.name)

    return {
        "phase": status.phase.value,
        "reason": status.reason.value,
        "number": sentence.number,
        "words": sentence.as_data(),
        "since": status.since,
        "now": observed.now,
        "site": assignment.site if assignment else joining.ticket.site if joining else "",
        "hq_name": assignment.hq_name if assignment else joining.ticket.hq_name if joining else "",
        "hq_phone": assignment.phone if assignment and is_phone(assignment.phone) else "",
        "drill": bool(running and mission and mission.kind is MissionKind.DRILL),
        "mission": dump_masked(mission),
        "uplinks": [_uplink(x, (ways or {}).get(x.link), ladder_of(config)) for x in uplinks],
        "joining": _joining(config, status, observed, uplinks),
        "desktops": [
            *(_desktop(x, status, observed, config, None) for x in allowed if sees(x)),
            *(_desktop(x.desktop, status, observed, config, x.why.value) for x in refused if sees(x.desktop)),
        ],
        "visitor": _visitor(visitor),
        "any_laptop_until": assignment.any_laptop_until if assignment else 0.0,
        "laptops": len(observed.laptops),
        "hub": {
            "round_trip": observed.hub.round_trip if observed.hub.last_answer else None,
            "loss": observed.hub.loss,
            "quality": quality(observed),
        },
        "line": rates(observed),
        "lan": assignment.lan if assignment else "",
        "air": {"place": config.air.place.value, "band": config.air.band.value},
        "serial": config.serial,
        "version": VERSION,
        "milestones": dict(milestones),
        "proof": proof,
    }


def _visitor(visitor: Visitor | None) -> dict[str, Any] | None:
    if visitor is None:
        return None
    return {
        "registered": visitor.device is not None,
        "device": visitor.device.name if visitor.device else "",
        "number": visitor.number,
        "emergency": visitor.emergency,
    }


def quality(observed: Observed) -> str:
    """快適 / 使える / 厳しい."""
    hub = observed.hub
    if not hub.last_answer:
        return "unknown"
    if hub.round_trip < GOOD_ROUND_TRIP and hub.loss <= GOOD_LOSS:
        return "good"
    return "usable" if hub.round_trip < USABLE_ROUND_TRIP and hub.loss <= USABLE_LOSS else "poor"


def _used(active: Uplink, rung: Rung | None, ladder: Sequence[Rung]) -> dict[str, str]:
    """The line in use; its door only where that is not the usual one."""
    unusual = rung is not None and not is_usual(rung, ladder)
    return {
        "link": active.link,
        "kind": active.kind,
        **({"door": rung.door} if rung and unusual else {}),
    }


def rates(observed: Observed) -> dict[str, int]:
    """To what the tunnel is held on the line in use, bit/s; 0 where no queue was seen."""
    held = {x.down: x.rate for x in observed.shapers}
    return {"up": held.get(False, 0), "down": held.get(True, 0)}


def _uplink(x: Uplink, rung: Rung | None, ladder: Sequence[Rung]) -> dict[str, Any]:
    address = x.lease.address.split("/")[0] if x.lease else ""
    sentence = words(x.refused) if x.refused else None
    return {
        "link": x.link,
        "kind": x.kind,
        "ssid": x.ssid,
        "carrier": x.carrier,
        "address": address,
        "active": x.active,
        "doubled": x.doubled,
        "in_need": x.metered,
        "door": rung.door if rung else "",
        "way": way_words(rung.way.value, rung.port, usual=is_usual(rung, ladder)) if rung else None,
        "refused": {"number": sentence.number, **sentence.as_data()} if sentence else None,
    }


def _joining(
    config: Config, status: Status, observed: Observed, uplinks: tuple[Uplink, ...]
) -> dict[str, Any] | None:
    joining = config.joining
    if joining is None:
        return None
    assigned = joining.stage is JoinStage.ASSIGNED
    shaken = bool(handshake_of(observed)) or assigned
    done = {
        "uplink": any(x.usable for x in uplinks),
        "ticket": True,
        "tunnel": shaken,
        "enrolled": assigned,
        "desktop": status.phase in OPEN_PHASES,
    }
    return {
        "stage": joining.stage.value,
        "site": joining.ticket.site,
        "hq_name": joining.ticket.hq_name,
        "since": joining.since,
        "steps": [{"name": k, "done": v} for k, v in done.items()],
    }


def _desktop(
    desktop: Desktop, status: Status, observed: Observed, config: Config, refusal: str | None
) -> dict[str, Any]:
    answers = {x.desktop: x.answer for x in observed.desktops}
    first = desktop.endpoints[0] if desktop.endpoints else None
    sentence = REFUSALS[refusal] if refusal else None
    files = {name for name, _ in config.assignment.rdp_files} if config.assignment else set()
    return {
        "name": desktop.name,
        "title": desktop.title,
        "kind": desktop.kind.value,
        "network": desktop.network.value,
        "answer": answers[desktop.name].value if desktop.name in answers else "unknown",
        "open": status.phase in OPEN_PHASES and refusal is None,
        "reached": answers.get(desktop.name) is Answer.ANSWERS,
        "refused": {"ja": sentence.what_ja, "en": sentence.what_en} if sentence else None,
        "has_file": desktop.name in files,
        "address": f"{first.host}:{first.port}" if first else "",
    }
