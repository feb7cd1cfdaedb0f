"""The HQ web: what the duty officer and the IT section see and decide. It acts through the door only.

`create_app` puts the parts together; who may use which page is said beside each view (see access.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from flask import Flask
from flask_wtf import CSRFProtect

from appliance.hub import people
from appliance.hub.people import Role
from appliance.hub.register import open_register, open_staff
from webui import language, security
from webui.hq import (
    access,
    boxes,
    desktops,
    devices,
    overview,
    preparing,
    sign_in,
    staff,
    symptoms,
    tickets,
    trouble,
    updates,
    wording,
)
from webui.hq.desk import Desk

PARTS = (sign_in, overview, tickets, preparing, boxes, desktops, devices, updates, symptoms, staff)


def create_app(door: Path, database_url: str, hosts: Iterable[str] = ()) -> Flask:
    """`hosts`: names under which people open these pages, besides literal addresses."""
    app = Flask("webui", root_path=str(Path(__file__).parents[1]))
    known = security.names(" ".join(hosts)) | {"localhost"}
    security.secure(app, cookie="noroshi-hq", hosts=lambda name: name in known or is_address(name))
    store = open_staff(database_url)
    app.secret_key = people.cookie_key(store)
    register = open_register(database_url)
    app.extensions["noroshi-staff"] = store
    app.extensions["noroshi-register"] = register
    app.extensions["noroshi-desk"] = Desk(door, register)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.config["MAX_FORM_MEMORY_SIZE"] = 64 * 1024
    devices.install(app)
    CSRFProtect(app)
    language.install(app, ("messages", "hq"))
    wording.install(app)
    trouble.install(app)
    for part in PARTS:
        app.register_blueprint(part.views)
    app.context_processor(lambda: {"me": access.me(), "roles": Role})
    access.guard(app)
    return app


def is_address(name: str) -> bool:
    """A literal address cannot be rebound by a name server, so it needs no list."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
