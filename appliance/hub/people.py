"""Who may use the HQ web: names, roles, passwords, sessions, and the brake on guessing.

Guessing slows the pair of address and name, never the person: nobody can lock a colleague out from another
desk. A session is a row here; the cookie holds a random token of which only a digest is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from werkzeug.security import check_password_hash, generate_password_hash

from appliance.hub import audit
from appliance.hub.register import attempts, open_staff, people, reading, sessions, settings, upsert

NAME = re.compile(r"[\w.@-]{1,32}")
SHORTEST = 10  # characters of a password that people choose
LONGEST = 128
METHOD = "scrypt:32768:8:1"
FREE_TRIES = 3  # before the pair of address and name must wait
FREE_TRIES_ADDRESS = 20  # before an address that tries many names must wait
LONGEST_WAIT = 300.0  # seconds
FORGET = 3600.0  # seconds without a failure after which all is forgotten
IDLE = 30 * 60.0  # seconds without a request of the person's own
SHIFT = 12 * 3600.0  # a session ends after this, used or not
WALL = 30 * 86400.0  # a viewer's session may stay on the wall: it can change nothing
TOUCH = 30.0  # seconds between two notes that a session is used
ANY = "*"  # in `attempts`: every name together
_NOBODY = generate_password_hash(secrets.token_hex(), METHOD)  # so that an unknown name takes as long


class Role(StrEnum):
    VIEWER = "viewer"
    OFFICER = "officer"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    role: Role
    added_at: float = 0.0
    added_by: str = ""


class PeopleProblem(ValueError):
    """A request about people cannot be fulfilled; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many failures: not even looked at. `seconds` until it will be."""

    seconds: float


# ------------------------------------------------------------------------------------------ register


def init(database_url: str, name: str, password: str = "") -> str:
    """For `noroshi hq init`: the first administrator. Returns the password, made here when none is given."""
    staff = open_staff(database_url)
    try:
        chosen = password or fresh_password()
        add(staff, name, Role.ADMIN, chosen, by="noroshi hq init", now=time.time())
    finally:
        staff.dispose()
    return chosen


def fresh_password() -> str:
    """About 69 bits, in groups, without letters that look alike: to be read out and typed."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(3))


def add(staff: sa.Engine, name: str, role: Role, password: str, *, by: str, now: float) -> None:
    if not NAME.fullmatch(name):
        raise PeopleProblem("person-name")
    hashed = _hash(password)
    with staff.begin() as connection:
        if connection.scalar(sa.select(people.c.name).where(people.c.name == name)) is not None:
            raise PeopleProblem("person-exists")
        row = {"name": name, "password": hashed, "role": role.value, "added_at": now, "added_by": by}
        connection.execute(people.insert().values(row))
        audit.write(connection, by, "add-person", name, role.value, now)


def remove(staff: sa.Engine, name: str, *, by: str, now: float) -> None:
    with staff.begin() as connection:
        role = connection.scalar(sa.select(people.c.role).where(people.c.name == name))
        if role is None:
            raise PeopleProblem("person-unknown")
        admins = sa.select(sa.func.count()).where(people.c.role == Role.ADMIN.value)
        if role == Role.ADMIN.value and connection.scalar(admins) == 1:
            raise PeopleProblem("last-admin")
        connection.execute(people.delete().where(people.c.name == name))
        connection.execute(sessions.delete().where(sessions.c.person == name))
        audit.write(connection, by, "remove-person", name, "", now)


def set_password(staff: sa.Engine, name: str, password: str, *, by: str, now: float) -> None:
    """Ends every session of the person: a stolen one must not survive the change."""
    hashed = _hash(password)
    with staff.begin() as connection:
        changed = connection.execute(people.update().where(people.c.name == name).values(password=hashed))
        if changed.rowcount != 1:
            raise PeopleProblem("person-unknown")
        connection.execute(sessions.delete().where(sessions.c.person == name))
        audit.write(connection, by, "set-password", name, "", now)


def everybody(staff: sa.Engine) -> Sequence[Person]:
    with reading(staff) as connection:
        rows = connection.execute(sa.select(people).order_by(people.c.name)).mappings()
        return [_person(row) for row in rows]


def _person(row: sa.RowMapping) -> Person:
    return Person(
        name=row["name"], role=Role(row["role"]), added_at=row["added_at"], added_by=row["added_by"]
    )


