"""People who may use these pages, and the audit of what they did."""

from __future__ import annotations

import time

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.hub import audit, people
from appliance.hub.people import PeopleProblem, Role
from webui.hq import access, fields
from webui.hq.access import my_name, serves
from webui.hq.trouble import in_line
from webui.language import gettext as _

views = Blueprint("staff", __name__)
PAGE = 100  # rows of the audit


@views.get("/people")
@serves(Role.ADMIN)
def listing() -> str:
    return _listing()


@views.post("/people")
@serves(Role.ADMIN)
def add() -> str | tuple[str, int]:
    """The first password is made here and shown once; the person changes it at the first sign-in."""
    password = people.fresh_password()
    try:
        name = fields.text("name", _("名前"), most=32)
        role = Role(fields.choice("role", _("役割"), set(Role)))
        people.add(access.staff(), name, role, password, by=my_name(), now=time.time())
    except fields.BadField as problem:
        return _listing(str(problem)), 400
    except PeopleProblem as refused:
        return _listing(in_line(refused)), 409
    return _listing(made=(name, password))


@views.post("/people/<name>/remove")
@serves(Role.ADMIN)
def remove(name: str) -> tuple[str, int] | Response:
    try:
        people.remove(access.staff(), name, by=my_name(), now=time.time())
    except PeopleProblem as refused:
        return _listing(in_line(refused)), 409
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


def _listing(problem: str = "", made: tuple[str, str] | None = None) -> str:
    return render_template(
        "hq/people.html",
        people=people.everybody(access.staff()),
        role_names=list(Role),
        problem=problem,
        made=made,
        form=request.form,
    )
