"""Writing reports into the register: one transaction per post, one row per box kept up to date in it.

A report that came in time moves its box's row and may bring it back up. A late one is only history: it
fills the gap of the timeline and changes nothing about now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from appliance.hub import presence, register
from appliance.hub.presence import Flip, Presence
from appliance.hub.register import boots, flips, latest, logs, milestones, proofs, reports, upsert
from appliance.hub.reports import Envelope, Report, Signed, happened, in_time

KEEP = 30 * 86400.0  # seconds a report is kept
KEEP_ALL = 2 * 86400.0  # after this only every THIN-th report is kept; flips are kept in their own table
THIN = 30
KEEP_LINES = 500  # of each box's journal
CHUNK = 5000  # rows deleted at once, so that no report waits long

# The statements of every post are made once: building them costs more than SQLite does.
_ROW = sa.select(latest).where(latest.c.box == sa.bindparam("of"))
_NUMBERS = sa.select(reports.c.seq).where(
    reports.c.box == sa.bindparam("of"),
    reports.c.boot_id == sa.bindparam("boot"),
    reports.c.seq.between(sa.bindparam("first"), sa.bindparam("last")),
)
_BEFORE = (
    sa.select(reports.c.happened_at, reports.c.phase, reports.c.reason)
    .where(reports.c.box == sa.bindparam("of"), reports.c.happened_at <= sa.bindparam("moment"))
    .order_by(reports.c.happened_at.desc(), reports.c.id.desc())
    .limit(1)
)
_MOVE = latest.update().where(latest.c.box == sa.bindparam("of"))
_INSERT = reports.insert()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A report whose signature held, beside the text that was signed."""

    report: Report
    signed: Signed


def record(
    engine: sa.Engine, box: str, envelope: Envelope, received: Sequence[Received], now: float
) -> list[int]:
    """Stores what is new, says which sequence numbers HQ has now (known ones too: the box may forget them)."""
    if not received:
        return []
    with engine.begin() as connection:
        row = connection.execute(_ROW, {"of": box}).mappings().one_or_none()
        known = _known(connection, box, received)
        fresh = {}
        for item in received:
            key = (item.report.boot_id, item.report.seq)
            if key not in known and key not in fresh:
                fresh[key] = item
        if fresh:
            _store(connection, box, envelope, list(fresh.values()), row, now)
    return sorted({item.report.seq for item in received})


def _known(connection: sa.Connection, box: str, received: Sequence[Received]) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for boot in {item.report.boot_id for item in received}:
        numbers = [item.report.seq for item in received if item.report.boot_id == boot]
        span = {"of": box, "boot": boot, "first": min(numbers), "last": max(numbers)}
        found.update((boot, seq) for seq in connection.scalars(_NUMBERS, span))
    return found


def _store(
    connection: sa.Connection,
    box: str,
    envelope: Envelope,
    fresh: list[Received],
    row: sa.RowMapping | None,
    now: float,
) -> None:
    current = _boot_may_be_current(connection, box, envelope.boot_id, row)
    highest = row["seq"] if row is not None and row["boot_id"] == envelope.boot_id else -1
    rows, newest = [], None
    ordered = sorted(fresh, key=lambda item: (item.report.uptime, item.report.seq))
    for item in ordered:
        report = item.report
        late = not (current and report.seq > highest and in_time(report, envelope.boot_id, envelope.uptime))
        rows.append(_row(box, item, envelope, late, now))
        if not late:
            newest, highest = rows[-1] | {"_report": report}, report.seq
    before = _phase_before(connection, box, min(r["happened_at"] for r in rows))
    connection.execute(_INSERT, rows)
    if any(r["late"] for r in rows):
        _rewrite_phase_flips(connection, box, rows)
    else:
        _add_flips(connection, box, _phase_flips(before, rows))
    _keep_milestones(connection, box, [item.report for item in fresh], row, now)
    _keep_log(connection, box, list(zip((item.report for item in ordered), rows, strict=True)))
    if newest is not None:
        _move(connection, box, newest, row, now)


def _boot_may_be_current(connection: sa.Connection, box: str, boot: str, row: sa.RowMapping | None) -> bool:
    """A boot that another one followed is over: nothing of it can be in time any more."""
    if row is None or row["boot_id"] == boot:
        return True
    query = sa.select(boots.c.boot_id).where(boots.c.box == box, boots.c.boot_id == boot)
    return connection.scalar(query) is None


