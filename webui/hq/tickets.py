"""Invitations: issue, show, save, print, withdraw. The invitation's text is a secret: it is in pages and files
that an officer asked for by POST or may see while it is open, never in an address."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.core.model import MissionKind
from appliance.hub.people import Role
from webui import qr
from webui.hq import fields
from webui.hq.access import my_name, note, serves
from webui.hq.desk import desk
from webui.hq.trouble import again
from webui.hq.trouble import page as trouble_page
from webui.language import gettext as _

views = Blueprint("tickets", __name__, url_prefix="/tickets")
MOST_DAYS = 90
FILES: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "png": ("image/png", qr.png_file),
    "svg": ("image/svg+xml", qr.svg_file),
    "txt": ("text/plain; charset=utf-8", lambda text: f"{text}\n".encode()),
}


def _listing(problem: str = "") -> str:
    fleet = desk().fleet()
    invitations = sorted(fleet.get("invitations", ()), key=lambda x: (x["state"] != "open", -x["issued"]))
    return render_template(
        "hq/tickets.html",
        invitations=invitations,
        kinds=list(MissionKind),
        problem=problem,
        form=request.form,
        most_days=MOST_DAYS,
        now=time.time(),
    )


@views.get("")
@serves(Role.OFFICER)
def listing() -> str:
    return _listing()


@views.post("")
@serves(Role.OFFICER)
@again(_listing)
def issue() -> AnyResponse:
    site = fields.text("site", _("場所"))
    days = fields.whole("days", _("使用期限"), 1, MOST_DAYS)
    kind = fields.choice("kind", _("任務"), {"", *MissionKind})
    mission = None
    if kind:
        mission = {"kind": kind, "days": fields.whole("mission_days", _("任務の日数"), 1, MOST_DAYS)}
    made = desk().ask("issue-ticket", site=site, days=days, by=my_name(), mission=mission)
    note("issue-ticket", str(made["id"]), site)
    return redirect(url_for("tickets.show", number=made["id"]), 303)


@views.get("/<number>")
@serves(Role.OFFICER)
def show(number: str) -> str:
    ticket = desk().ask("show-ticket", id=number)
    note("show-ticket", number, str(ticket["site"]))
    return render_template("hq/ticket.html", ticket=ticket, drawn=qr.svg(ticket["text"]), **_more(number))


@views.get("/<number>/sheet")
@serves(Role.OFFICER)
def sheet(number: str) -> str:
    ticket = desk().ask("show-ticket", id=number)
    note("show-ticket", number, str(ticket["site"]))
    return render_template(
        "hq/ticket_sheet.html", ticket=ticket, drawn=qr.svg(ticket["text"]), **_more(number)
    )


@views.post("/<number>/file")
@serves(Role.OFFICER)
def save(number: str) -> Response:
    form = request.form.get("form", "")
    if form not in FILES:
        return trouble_page(400, _("この形では保存できません"), _("一覧から選び直してください"))
    ticket = desk().ask("show-ticket", id=number)
    kind, make = FILES[form]
    note("save-ticket", str(ticket["id"]), form)
    answer = Response(make(ticket["text"]), content_type=kind)
    answer.headers["Content-Disposition"] = f"attachment; filename=noroshi-{safe(str(ticket['id']))}.{form}"
    return answer


@views.post("/<number>/withdraw")
@serves(Role.OFFICER)
def withdraw(number: str) -> AnyResponse:
    desk().ask("withdraw-ticket", id=number, by=my_name())
    note("withdraw-ticket", number)
    return redirect(url_for("tickets.listing"), 303)


def safe(text: str) -> str:
    """For a file name in a header: letters and digits only."""
    return "".join(c for c in text if c.isascii() and c.isalnum())[:32]


def _more(number: str) -> dict[str, object]:
    fleet = desk().fleet()
    found = [x for x in fleet.get("invitations", ()) if x["id"] == number]
    return {"hq_name": fleet.get("name", ""), "invitation": found[0] if found else None}
