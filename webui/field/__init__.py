"""The field web: the wizard, the state of the box and the wall sheet. It knows the box through the door only."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from webui import STATIC, TEMPLATES, language, security
from webui.field import captive, wording
from webui.field.pages import Pages
from webui.photo import LARGEST_UPLOAD

# Who may open what. There is no sign-in here: whoever can reach this page holds the box's cable or its Wi-Fi
# password. "look" shows, "act" changes something (POST with a CSRF token), "probe" answers machines.
ACCESS = {
    "static": "look",
    "home": "look",
    "live": "look",
    "details": "look",
    "live_details": "look",
    "sheet": "look",
    "desktop_file": "look",
    "ticket_page": "look",
    "ticket": "act",
    "join": "act",
    "start_over": "act",
    "prove": "act",
    "wish_line": "act",
    "wifi": "look",
    "live_wifi": "look",
    "set_air": "act",
    "show_wifi": "act",
    "join_wifi": "act",
    "mobile": "look",
    "live_mobile": "look",
    "set_apn": "act",
    "sign_in": "act",
    "end_sign_in": "act",
    "language": "act",
    "captive_api": "probe",
    "probe": "probe",
}
FORM_TEXT = 256 * 1024  # bytes of typed text that a form may carry; below 128 KiB werkzeug refuses photos too


def create_app(door: Path, hosts: tuple[str, ...] = ()) -> Flask:
    """The WSGI application; `hosts` are names besides the box's own under which people may open it."""
    app = Flask("noroshi-field", template_folder=str(TEMPLATES), static_folder=str(STATIC))
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_UPLOAD + FORM_TEXT, MAX_FORM_MEMORY_SIZE=FORM_TEXT)
    app.config.update(MAX_FORM_PARTS=12)
    app.logger.setLevel(logging.INFO)
    pages = Pages(door)
    allowed = captive.OWN_NAMES | {security.host_name(host) for host in hosts}
    security.secure(
        app,
        cookie="noroshi_field",
        hosts=lambda name: name in allowed or name == pages.lan_address(),
        home=captive.HOME,
    )
    security.declare(app, ACCESS)
    language.install(app)
    wording.install(app)
    CSRFProtect(app)
    _add_routes(app, pages)
    pages.catch_errors(app)
    return app


def app_from_environment() -> Flask:
    """As gunicorn runs it: NOROSHI_RUN_DIR says where the door is, NOROSHI_WEB_HOSTS other names of ours."""
    run = Path(os.environ.get("NOROSHI_RUN_DIR", "/run/noroshi"))
    return create_app(run / "door", tuple(security.names(os.environ.get("NOROSHI_WEB_HOSTS", ""))))


def _add_routes(app: Flask, pages: Pages) -> None:
    add = app.add_url_rule
    add("/", "home", pages.home)
    add("/live", "live", pages.live)
    add("/details", "details", pages.details)
    add("/live/details", "live_details", pages.live_details)
    add("/sheet", "sheet", pages.sheet)
    add("/desktops/<name>.rdp", "desktop_file", pages.desktop_file)
    add("/ticket", "ticket_page", pages.ticket_page)
    add("/ticket", "ticket", pages.ticket, methods=["POST"])
    add("/join", "join", pages.join, methods=["POST"])
    add("/start-over", "start_over", pages.start_over, methods=["POST"])
    add("/prove", "prove", pages.prove, methods=["POST"])
    add("/lines", "wish_line", pages.wish_line, methods=["POST"])
    add("/wifi", "wifi", pages.wifi)
    add("/live/wifi", "live_wifi", pages.live_wifi)
    add("/wifi/place", "set_air", pages.set_air, methods=["POST"])
    add("/wifi/around", "show_wifi", pages.show_wifi, methods=["POST"])
    add("/wifi/line", "join_wifi", pages.join_wifi, methods=["POST"])
    add("/mobile", "mobile", pages.mobile)
    add("/live/mobile", "live_mobile", pages.live_mobile)
    add("/mobile/apn", "set_apn", pages.set_apn, methods=["POST"])
    add("/sign-in", "sign_in", pages.sign_in, methods=["POST"])
    add("/sign-in/end", "end_sign_in", pages.end_sign_in, methods=["POST"])
    add("/captive-api", "captive_api", pages.captive_api)
    for path in captive.PROBES:
        add(path, "probe", captive.to_wizard)
