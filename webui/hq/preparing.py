"""Preparing a box: its personal file and the page that goes with it, made once and handed over in the answer itself.
Nothing of them is stored: who leaves the page without saving them makes new ones."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

from flask import Blueprint, render_template, request

from appliance.core.model import Place, Security
from appliance.hub import paper
from appliance.hub.people import Role
from appliance.hub.preparing import Prepared, Wanted, prepare
from webui.hq import fields
from webui.hq.access import my_name, note, serves
from webui.hq.desk import desk
from webui.hq.tickets import MOST_DAYS
from webui.hq.trouble import again
from webui.language import current
from webui.language import gettext as _

views = Blueprint("preparing", __name__, url_prefix="/prepare")


def _form(problem: str = "") -> str:
    return render_template("hq/prepare.html", problem=problem, form=request.form, most_days=MOST_DAYS)


@views.get("")
@serves(Role.OFFICER)
def page() -> str:
    return _form()


@views.post("")
@serves(Role.OFFICER)
@again(_form)
def make() -> str:
    made = _made()
    note("prepare-box", made.identity.serial, made.paper.site)
    return render_template(
        "hq/prepared.html",
        made=made,
        card=_address("application/octet-stream", made.card.encode()),
        paper=_address("application/pdf", paper.pdf(made.paper)),
    )


def _made() -> Prepared:
    """Everything that can be wrong is found before an invitation is issued."""
    wanted = Wanted(
        site=fields.text("site", _("場所")),
        serial=fields.text("serial", _("箱の番号"), most=32, empty=True),
        wifi=request.form.get("wifi") == "yes",
        security=Security.WPA3 if request.form.get("wpa3") == "yes" else Security.MIXED,
        blue=_blue(fields.choice("blue", _("青い口"), ("1", "2"))),
        place=Place(fields.choice("place", _("置き場所"), list(Place))),
    )
    days = fields.whole("days", _("招待の使用期限(日)"), 0, MOST_DAYS)
    paper.check_font()
    today, language = time.strftime("%Y-%m-%d"), current()
    prepare(wanted, today, language)
    if days:
        issued = desk().ask("issue-ticket", site=wanted.site, days=days, by=my_name(), mission=None)
        note("issue-ticket", str(issued["id"]), wanted.site)
        return prepare(replace(wanted, ticket=str(issued["text"])), today, language)
    fleet = desk().fleet()
    pinned = replace(wanted, signing_key=str(fleet["signing_key"]), hq_name=str(fleet["name"]))
    return prepare(pinned, today, language)


def _blue(count: str) -> tuple[int, ...]:
    """How many sockets are for lines, from the first on."""
    return tuple(range(1, int(count) + 1))


def _address(kind: str, octets: bytes) -> str:
    """The file itself as an address: no second request could ask for it."""
    return f"data:{kind};base64,{base64.b64encode(octets).decode()}"