def _hash(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise PeopleProblem("password-length")
    return generate_password_hash(password, METHOD)


# ------------------------------------------------------------------------------------------- sign-in


def sign_in(staff: sa.Engine, address: str, name: str, password: str, now: float) -> Person | Wait | None:
    """As `check`, and written down."""
    found = check(staff, address, name, password, now)
    if isinstance(found, Person):
        audit.note(staff, found.name, "sign-in", address, "", now)
    return found


def check(staff: sa.Engine, address: str, name: str, password: str, now: float) -> Person | Wait | None:
    """None = wrong, whatever was wrong. Costs the same time whether the name exists or not."""
    name, address = name.strip()[:64], address[:64]
    wait = _wait(staff, address, name, now)
    if wait > 0:
        return Wait(wait)
    with reading(staff) as connection:
        row = connection.execute(sa.select(people).where(people.c.name == name)).mappings().one_or_none()
    right = check_password_hash(row["password"] if row else _NOBODY, password[:LONGEST])
    if row is None or not right:
        _failed(staff, address, name, now)
        return None
    with staff.begin() as connection:
        mine = sa.and_(attempts.c.address == address, attempts.c.name == name)
        connection.execute(attempts.delete().where(mine))
        connection.execute(attempts.delete().where(attempts.c.last < now - FORGET))
    return _person(row)


def pause(failures: int, free: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return 0.0 if failures < free else min(2.0 ** (failures - free + 1), LONGEST_WAIT)


def _wait(staff: sa.Engine, address: str, name: str, now: float) -> float:
    query = sa.select(attempts).where(attempts.c.address == address, attempts.c.name.in_([name, ANY]))
    longest = 0.0
    with reading(staff) as connection:
        for row in connection.execute(query).mappings():
            age = max(now - row["last"], 0.0)
            free = FREE_TRIES_ADDRESS if row["name"] == ANY else FREE_TRIES
            if age < FORGET:
                longest = max(longest, pause(row["failures"], free) - age)
    return longest


def _failed(staff: sa.Engine, address: str, name: str, now: float) -> None:
    with staff.begin() as connection:
        for who in {name, ANY}:
            statement = upsert(connection, attempts).values(address=address, name=who, failures=1, last=now)
            again = sa.case((attempts.c.last < now - FORGET, 1), else_=attempts.c.failures + 1)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["address", "name"], set_={"failures": again, "last": now}
                )
            )
        known = connection.scalar(sa.select(people.c.name).where(people.c.name == name)) is not None
        # A mistyped name may be a password: only names that exist are written down.
        audit.write(connection, name if known else "?", "sign-in-failed", address, "", now)


# ------------------------------------------------------------------------------------------ sessions


def open_session(staff: sa.Engine, person: str, now: float) -> str:
    token = secrets.token_urlsafe(32)
    with staff.begin() as connection:
        connection.execute(sessions.delete().where(sessions.c.started < now - WALL))
        row = {"digest": _digest(token), "person": person, "started": now, "seen": now}
        connection.execute(sessions.insert().values(row))
    return token


def session_person(staff: sa.Engine, token: str, now: float, *, by_hand: bool = True) -> Person | None:
    """Whose session it is, if it still is one. What a page fetches by itself (`by_hand=False`) keeps only
    a viewer's session alive."""
    query = (
        sa.select(people, sessions.c.started, sessions.c.seen)
        .join(people, people.c.name == sessions.c.person)
        .where(sessions.c.digest == _digest(token))
    )
    with reading(staff) as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    person = _person(row)
    whole = WALL if person.role == Role.VIEWER else SHIFT
    if now - row["started"] > whole or now - row["seen"] > IDLE:
        close_session(staff, token)
        return None
    if (by_hand or person.role == Role.VIEWER) and now - row["seen"] > TOUCH:
        with staff.begin() as connection:
            connection.execute(sessions.update().where(sessions.c.digest == _digest(token)).values(seen=now))
    return person


def close_session(staff: sa.Engine, token: str) -> None:
    with staff.begin() as connection:
        connection.execute(sessions.delete().where(sessions.c.digest == _digest(token)))


def cookie_key(staff: sa.Engine) -> bytes:
    """Signs the web's cookies; the same for every worker and after a restart."""
    with staff.begin() as connection:
        row = {"name": "cookie-key", "value": secrets.token_hex(32)}
        connection.execute(upsert(connection, settings).values(row).on_conflict_do_nothing())
        query = sa.select(settings.c.value).where(settings.c.name == "cookie-key")
        return bytes.fromhex(str(connection.scalar(query)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
