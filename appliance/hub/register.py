"""HQ's register: which tables there are and how they are opened. SQLite by default, PostgreSQL by URL.

Two stores, because two kinds of people write: the *register* (reports, flips, proofs) is written by the
intake, which talks to boxes; the *staff* store (people, sessions, audit) is out of the intake's reach, so a
broken intake cannot make itself an administrator. With SQLite they are two files in two folders; `prepare`
gives each folder to whom it belongs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

VERSION = 1
GROUP = 64300  # HQ's web and intake share the register through this group
WEB_UID = 64303

register_tables = sa.MetaData()
staff_tables = sa.MetaData()


def _told() -> list[sa.Column[Any]]:
    """What a report says of a box's health."""
    return [
        sa.Column("phase", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(48), nullable=False),
        sa.Column("since", sa.Float, nullable=False),  # of the phase, HQ's clock
        sa.Column("uplink", sa.String(32), nullable=False),
        sa.Column("uplink_kind", sa.String(16), nullable=False),
        sa.Column("round_trip", sa.Float),
        sa.Column("loss", sa.Float, nullable=False),
        sa.Column("handshake_age", sa.Float),
        sa.Column("laptops", sa.Integer, nullable=False),
        sa.Column("load", sa.Float, nullable=False),
        sa.Column("memory", sa.Float, nullable=False),
        sa.Column("disk", sa.Float, nullable=False),
        sa.Column("temperature", sa.Float),
        sa.Column("version", sa.String(64), nullable=False),
    ]


reports = sa.Table(
    "reports",
    register_tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("box", sa.String(64), nullable=False),
    sa.Column("boot_id", sa.String(64), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False, index=True),  # HQ's clock
    sa.Column("happened_at", sa.Float, nullable=False),  # HQ's clock: received_at minus the wait on the box
    sa.Column("made_at", sa.Float, nullable=False),  # the box's clock
    sa.Column("late", sa.Boolean, nullable=False),
    *_told(),
    sa.Column("body", sa.Text, nullable=False),  # as signed by the box
    sa.Column("signature", sa.String(128), nullable=False),
    sa.UniqueConstraint("box", "boot_id", "seq"),
    sa.Index("reports_by_time", "box", "happened_at"),
)