def _row(box: str, item: Received, envelope: Envelope, late: bool, now: float) -> dict[str, Any]:
    report = item.report
    when = happened(report, envelope.boot_id, envelope.uptime, now)
    lasted = min(max(report.made_at - report.since, 0.0), report.uptime)
    return {
        "box": box,
        "boot_id": report.boot_id,
        "seq": report.seq,
        "received_at": now,
        "happened_at": when,
        "made_at": report.made_at,
        "late": late,
        "phase": report.phase,
        "reason": report.reason,
        "since": when - lasted,
        **_vitals(report),
        "body": item.signed.body,
        "signature": item.signed.signature[:128],
    }


def _vitals(report: Report) -> dict[str, Any]:
    return {
        "uplink": report.uplink,
        "uplink_kind": report.uplink_kind,
        "round_trip": report.round_trip,
        "loss": report.loss,
        "handshake_age": report.handshake_age,
        "laptops": report.laptops,
        "load": report.load,
        "memory": report.memory,
        "disk": report.disk,
        "temperature": report.temperature,
        "version": report.version,
    }


def _move(
    connection: sa.Connection,
    box: str,
    newest: dict[str, Any],
    row: sa.RowMapping | None,
    now: float,
) -> None:
    """The box's own row, and the flips that its arrival makes."""
    report: Report = newest["_report"]
    recorded = Presence(row["presence"]) if row is not None else Presence.NEVER
    changes = presence.arrival(recorded, row["last_ping"] if row is not None else None, now)
    add_presence_flips(connection, box, changes)
    if row is None or row["boot_id"] != report.boot_id:
        values = {"box": box, "boot_id": report.boot_id, "first_received": now}
        connection.execute(upsert(connection, boots).values(values).on_conflict_do_nothing())
    moved = {
        "boot_id": report.boot_id,
        "seq": report.seq,
        "last_ping": now,
        "presence": Presence.UP.value,
        "presence_since": changes[-1].at if changes or row is None else row["presence_since"],
        "happened_at": newest["happened_at"],
        "phase": report.phase,
        "reason": report.reason,
        "since": _steady_since(report, newest, row),
        **_vitals(report),
        "desktops": dict(report.desktops),
        "milestones": dict(report.milestones),
        "proof_at": report.proof.at if report.proof else (row["proof_at"] if row is not None else None),
    }
    if row is None:
        connection.execute(latest.insert().values(box=box, first_ping=now, **moved))
    else:
        connection.execute(_MOVE, {"of": box, **moved})


def _steady_since(report: Report, newest: dict[str, Any], row: sa.RowMapping | None) -> float:
    """The stamp must not tremble from report to report because two clocks are compared anew each time."""
    since = float(newest["since"])
    same = row is not None and (row["phase"], row["reason"]) == (report.phase, report.reason)
    if same and row is not None and abs(row["since"] - since) < 5:
        return float(row["since"])
    return since


# --------------------------------------------------------------------------------------------- flips


def add_presence_flips(connection: sa.Connection, box: str, changes: Sequence[Flip]) -> None:
    _add_flips(
        connection,
        box,
        [
            {"at": c.at, "what": "presence", "before": c.before.value, "after": c.after.value, "reason": ""}
            for c in changes
        ],
    )


