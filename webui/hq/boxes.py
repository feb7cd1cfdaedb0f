"""One box: how it is, what happened to it, its mission, and taking it out of use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.core.devices import LONGEST_EMERGENCY
from appliance.core.model import MissionKind
from appliance.hub.people import Role
from webui.hq import fields, policy, sockets, timeline, updates
from webui.hq.access import my_name, note, serves
from webui.hq.confirming import confirmation
from webui.hq.desk import desk
from webui.hq.trouble import again
from webui.language import gettext as _

views = Blueprint("boxes", __name__, url_prefix="/boxes")
MOST_HOURS = 24 * 365
SOCKETS = range(1, 7)  # the page has no more; `noroshi hq sockets` takes any


def _page(name: str, problem: str = "") -> str:
    board = desk().board()
    box = next((x for x in board.boxes if x.name == name), None)
    if box is None:
        abort(404)
    record = desk().record(name)
    seen, there = desk().history(name), desk().present().get(name)
    return render_template(
        "hq/box.html",
        box=box,
        record=record,
        seen=seen,
        picture=timeline.draw(seen.flips, box, board.now),
        story=timeline.story(seen),
        steps=timeline.steps(box.milestones),
        kinds=list(MissionKind),
        policy=policy,
        sockets=SOCKETS,
        colours=sockets.outcome(record, there),
        there=there,
        updating=updates.progress(record, there.software if there else None),
        now=board.now,
        problem=problem,
        form=request.form,
        hub_silent=desk().hub_silent,
    )


@views.get("/<name>")
@serves(Role.VIEWER)
def page(name: str) -> str:
    return _page(name)


@views.post("/<name>/mission")
@serves(Role.OFFICER)
@again(_page)
def start_mission(name: str) -> Response:
    kind = fields.choice("kind", _("任務"), set(MissionKind))
    site = fields.text("site", _("場所"))
    hours = fields.whole("hours", _("時間"), 1, MOST_HOURS)
    desk().ask("start-mission", box=name, kind=kind, site=site, hours=hours, by=my_name())
    note("start-mission", name, f"{kind} · {site} · {hours} h")
    return redirect(url_for("boxes.page", name=name), 303)


@views.get("/<name>/mission/end")
@serves(Role.OFFICER)
def end_mission_page(name: str) -> str:
    record = _record(name)
    return confirmation(
        _("「%(name)s」の任務を終えますか?") % {"name": record.get("site") or name},
        _("この箱につながっている人の作業は、すぐに切れます。任務は、また始められます。"),
        _("任務を終える(デスクトップを閉じる)"),
        url_for("boxes.page", name=name),
    )


@views.post("/<name>/mission/end")
@serves(Role.OFFICER)
def end_mission(name: str) -> Response:
    desk().ask("end-mission", box=name, by=my_name())
    note("end-mission", name)
    return redirect(url_for("boxes.page", name=name), 303)


@views.post("/<name>/emergency")
@serves(Role.OFFICER)
@again(_page)
def emergency(name: str) -> Response:
    """Any laptop behind this box reaches its desktops until the end; 0 hours ends it now."""
    hours = fields.whole("hours", _("時間"), 0, int(LONGEST_EMERGENCY))
    desk().ask("emergency", box=name, hours=hours, by=my_name())
    note("emergency", name, f"{hours} h")
    return redirect(url_for("boxes.page", name=name), 303)


@views.post("/<name>/policy")
@serves(Role.OFFICER)
@again(_page)
def set_policy(name: str) -> Response:
    """This box's own policy for lines, or the fleet's again."""
    changes = None if "fleet" in request.form else policy.changes_in(request.form)
    desk().ask("set-policy", box=name, changes=changes, by=my_name())
    note("set-policy", name, policy.in_short(changes))
    return redirect(url_for("boxes.page", name=name), 303)


@views.post("/<name>/sockets")
@serves(Role.OFFICER)
@again(_page)
def declare_blue(name: str) -> Response:
    """Which sockets are for lines, from the box's next start; the numbers that are not ticked are for laptops."""
    blue = [x for x in SOCKETS if str(x) in request.form.getlist("blue")]
    desk().ask("declare-blue", box=name, blue=blue, by=my_name())
    note("declare-blue", name, " ".join(map(str, blue)))
    return redirect(url_for("boxes.page", name=name), 303)


@views.get("/<name>/revoke")
@serves(Role.ADMIN)
def revoke_page(name: str) -> str:
    return render_template("hq/revoke.html", record=_record(name))


@views.post("/<name>/revoke")
@serves(Role.ADMIN)
def revoke(name: str) -> tuple[str, int] | Response:
    record = _record(name)
    if request.form.get("name", "").strip() != name:
        problem = _("箱の名前が違います。何も変えていません")
        return render_template("hq/revoke.html", record=record, problem=problem), 400
    desk().ask("revoke", box=name, by=my_name())
    note("revoke", name, str(record.get("site", "")))
    return redirect(url_for("boxes.page", name=name), 303)


def _record(name: str) -> Mapping[str, Any]:
    for record in desk().fleet().get("boxes", ()):
        if record.get("name") == name:
            assert isinstance(record, dict)
            return record
    abort(404)
