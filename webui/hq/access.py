"""Who is asking, and what they may: every view says whom it serves by one decorator, silence means nobody.

The cookie holds a random token; who it belongs to, and for how long, is known to the staff store only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for

from appliance.hub import audit, people
from appliance.hub.people import Person, Role
from webui import security

PUBLIC = "public"
FETCHED = "X-Noroshi-Fetch"  # set by our script on what it asks for by itself

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Serves people who have not signed in."""
    view.serves = PUBLIC  # type: ignore[attr-defined]
    return view


def serves(role: Role) -> Callable[[View], View]:
    """Serves people of `role` and above."""

    def mark(view: View) -> View:
        view.serves = role.value  # type: ignore[attr-defined]
        return view

    return mark


def access_table(app: Flask) -> dict[str, str]:
    """Endpoint → whom it serves. Two endpoints are not ours to decorate; both belong to everybody."""
    declared = {name: getattr(view, "serves", None) for name, view in app.view_functions.items()}
    table = {name: level for name, level in declared.items() if level is not None}
    return table | {"static": PUBLIC, "language": PUBLIC}


def guard(app: Flask) -> None:
    """To be called when all routes are there."""
    security.declare(app, access_table(app), _check)


def _check(level: str) -> None:
    who = me()
    if level == PUBLIC:
        return
    if who is None:
        abort(_to_sign_in())
    if not who.role.may(Role(level)):
        abort(403)


def me() -> Person | None:
    """The person signed in, looked up once per request."""
    if "person" not in g:
        token = session.get("token", "")
        by_hand = FETCHED not in request.headers
        found = people.session_person(staff(), token, time.time(), by_hand=by_hand) if token else None
        if token and found is None:
            session.clear()
        g.person = found
    found = g.person
    assert found is None or isinstance(found, Person)
    return found


def my_name() -> str:
    who = me()
    assert who is not None, "only views that serve a role ask for the name"
    return who.name


def staff() -> sa.Engine:
    engine = current_app.extensions["noroshi-staff"]
    assert isinstance(engine, sa.Engine)
    return engine


def note(what: str, on: str, more: str = "") -> None:
    """Into the audit: what whoever is asking has done."""
    audit.note(staff(), my_name(), what, on, more, time.time())


def enter(person: Person) -> None:
    """A new session with a new token: whatever the cookie held before is worth nothing."""
    session.clear()
    session["token"] = people.open_session(staff(), person.name, time.time())
    g.person = person


def leave() -> None:
    if token := session.get("token"):
        people.close_session(staff(), token)
    session.clear()
    g.person = None


def _to_sign_in() -> Response:
    if FETCHED in request.headers:
        return Response(status=401)
    after = security_path(request.full_path if request.query_string else request.path)
    target = url_for("sign_in.page", after=after) if request.method == "GET" and after != "/" else None
    answer = redirect(target or url_for("sign_in.page"), 303)
    assert isinstance(answer, Response)
    return answer


def security_path(wanted: str) -> str:
    """Where to go after signing in: one of our own pages, never elsewhere."""
    from webui.language import own_path

    return own_path(wanted)
