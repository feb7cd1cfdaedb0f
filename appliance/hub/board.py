"""The board: what HQ knows about every box at one moment, worst first. The picture is one value, made purely.

The door says which boxes there are and what was decided about them, the register says what they reported.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from appliance import control
from appliance.core.health import GOOD_LOSS, GOOD_ROUND_TRIP, USABLE_LOSS, USABLE_ROUND_TRIP
from appliance.hub import register
from appliance.hub.presence import DOWN_AFTER, Presence, presence
from appliance.hub.register import flips, latest, logs, milestones, proofs, reports
from appliance.hub.reports import Colours, Guest, Malformed, Software, read_report, read_software


class Quality(StrEnum):
    """How the desktops feel: 快適 / 使える / 厳しい."""

    GOOD = "good"
    USABLE = "usable"
    POOR = "poor"
    UNKNOWN = "unknown"


class Urgency(StrEnum):
    """What a box asks of the duty officer, worst first; the board sorts and counts by it."""

    STOP = "stop"  # waits for a person
    DOWN = "down"  # was there, is silent
    LATE = "late"
    BUSY = "busy"  # does not work now, heals by itself
    WEAK = "weak"  # works, not well
    GOOD = "good"
    WAITING = "waiting"  # in store, line works
    NEVER = "never"  # known, has not reported yet
    AWAY = "away"  # in store and switched off: as it should be
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardBox:
    name: str
    site: str
    presence: str
    phase: str
    reason: str
    last_ping: float | None
    first_ping: float | None
    uplink: str  # kind of line: "ethernet", "usb", "lte", "wifi"
    round_trip: float | None
    loss: float | None
    since: float | None
    mission: dict[str, Any] | None
    milestones: dict[str, float]
    quality: str = Quality.UNKNOWN.value
    urgency: str = Urgency.NEVER.value
    drill: bool = False
    laptops: int = 0
    handshake: float = 0.0  # as HQ's end of the tunnel saw it, without the box's word
    door: str = ""  # to HQ, where it is not the usual one: "relay/443"
    inspected: bool = False  # in store, and heard within INSPECTED
    software: Software | None = None  # as its newest report told, however old that is


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    name: str
    now: float
    boxes: tuple[BoardBox, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


INSPECTED = 40 * 86400.0  # a box in store is plugged in once a month: 点検済
NOTHING_TOLD: Mapping[str, Software] = {}


def quality(round_trip: float | None, loss: float | None) -> Quality:
    """Seconds and 0..1, measured inside the tunnel; judged as the box's own page judges it."""
    if round_trip is None or loss is None:
        return Quality.UNKNOWN
    if round_trip < GOOD_ROUND_TRIP and loss <= GOOD_LOSS:
        return Quality.GOOD
    return Quality.USABLE if round_trip < USABLE_ROUND_TRIP and loss <= USABLE_LOSS else Quality.POOR


def urgency(state: str, seen: Presence, phase: str, mission: bool) -> Urgency:
    """First line that applies wins."""
    if state == "revoked":
        return Urgency.REVOKED
    match seen:
        case Presence.NEVER:
            return Urgency.NEVER
        case Presence.DOWN:
            return Urgency.DOWN if mission or phase not in {"STANDBY"} else Urgency.AWAY
        case Presence.LATE:
            return Urgency.LATE if mission or phase not in {"STANDBY"} else Urgency.AWAY
    return {
        "BLOCKED": Urgency.STOP,
        "DEGRADED": Urgency.WEAK,
        "PROTECTED": Urgency.GOOD,
        "STANDBY": Urgency.WAITING,
    }.get(phase, Urgency.BUSY)


def draw(
    fleet: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    now: float,
    software: Mapping[str, Software] = NOTHING_TOLD,
) -> Board:
    reported = {row["box"]: row for row in rows}
    boxes = []
    for record in fleet.get("boxes", ()):
        name = str(record.get("name"))
        boxes.append(replace(_box(record, reported.get(name), now), software=software.get(name)))
    order = list(Urgency)
    boxes.sort(key=lambda box: (order.index(Urgency(box.urgency)), box.site, box.name))
    counts = {level.value: sum(box.urgency == level.value for box in boxes) for level in Urgency}
    return Board(name=str(fleet.get("name", "")), now=now, boxes=tuple(boxes), counts=counts)


