"""Names and probes: which Host names are this box, and what a phone's "is there an internet?" question gets.

The box answers DNS for every name with itself as long as there is nothing else to say, so each question of a
phone or laptop lands here under a foreign name and is sent to the wizard by the Host check in `security.py`.
The paths below only matter when somebody asks them under one of our own names. RFC 8908's API is served for
those that follow DHCP option 114 over plain HTTP.
"""

from __future__ import annotations

import ipaddress
import json

from flask import Response, redirect

from webui.field.steps import Facts, Step, step_of

ADDRESS = "10.86.86.1"  # the wizard's for ever, on every box
HOME = f"http://{ADDRESS}/"
NAME = "noroshi.home.arpa"
OWN_NAMES = frozenset({ADDRESS, NAME})

PROBES = (
    "/generate_204",  # Android, Chrome
    "/gen_204",
    "/hotspot-detect.html",  # Apple
    "/library/test/success.html",
    "/connecttest.txt",  # Windows
    "/ncsi.txt",
    "/redirect",
    "/canonical.html",  # Firefox
    "/success.txt",
    "/check_network_status.txt",  # NetworkManager
)


def lan_address(lan: str) -> str:
    """This box's own address in the network HQ gave it: the first. "" when there is none."""
    return str(next(ipaddress.ip_network(lan).hosts())) if lan else ""


def to_wizard() -> Response:
    answer = redirect(HOME, 302)
    assert isinstance(answer, Response)
    return answer


def api(status: Facts | None) -> Response:
    """RFC 8908: captive until this box has nothing more to ask."""
    asks = status is None or step_of(status) not in (Step.DONE, Step.STANDBY)
    body = json.dumps({"captive": asks, "user-portal-url": HOME})
    return Response(body, content_type="application/captive+json", headers={"Cache-Control": "private"})
