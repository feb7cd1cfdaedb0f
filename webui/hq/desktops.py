"""The named destinations: which there are, adding one from a product's profile, taking one out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.core.desktop_profiles import Profile, load_profiles
from appliance.core.desktops import hosts_from_text
from appliance.core.model import DesktopKind, NetworkClass
from appliance.core.rdp_file import trusted_authority
from appliance.hub.people import Role
from webui.hq import fields
from webui.hq.access import my_name, note, serves
from webui.hq.confirming import removal
from webui.hq.desk import desk
from webui.hq.trouble import again
from webui.language import gettext as _

views = Blueprint("desktops", __name__, url_prefix="/desktops")


@functools.cache
def profiles() -> Mapping[str, Profile]:
    text = resources.files("appliance.core").joinpath("desktop_profiles.toml").read_text(encoding="utf-8")
    return load_profiles(text)


def _listing(problem: str = "") -> str:
    return render_template(
        "hq/desktops.html",
        desktops=desk().fleet().get("desktops", ()),
        profiles=profiles(),
        kinds=list(DesktopKind),
        networks=list(NetworkClass),
        problem=problem,
        form=request.form,
    )


@views.get("")
@serves(Role.VIEWER)
def listing() -> str:
    return _listing()


@views.post("")
@serves(Role.ADMIN)
@again(_listing)
def add() -> Response:
    wanted = {
        "name": fields.text("name", _("短い名前"), most=32),
        "title": fields.text("title", _("表示名")),
        "profile": (product := fields.choice("profile", _("製品"), profiles())),
        "kind": fields.choice("kind", _("種類"), set(DesktopKind)),
        "network": fields.choice("network", _("業務の系"), set(NetworkClass)),
        "hosts": _hosts(profiles()[product]),
        "certificate": fields.text("certificate", _("証明書"), most=100, empty=True),
        "drill": request.form.get("drill") == "yes",
    }
    desk().ask("add-desktop", **wanted, by=my_name())
    note("add-desktop", str(wanted["name"]), str(wanted["title"]))
    return redirect(url_for("desktops.listing"), 303)


def _hosts(profile: Profile) -> dict[str, list[str]]:
    """Role → addresses, from "10.10.0.20" or "gateway=10.10.0.5 host=10.10.0.6"."""
    words = fields.text("hosts", _("機械の番地"), most=1000).replace(",", " ").split()
    return {role: list(addresses) for role, addresses in hosts_from_text(profile, words).items()}


@views.get("/authority.cer")
@serves(Role.VIEWER)
def authority() -> Response:
    """For laptops' trusted authorities: no secret, and good for HQ's desktop files only."""
    taken = Response(
        trusted_authority(str(desk().fleet()["publisher"])), content_type="application/pkix-cert"
    )
    taken.headers["Content-Disposition"] = "attachment; filename=noroshi.cer"
    return taken


@views.get("/<name>/remove")
@serves(Role.ADMIN)
def remove_page(name: str) -> str:
    for desktop in desk().fleet().get("desktops", ()):
        if desktop["name"] == name:
            return removal(
                desktop["title"],
                _("すべての箱で、このデスクトップがすぐに閉じます。"),
                url_for("desktops.listing"),
            )
    abort(404)


@views.post("/<name>/remove")
@serves(Role.ADMIN)
def remove(name: str) -> Response:
    desk().ask("remove-desktop", name=name, by=my_name())
    note("remove-desktop", name)
    return redirect(url_for("desktops.listing"), 303)