latest = sa.Table(  # one row per box: the board reads nothing else
    "latest",
    register_tables,
    sa.Column("box", sa.String(64), primary_key=True),
    sa.Column("boot_id", sa.String(64), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("first_ping", sa.Float, nullable=False),  # received, in time
    sa.Column(
        "last_ping", sa.Float, nullable=False
    ),  # received, in time; the only stamp presence is computed from
    sa.Column("presence", sa.String(8), nullable=False),  # as recorded by the last flip
    sa.Column("presence_since", sa.Float, nullable=False),
    sa.Column("happened_at", sa.Float, nullable=False),
    *_told(),
    sa.Column("desktops", sa.JSON, nullable=False),
    sa.Column("milestones", sa.JSON, nullable=False),
    sa.Column("proof_at", sa.Float),  # of the newest proof, the box's clock
)

boots = sa.Table(  # kept for ever: a report of a boot that is over never counts as in time again
    "boots",
    register_tables,
    sa.Column("box", sa.String(64), primary_key=True),
    sa.Column("boot_id", sa.String(64), primary_key=True),
    sa.Column("first_received", sa.Float, nullable=False),
)

flips = sa.Table(
    "flips",
    register_tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("box", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),  # when it became true, HQ's clock
    sa.Column("what", sa.String(8), nullable=False),  # "presence" or "phase"
    sa.Column("before", sa.String(32), nullable=False),
    sa.Column("after", sa.String(32), nullable=False),
    sa.Column("reason", sa.String(48), nullable=False, server_default=""),
    sa.Index("flips_by_time", "box", "at"),
)

milestones = sa.Table(
    "milestones",
    register_tables,
    sa.Column("box", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, primary_key=True),  # the box's clock
    sa.Column("received_at", sa.Float, nullable=False),
)

proofs = sa.Table(
    "proofs",
    register_tables,
    sa.Column("box", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, primary_key=True),  # the box's clock
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("rows", sa.JSON, nullable=False),
)

logs = sa.Table(  # of each box the newest lines
    "logs",
    register_tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("box", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),  # HQ's clock
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("text", sa.String(400), nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Index("logs_by_time", "box", "at"),
)

register_schema = sa.Table("schema", register_tables, sa.Column("version", sa.Integer, nullable=False))

people = sa.Table(
    "people",
    staff_tables,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("password", sa.String(256), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("added_at", sa.Float, nullable=False),
    sa.Column("added_by", sa.String(64), nullable=False),
)

sessions = sa.Table(
    "sessions",
    staff_tables,
    sa.Column("digest", sa.String(64), primary_key=True),  # of the token in the cookie
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
)

attempts = sa.Table(
    "attempts",
    staff_tables,
    sa.Column("address", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
)

audit = sa.Table(
    "audit",
    staff_tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("who", sa.String(64), nullable=False),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("on", sa.String(128), nullable=False),
    sa.Column("more", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # over the row and the digest before it
)

settings = sa.Table(
    "settings",
    staff_tables,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

staff_schema = sa.Table("staff_schema", staff_tables, sa.Column("version", sa.Integer, nullable=False))


class RegisterProblem(RuntimeError):
    """The register cannot be used as it lies there; the text says what to do."""


def open_register(url: str) -> sa.Engine:
    return _open(url, register_tables, register_schema)


def open_staff(url: str) -> sa.Engine:
    """The staff store that belongs to the register at `url`."""
    address = sa.make_url(staff_url(url))
    if address.get_backend_name() == "sqlite" and address.database:
        _refuse_foreign(Path(address.database))
    return _open(staff_url(url), staff_tables, staff_schema)


def staff_url(url: str) -> str:
    """sqlite:////x/register/register.sqlite3 → sqlite:////x/staff/staff.sqlite3; a server keeps both."""
    address = sa.make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return url
    folder = Path(address.database).absolute().parent
    return f"sqlite:///{folder.with_name('staff') / 'staff.sqlite3'}"


def close_stores(app: object) -> None:
    """Ends the connections of the stores a web keeps among its extensions; the web can no longer be asked."""
    for kept in getattr(app, "extensions", {}).values():
        if isinstance(kept, sa.Engine):
            kept.dispose()


def worker_exit(_arbiter: object, worker: object) -> None:
    """gunicorn's hook. Whoever closes the register last folds SQLite's log into it: a copy of the one file is then
    whole."""
    close_stores(getattr(worker, "wsgi", None))


def prepare(url: str, *, web_uid: int = WEB_UID, group: int = GROUP) -> None:
    """Makes the folders and tables, as root, so that the unprivileged web and intake can write theirs.

    The register's folder and files belong to the group (processes run with umask 007: SQLite gives its
    -wal and -shm files the mode of the database); the staff folder belongs to the web's user alone.
    """
    address = sa.make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        open_register(url).dispose()
        open_staff(url).dispose()
        return
    register_file = Path(address.database).absolute()
    staff_file = Path(str(sa.make_url(staff_url(url)).database))
    for folder, uid, gid, mode in (
        (register_file.parent, 0, group, 0o2770),
        (staff_file.parent, web_uid, web_uid, 0o700),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        _give(folder, uid, gid, mode)
    open_register(url).dispose()
    open_staff(url).dispose()
    for path in register_file.parent.glob(register_file.name + "*"):
        _give(path, 0, group, 0o660)
    for path in staff_file.parent.glob(staff_file.name + "*"):
        _give(path, web_uid, web_uid, 0o600)


def _give(path: Path, uid: int, gid: int, mode: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    path.chmod(mode)


def _refuse_foreign(path: Path) -> None:
    """The intake may write beside the staff folder: a staff file of somebody else's making is not ours."""
    if path.exists() and path.stat().st_uid not in {0, os.geteuid(), WEB_UID}:
        raise RegisterProblem(f"{path} belongs to a stranger. Restore it from a copy, then start again.")


def _open(url: str, tables: sa.MetaData, schema: sa.Table) -> sa.Engine:
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_connected)
        sa.event.listen(engine, "begin", _sqlite_begin)
    try:
        with engine.begin() as connection:
            _make_tables(connection, tables, schema)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_tables(connection: sa.Connection, tables: sa.MetaData, schema: sa.Table) -> None:
    tables.create_all(connection)
    found = connection.scalar(sa.select(schema.c.version))
    if found is None:
        connection.execute(schema.insert().values(version=VERSION))
    elif found > VERSION:
        raise RegisterProblem(
            f"The register is of version {found}, this software knows {VERSION}. Install the newer software."
        )


def _sqlite_connected(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event below starts transactions, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads: it sees one moment and waits for nobody."""
    with engine.connect().execution_options(reading=True) as connection, connection.begin():
        yield connection


def upsert(engine_or_connection: sa.Engine | sa.Connection, table: sa.Table) -> Any:
    """An insert that knows `on_conflict_do_…`; both dialects spell it the same way."""
    name = engine_or_connection.dialect.name
    return postgresql_insert(table) if name == "postgresql" else sqlite_insert(table)
