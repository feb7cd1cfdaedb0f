"""Coming in and going out. Wrong is wrong: the page never says whether the name or the password was."""

from __future__ import annotations

import time

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.hub import people
from appliance.hub.people import PeopleProblem, Role, Wait
from webui.hq.access import enter, leave, me, my_name, note, public, security_path, serves, staff
from webui.hq.trouble import sentence
from webui.language import gettext as _

views = Blueprint("sign_in", __name__)


@views.get("/sign-in")
@public
def page() -> str | Response:
    if me() is not None:
        return redirect(url_for("overview.page"), 303)
    return _form()


@views.post("/sign-in")
@public
def check() -> tuple[str, int] | Response:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    found = people.sign_in(staff(), request.remote_addr or "", name, password, time.time())
    if isinstance(found, Wait):
        wait = int(found.seconds) + 1
        return _form(_("何度か続けて違いました。%(n)d秒待って、もう一度入れてください") % {"n": wait}), 429
    if found is None:
        return _form(_("名前か暗証番号が違います")), 403
    enter(found)
    return redirect(security_path(request.form.get("after", "/")), 303)


@views.post("/sign-out")
@public
def out() -> Response:
    if me():
        note("sign-out", "")
    leave()
    return redirect(url_for("sign_in.page"), 303)


@views.get("/password")
@serves(Role.VIEWER)
def password_page() -> str:
    return render_template("hq/password.html", shortest=people.SHORTEST)


@views.post("/password")
@serves(Role.VIEWER)
def change_password() -> str | tuple[str, int] | Response:
    now = time.time()
    old, new, again = (request.form.get(name, "") for name in ("old", "new", "again"))
    right = people.check(staff(), request.remote_addr or "", my_name(), old, now)
    problem = ""
    if not isinstance(right, people.Person):
        problem = _("いまの暗証番号が違います")
    elif new != again:
        problem = _("新しい暗証番号が2つで違っています")
    else:
        try:
            people.set_password(staff(), my_name(), new, by=my_name(), now=now)
        except PeopleProblem as refused:
            problem = sentence(refused)[0]
    if problem:
        return render_template("hq/password.html", problem=problem, shortest=people.SHORTEST), 400
    leave()
    return redirect(url_for("sign_in.page"), 303)


def _form(problem: str = "") -> str:
    after = security_path(request.values.get("after", "/"))
    name = request.form.get("name", "")[:64]
    return render_template("hq/sign_in.html", problem=problem, after=after, name=name)
