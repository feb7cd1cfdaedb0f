"""Who did what, and when: rows are only ever added, each one's digest covers the one before it.

A row that was altered or taken out breaks the chain at that place, and `broken` says where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from appliance.hub.register import RegisterProblem, audit, open_staff, reading

BEGINNING = "0" * 64


class Unwritable(RuntimeError):
    """The staff store cannot be opened; the text says why."""


def opened(url: str) -> sa.Engine:
    """The staff store that belongs to the register at `url`, to write in. Raises Unwritable."""
    try:
        return open_staff(url)
    except (sa.exc.SQLAlchemyError, RegisterProblem, OSError) as error:
        raise Unwritable(str(error)) from error


def write(connection: sa.Connection, who: str, what: str, on: str, more: str, now: float) -> None:
    """Within the caller's transaction: what is not written down did not happen."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")  # SQLite has one writer anyway
    before = connection.scalar(sa.select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)) or BEGINNING
    row = {"at": now, "who": who[:64], "what": what[:32], "on": on[:128], "more": more[:1000]}
    connection.execute(audit.insert().values(**row, digest=_digest(before, row)))


def note(staff: sa.Engine, who: str, what: str, on: str, more: str, now: float) -> None:
    with staff.begin() as connection:
        write(connection, who, what, on, more, now)


def newest(staff: sa.Engine, count: int, before: int | None = None) -> Sequence[Mapping[str, Any]]:
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(audit.c.id < before)
    with reading(staff) as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def broken(staff: sa.Engine) -> int | None:
    """The id of the first row that does not follow from the one before it, None = the chain is whole."""
    before = BEGINNING
    with reading(staff) as connection:
        for row in connection.execute(sa.select(audit).order_by(audit.c.id)).mappings():
            if row["digest"] != _digest(before, dict(row)):
                return int(row["id"])
            before = row["digest"]
    return None


def _digest(before: str, row: Mapping[str, Any]) -> str:
    told = json.dumps([before, row["at"], row["who"], row["what"], row["on"], row["more"]])
    return hashlib.sha256(told.encode()).hexdigest()
