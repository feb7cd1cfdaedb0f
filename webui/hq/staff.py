"""People who may use these pages, and the audit of what they did."""

from __future__ import annotations

import time

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.hub import audit, people
from appliance.hub.people import Role
from webui.hq import access, fields
from webui.hq.access import my_name, serves
from webui.hq.confirming import removal
from webui.hq.trouble import again
from webui.language import gettext as _

views = Blueprint("staff", __name__)
PAGE = 100  # rows of the audit


def _listing(problem: str = "", made: tuple[str, str] | None = None) -> str:
    return render_template(
        "hq/people.html",
        people=people.everybody(access.staff()),
        role_names=list(Role),
        problem=problem,
        made=made,
        form=request.form,
    )


@views.get("/people")
@serves(Role.ADMIN)
def listing() -> str:
    return _listing()


@views.post("/people")
@serves(Role.ADMIN)
@again(_listing)
def add() -> str:
    """The first password is made here and shown once; the person changes it at the first sign-in."""
    password = people.fresh_password()
    name = fields.text("name", _("名前"), most=32)
    role = Role(fields.choice("role", _("役割"), set(Role)))
    people.add(access.staff(), name, role, password, by=my_name(), now=time.time())
    return _listing(made=(name, password))


@views.get("/people/<name>/remove")
@serves(Role.ADMIN)
def remove_page(name: str) -> str:
    if not any(person.name == name for person in people.everybody(access.staff())):
        abort(404)
    return removal(name, _("この人は、すぐにこの画面を使えなくなります。"), url_for("staff.listing"))


@views.post("/people/<name>/remove")
@serves(Role.ADMIN)
@again(lambda name, problem: _listing(problem))
def remove(name: str) -> Response:
    people.remove(access.staff(), name, by=my_name(), now=time.time())
    return redirect(url_for("staff.listing"), 303)


@views.get("/audit")
@serves(Role.ADMIN)
def record() -> str:
    before = request.args.get("before", "")
    rows = audit.newest(
        access.staff(), PAGE, int(before[:18]) if before.isascii() and before.isdigit() else None
    )
    return render_template(
        "hq/audit.html", rows=rows, whole=len(rows) == PAGE, broken=audit.broken(access.staff())
    )
