"""The register of laptops: which there are, who stands before a box without being in it, adding, importing, removing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.core.devices import MOST_TEXT, list_text
from appliance.core.words import refusal
from appliance.hub.people import Role
from webui.hq import fields
from webui.hq.access import my_name, note, serves
from webui.hq.confirming import removal
from webui.hq.desk import desk
from webui.hq.trouble import again, joined
from webui.language import current
from webui.language import gettext as _

views = Blueprint("devices", __name__, url_prefix="/devices")
MOST_SHOWN = 200
FORM_AROUND = 16 * 1024  # octets of an upload that are not the file


def install(app: Flask) -> None:
    """A list of a whole town is larger than any other form; this is looked at before the form is read."""

    def allow_list() -> None:
        if request.endpoint == "devices.take_list":
            request.max_content_length = MOST_TEXT + FORM_AROUND

    app.before_request(allow_list)


def _listing(problem: str = "", lines: Sequence[tuple[int, str, str]] = ()) -> str:
    fleet, found = desk().fleet(), desk().ask("devices")["devices"]
    wanted = request.args.get("q", "").strip().lower()[:60]
    fitting = [x for x in found if wanted in _index(x)] if wanted else found
    sites = {x["name"]: x.get("site", "") for x in fleet.get("boxes", ())}
    present = desk().present()
    known = {mac for x in found for mac in x["macs"]}  # registered since the box reported
    now = time.time()
    return render_template(
        "hq/devices.html",
        devices=fitting[:MOST_SHOWN],
        fitting=len(fitting),
        total=len(found),
        wanted=wanted,
        where={name: box for box, there in present.items() for name in there.devices},
        guests=[
            (box, guest)
            for box, there in sorted(present.items())
            for guest in there.guests
            if guest.mac not in known
        ],
        sites=sites,
        desktops=fleet.get("desktops", ()),
        emergencies=[x for x in fleet.get("boxes", ()) if x.get("any_laptop_until", 0.0) > now],
        problem=problem,
        lines=lines,
        read=request.args.get("read", 0, int),
        form=request.form,
    )


@views.get("")
@serves(Role.VIEWER)
def listing() -> str:
    return _listing()


@views.post("")
@serves(Role.OFFICER)
@again(_listing)
def add() -> Response:
    wanted: dict[str, Any] = {
        "name": fields.text("name", _("資産番号"), most=32),
        "title": fields.text("title", _("表示名"), empty=True),
        "macs": _words("macs", _("MACアドレス")),
        "desktops": request.form.getlist("desktops"),
    }
    desk().ask("add-device", **wanted, by=my_name())
    note("add-device", wanted["name"], " ".join([*wanted["macs"], *wanted["desktops"]]))
    return redirect(url_for("devices.listing"), 303)


@views.post("/list")
@serves(Role.ADMIN)
@again(_listing)
def take_list() -> tuple[str, int] | Response:
    upload = request.files.get("list")
    text = ""
    if upload is not None:
        with contextlib.closing(upload):  # a large one lies in a file for a moment
            text = list_text(upload.stream.read(MOST_TEXT + 1))
    if not text.strip():
        raise fields.BadField(_("CSVファイルを選んでください"))
    answer = desk().ask("import-devices", text=text, by=my_name())
    if answer["problems"]:
        lines = [(x["line"], _said(x["code"]), x["value"]) for x in answer["problems"]]
        return _listing(_("何も変えていません。次の行を直してください"), lines), 409
    note("import-devices", str(answer["rows"]))
    return redirect(url_for("devices.listing", read=answer["rows"]), 303)


@views.get("/<name>/remove")
@serves(Role.OFFICER)
def remove_page(name: str) -> str:
    if not any(x["name"] == name for x in desk().ask("devices")["devices"]):
        abort(404)
    return removal(
        name, _("すべての箱で、このパソコンのデスクトップがすぐに閉じます。"), url_for("devices.listing")
    )


@views.post("/<name>/remove")
@serves(Role.OFFICER)
def remove(name: str) -> Response:
    desk().ask("remove-device", name=name, by=my_name())
    note("remove-device", name)
    return redirect(url_for("devices.listing"), 303)


def _words(name: str, what: str) -> list[str]:
    return fields.text(name, what, most=200).replace(",", " ").replace(";", " ").split()


def _said(code: str) -> str:
    told = refusal(code).as_data()[current()]
    return joined(told["what"], told["do"])


def _index(device: Mapping[str, Any]) -> str:
    return " ".join([device["name"], device["title"], *device["macs"], *device["desktops"]]).lower()