def _add_flips(connection: sa.Connection, box: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(flips.insert(), [{"box": box, **row} for row in rows])


def _phase_before(connection: sa.Connection, box: str, when: float) -> sa.RowMapping | None:
    return connection.execute(_BEFORE, {"of": box, "moment": when}).mappings().one_or_none()


def _phase_flips(
    before: sa.RowMapping | None, rows: Sequence[sa.RowMapping | dict[str, Any]]
) -> list[dict[str, Any]]:
    """One flip per change of phase or reason between neighbours, at the time the box says it began."""
    found: list[dict[str, Any]] = []
    last = (before["phase"], before["reason"]) if before is not None else ("", "")
    earliest = before["happened_at"] if before is not None else 0.0
    for row in rows:
        if (row["phase"], row["reason"]) != last:
            at = max(float(row["since"]), earliest)
            found.append(
                {"at": at, "what": "phase", "before": last[0], "after": row["phase"], "reason": row["reason"]}
            )
            last = (row["phase"], row["reason"])
        earliest = float(row["happened_at"])
    return found


def _rewrite_phase_flips(connection: sa.Connection, box: str, added: Sequence[dict[str, Any]]) -> None:
    """Late reports fill a gap: the changes between their two neighbours are worked out again."""
    times = [float(r["happened_at"]) for r in added]
    where = reports.c.box == box
    start = connection.scalar(
        sa.select(sa.func.max(reports.c.happened_at)).where(where, reports.c.happened_at < min(times))
    )
    end = connection.scalar(
        sa.select(sa.func.min(reports.c.happened_at)).where(where, reports.c.happened_at > max(times))
    )
    query = (
        sa.select(reports.c.happened_at, reports.c.since, reports.c.phase, reports.c.reason)
        .where(where, reports.c.happened_at >= (min(times) if start is None else start))
        .where(reports.c.happened_at <= (max(times) if end is None else end))
        .order_by(reports.c.happened_at, reports.c.id)
    )
    rows = list(connection.execute(query).mappings())
    before = rows.pop(0) if start is not None else None
    old = flips.delete().where(
        flips.c.box == box, flips.c.what == "phase", flips.c.at <= rows[-1]["happened_at"]
    )
    connection.execute(old if start is None else old.where(flips.c.at >= start))
    _add_flips(connection, box, _phase_flips(before, rows))


def settle(engine: sa.Engine, now: float) -> int:
    """Writes down what silence has changed by now; returns how many boxes changed. Safe to run twice at once."""
    stale = sa.select(latest.c.box, latest.c.presence, latest.c.last_ping).where(
        latest.c.presence != Presence.DOWN.value, latest.c.last_ping < now - presence.LATE_AFTER
    )
    with register.reading(engine) as connection:
        candidates = list(connection.execute(stale))
    if not candidates:
        return 0
    changed = 0
    with engine.begin() as connection:
        for box, recorded, last_ping in candidates:
            changes = presence.silence(Presence(recorded), last_ping, now)
            if not changes:
                continue
            claim = (
                latest.update()
                .where(latest.c.box == box, latest.c.presence == recorded, latest.c.last_ping == last_ping)
                .values(presence=changes[-1].after.value, presence_since=changes[-1].at)
            )
            if connection.execute(claim).rowcount == 1:
                add_presence_flips(connection, box, changes)
                changed += 1
    return changed


# ------------------------------------------------------------------------------- milestones, pruning


def _keep_milestones(
    connection: sa.Connection, box: str, found: Sequence[Report], row: sa.RowMapping | None, now: float
) -> None:
    known = set(row["milestones"].items()) if row is not None else set()
    marks = {pair for report in found for pair in report.milestones.items()} - known
    if marks:
        values = [{"box": box, "name": name, "at": at, "received_at": now} for name, at in sorted(marks)]
        connection.execute(upsert(connection, milestones).on_conflict_do_nothing(), values)
    last = row["proof_at"] if row is not None else None
    tests = {report.proof.at: report.proof for report in found if report.proof and report.proof.at != last}
    if tests:
        rows = [
            {"box": box, "at": p.at, "received_at": now, "ok": p.ok, "rows": list(p.rows)}
            for p in tests.values()
        ]
        connection.execute(upsert(connection, proofs).on_conflict_do_nothing(), rows)


def _keep_log(connection: sa.Connection, box: str, found: Sequence[tuple[Report, dict[str, Any]]]) -> None:
    """A line was said some time before its report was made: both are told by the box's boot clock."""
    lines = [
        {
            "box": box,
            "at": row["happened_at"] - max(0.0, report.uptime - line.at),
            "source": line.source,
            "level": line.level,
            "text": line.text,
            "times": line.times,
        }
        for report, row in found
        for line in report.log
    ]
    if not lines:
        return
    connection.execute(logs.insert(), lines)
    newest = sa.select(logs.c.id).where(logs.c.box == box).order_by(logs.c.at.desc(), logs.c.id.desc())
    beyond = newest.offset(KEEP_LINES).limit(CHUNK)
    connection.execute(logs.delete().where(logs.c.id.in_(beyond)))


def prune(engine: sa.Engine, now: float, *, keep: float = KEEP, keep_all: float = KEEP_ALL) -> int:
    """Deletes reports older than `keep`, thins those older than `keep_all`; little by little."""
    old = reports.c.received_at < now - keep
    thin = sa.and_(reports.c.received_at < now - keep_all, reports.c.seq % THIN != 0)
    deleted = 0
    for condition in (old, thin):
        while True:
            chosen = sa.select(reports.c.id).where(condition).limit(CHUNK)
            with engine.begin() as connection:
                count = connection.execute(reports.delete().where(reports.c.id.in_(chosen))).rowcount
            deleted += count
            if count < CHUNK:
                break
    with engine.begin() as connection:
        for table, column in (
            (flips, flips.c.at),
            (milestones, milestones.c.received_at),
            (proofs, proofs.c.received_at),
            (logs, logs.c.at),
        ):
            connection.execute(table.delete().where(column < now - 12 * keep))
    return deleted
