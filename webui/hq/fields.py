"""Reading forms: every value has a bound, and what does not fit is said in words, never raised as a fault."""

from __future__ import annotations

from collections.abc import Collection

from flask import request

from appliance.core.enrolment import MAX_NAME, is_name
from webui.language import gettext as _


class BadField(ValueError):
    """`str()` is the sentence for the person who filled it in."""


def text(name: str, what: str, *, most: int = 60, empty: bool = False) -> str:
    value = request.form.get(name, "").strip()
    if not value and empty:
        return ""
    plain = is_name(value) if most <= MAX_NAME else value != "" and all(is_name(x) for x in value.split())
    if len(value) > most or not plain:
        raise BadField(_("「%(what)s」を入れてください(%(most)d文字まで)") % {"what": what, "most": most})
    return value


def whole(name: str, what: str, least: int, most: int) -> int:
    value = request.form.get(name, "").strip()
    if not value.isascii() or not value.isdigit() or not least <= int(value[:9]) <= most:
        raise BadField(
            _("「%(what)s」は%(least)dから%(most)dまでの数にしてください")
            % {"what": what, "least": least, "most": most}
        )
    return int(value)


def choice(name: str, what: str, among: Collection[str]) -> str:
    value = request.form.get(name, "")
    if value not in among:
        raise BadField(_("「%(what)s」を選んでください") % {"what": what})
    return value
