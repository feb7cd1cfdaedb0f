"""The policy form on a box's page: which switches and rules there are, and what a filled-in form changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from appliance.core.enrolment import is_endpoint
from appliance.core.model import LineKind, NetworkClass
from webui.hq.fields import BadField
from webui.language import gettext as _

KINDS = tuple(LineKind)
NETWORKS = tuple(NetworkClass)
SWITCHES = ("sign_in", "open_wifi", "both_lines")  # the fields of `model.Policy` that are on or off


def switch(name: str) -> str:
    words = {
        "sign_in": _("回線のログイン画面を、現地の電話1台で10分だけ通してよい"),
        "open_wifi": _("00000JAPAN(暗号のない災害用Wi-Fi)を回線にしてよい"),
        "both_lines": _("いつも2つの回線に同じものを流す(途切れにくくなり、送る通信量は2倍)"),
    }
    return words.get(name, name)


def kind(value: str) -> str:
    words = {
        "ethernet": _("青い口の回線"),
        "usb": _("USBの回線の機器"),
        "lte": _("携帯の電波"),
        "wifi": _("Wi-Fi"),
        "closed": _("閉域SIM"),
    }
    return words.get(value, value)


def carries(policy: Mapping[str, Any], network: str, line: str) -> bool:
    rules = {x["network"]: x["kinds"] for x in policy.get("lines", ())}
    return line in rules.get(network, KINDS)


def entrance(policy: Mapping[str, Any], line: str) -> str:
    found = {x["kind"]: x["endpoints"] for x in policy.get("entrances", ())}
    return " ".join(found.get(line, ()))


def changes_in(form: MultiDict[str, str]) -> dict[str, Any]:
    """For the door: every field that the form shows, as it was filled in. A class that every kind may carry needs
    no rule."""
    lines = []
    for network in NETWORKS:
        ticked = [x.value for x in KINDS if x.value in form.getlist(f"lines-{network}")]
        if len(ticked) < len(KINDS):
            lines.append({"network": network.value, "kinds": ticked})
    entrances = []
    for line in KINDS:
        endpoints = form.get(f"entrance-{line}", "").split()
        if not all(map(is_endpoint, endpoints)):
            raise BadField(_("本部の入口は 203.0.113.10:51820 のように書いてください"))
        if endpoints:
            entrances.append({"kind": line.value, "endpoints": endpoints})
    return {
        **{x: x in form for x in SWITCHES},
        "lines": lines,
        "entrances": entrances,
        "prefer": _order_in(form),
        "in_need": [x.value for x in KINDS if x.value in form.getlist("in_need")],
    }


def _order_in(form: MultiDict[str, str]) -> list[str]:
    """The kinds that were given a place, each once, in that order."""
    asked = [form.get(f"prefer-{x}", "") for x in range(len(KINDS))]
    return [x for x in dict.fromkeys(asked) if x in KINDS]


def in_short(changes: Mapping[str, Any] | None) -> str:
    """For the audit: all of it, or that the fleet's counts again."""
    return "= fleet" if changes is None else json.dumps(changes, ensure_ascii=False)
