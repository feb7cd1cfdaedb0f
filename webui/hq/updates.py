"""Updates of boxes: which versions HQ hands out, how far each box is, starting a wave, stopping all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.core.update_words import TROUBLE
from appliance.hub.board import BoardBox, Present
from appliance.hub.people import Role
from appliance.hub.presence import Presence
from appliance.hub.reports import Software
from webui.hq import fields
from webui.hq.access import my_name, note, serves
from webui.hq.desk import desk
from webui.hq.trouble import again, joined
from webui.language import current
from webui.language import gettext as _

views = Blueprint("updates", __name__, url_prefix="/updates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far one box is, in words; `look` is a colour of the shared look."""

    words: str
    look: str

    @property
    def stage(self) -> str:
        return {"good": _("完了"), "work": _("進行中"), "stop": _("失敗")}.get(self.look, _("待機"))


def _listing(problem: str = "") -> str:
    fleet = desk().fleet()
    present = desk().present()
    boxes = [x for x in fleet.get("boxes", ()) if x.get("state") == "active"]
    versions = list(dict.fromkeys(x["version"] for x in reversed(fleet.get("bundles", ()))))
    return render_template(
        "hq/updates.html",
        versions=versions,
        bundles=fleet.get("bundles", ()),
        oldest=fleet.get("oldest_version", ""),
        rows={x: [(y, _of(y, present)) for y in boxes if y.get("update_to") == x] for x in versions},
        waiting=any(x.get("update_to") for x in boxes),
        count=len(boxes),
        problem=problem,
    )


@views.get("")
@serves(Role.VIEWER)
def listing() -> str:
    return _listing()


@views.post("/start")
@serves(Role.ADMIN)
@again(_listing)
def start() -> Response:
    version = fields.text("version", _("版"))
    percent = fields.whole("percent", _("どの箱に"), 1, 100)
    now = "now" in request.form
    told = desk().ask("start-update", version=version, boxes=[], percent=percent, now=now, by=my_name())
    note("start-update", version, " ".join(told["boxes"]) + (" now" if now else ""))
    return redirect(url_for("updates.listing"), 303)


@views.post("/stop")
@serves(Role.ADMIN)
def stop() -> Response:
    desk().ask("stop-update", boxes=[], by=my_name())
    note("stop-update", "*")
    return redirect(url_for("updates.listing"), 303)


@views.post("/oldest")
@serves(Role.ADMIN)
@again(_listing)
def oldest() -> Response:
    version = fields.text("version", _("版"), empty=True)
    desk().ask("set-oldest", version=version, by=my_name())
    note("set-oldest", version or "-")
    return redirect(url_for("updates.listing"), 303)


def progress(record: Mapping[str, Any], told: Software | None) -> Told | None:
    """How far the box is with what it is wished; None where there is nothing to tell."""
    wish = record.get("update_to") or ""
    if told is None:
        return Told(words=_("この箱からの知らせを待っています"), look="calm") if wish else None
    if told.on_trial:
        return Told(words=_("新しい版を試しています"), look="work")
    if wish and told.version == wish:
        return Told(words=_("この版で動いています"), look="good")
    if told.trouble:
        sentence = TROUBLE.get(told.trouble)
        if sentence is None:
            return Told(words=told.trouble, look="stop")  # of a newer box
        words = sentence.as_data()[current()]
        return Told(words=joined(words["what"], words["do"]), look="stop")
    if not wish:
        return None
    if told.wish != wish:
        return Told(words=_("この箱からの知らせを待っています"), look="calm")
    words = {
        "fetch": _("受け取っています (%(n)d%%)") % {"n": told.percent},
        "install": _("書き込んでいます (%(n)d%%)") % {"n": told.percent},
        "wait": _("パソコンが使われていない時を待っています"),
        "restart": _("再起動しています"),
    }
    return Told(words=words.get(told.state, _("準備しています")), look="work")


def on_board(box: BoardBox) -> Told | None:
    """What the duty officer should know of it: nothing while all is as wished, or while the box is silent."""
    if box.software is None or box.presence not in (Presence.UP, Presence.LATE):
        return None
    told = progress({"update_to": box.software.wish}, box.software)
    return told if told and told.look != "good" else None


def _of(record: Mapping[str, Any], present: Mapping[str, Present]) -> Told | None:
    seen = present.get(str(record.get("name")))
    return progress(record, seen.software if seen else None)