def _box(record: Mapping[str, Any], row: Mapping[str, Any] | None, now: float) -> BoardBox:
    mission = record.get("mission") or None
    if mission and float(mission["end"]) <= now:
        mission = None  # it ended; the door still tells of it
    seen = presence(row["last_ping"] if row else None, now)
    phase = str(row["phase"]) if row else ""
    fresh = row is not None and seen in (Presence.UP, Presence.LATE)
    round_trip, loss = (row["round_trip"], row["loss"]) if row and fresh else (None, None)
    level = urgency(str(record.get("state", "active")), seen, phase, mission is not None)
    return BoardBox(
        name=str(record.get("name", "")),
        site=str((mission or {}).get("site") or record.get("site") or ""),
        presence=seen.value,
        phase=phase,
        reason=str(row["reason"]) if row else "",
        last_ping=row["last_ping"] if row else None,
        first_ping=row["first_ping"] if row else None,
        uplink=str(row["uplink_kind"]) if row else "",
        door=str(row["uplink"]).partition(" ")[2] if row and fresh else "",
        round_trip=round_trip,
        loss=loss,
        since=_since(row, seen),
        mission=mission,
        milestones=dict(row["milestones"]) if row else {},
        quality=quality(round_trip, loss).value,
        urgency=level.value,
        drill=bool(mission) and (mission or {}).get("kind") == "drill",
        laptops=int(row["laptops"]) if row and fresh else 0,
        handshake=float(record.get("handshake") or 0.0),
        inspected=row is not None and mission is None and now - row["last_ping"] < INSPECTED,
    )


def _since(row: Mapping[str, Any] | None, seen: Presence) -> float | None:
    """Since when the box is as the board shows it: silent boxes since their silence, others since their phase."""
    if row is None:
        return None
    return float(row["since"] if seen in (Presence.UP, Presence.LATE) else row["last_ping"])


# ------------------------------------------------------------------------------------------- reading


def latest_rows(engine: sa.Engine) -> Sequence[Mapping[str, Any]]:
    with register.reading(engine) as connection:
        return [dict(row) for row in connection.execute(sa.select(latest)).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Who is behind a box and what it runs, as its newest report tells."""

    devices: tuple[str, ...] = ()
    guests: tuple[Guest, ...] = ()
    software: Software | None = None
    sockets: Colours | None = None
    started: float = 0.0  # the machine, by its own clock


def _newest_reports(engine: sa.Engine, *where: sa.ColumnElement[bool]) -> list[tuple[str, str]]:
    """Box and body, where the newest report is still kept."""
    same = sa.and_(
        reports.c.box == latest.c.box, reports.c.boot_id == latest.c.boot_id, reports.c.seq == latest.c.seq
    )
    query = sa.select(latest.c.box, reports.c.body).join(reports, same).where(*where)
    with register.reading(engine) as connection:
        return [(str(box), body) for box, body in connection.execute(query)]


def software_told(engine: sa.Engine) -> dict[str, Software]:
    """Of every box that ever told which software it runs."""
    found = {}
    for box, body in _newest_reports(engine):
        with contextlib.suppress(Malformed):
            told = read_software(body)
            if told is not None:
                found[box] = told
    return found


def present(engine: sa.Engine, now: float) -> dict[str, Present]:
    """Of every box that was heard in time and lately."""
    found = {}
    for box, body in _newest_reports(engine, latest.c.last_ping > now - DOWN_AFTER):
        with contextlib.suppress(Malformed):  # it was read before; a newer HQ may be stricter
            report = read_report(body)
            found[box] = Present(
                devices=report.devices,
                guests=report.guests,
                software=report.software,
                sockets=report.sockets,
                started=report.made_at - report.uptime,
            )
    return found


def board(door: Path, engine: sa.Engine, now: float) -> Board:
    return draw(control.ask(door, {"ask": "fleet"}), latest_rows(engine), now, software_told(engine))


def board_json(door: Path, database_url: str) -> dict[str, Any]:
    """What `noroshi hq board --json` prints."""
    engine = register.open_register(database_url)
    try:
        picture = board(door, engine, time.time())
    finally:
        engine.dispose()
    return {"boxes": [asdict(box) for box in picture.boxes], "now": picture.now}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Of one box, newest first."""

    flips: tuple[Mapping[str, Any], ...]
    milestones: tuple[Mapping[str, Any], ...]
    newest: Mapping[str, Any] | None
    proof: Mapping[str, Any] | None
    late: int  # reports of the last day that came late
    log: tuple[Mapping[str, Any], ...] = ()


def history(engine: sa.Engine, box: str, now: float, *, most: int = 100) -> History:
    def newest_of(table: sa.Table, by: sa.Column[Any], count: int) -> tuple[Mapping[str, Any], ...]:
        query = sa.select(table).where(table.c.box == box).order_by(by.desc()).limit(count)
        return tuple(dict(row) for row in connection.execute(query).mappings())

    with register.reading(engine) as connection:
        row = connection.execute(sa.select(latest).where(latest.c.box == box)).mappings().one_or_none()
        tests = newest_of(proofs, proofs.c.received_at, 1)
        day = sa.select(sa.func.count()).where(
            reports.c.box == box, reports.c.happened_at > now - 86400, reports.c.late
        )
        return History(
            flips=newest_of(flips, flips.c.at, most),
            milestones=newest_of(milestones, milestones.c.at, most),
            newest=dict(row) if row else None,
            proof=tests[0] if tests else None,
            late=connection.scalar(day) or 0,
            log=newest_of(logs, logs.c.at, most),
        )
