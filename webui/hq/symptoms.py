"""What a 症状番号 means that somebody says on the telephone: every sentence that a box or its pages can show."""

from __future__ import annotations

import unicodedata

from flask import Blueprint, render_template, request

from appliance.core.desktop_profiles import FAULTS
from appliance.core.words import REASONS, REFUSALS
from appliance.hub.people import Role
from webui.field import sentences
from webui.field.sentences import Sentence
from webui.hq.access import serves
from webui.hq.trouble import hub_silent

views = Blueprint("symptoms", __name__, url_prefix="/symptoms")
NOTHING_WRONG = "0-"


@views.get("")
@serves(Role.VIEWER)
def listing() -> str:
    wanted = request.args.get("q", "").strip()[:60]
    return render_template("hq/symptoms.html", found=fitting(wanted), wanted=wanted)


def every() -> list[Sentence]:
    """In the reader's language, by number; each number once."""
    shared = (*REASONS.values(), *REFUSALS.values(), *FAULTS.values())
    own = (*sentences.every(), Sentence(*hub_silent()))
    known = {x.number: x for x in (*map(sentences.of_words, shared), *own)}
    return [known[number] for number in sorted(known) if not number.startswith(NOTHING_WRONG)]


def fitting(wanted: str) -> list[Sentence]:
    """As it is said and typed: 2-04, 204, ２の０４; or words of the sentence."""
    plain = unicodedata.normalize("NFKC", wanted).lower()
    digits = "".join(x for x in plain if x.isdecimal())
    if digits and not any(x.isalpha() and x != "の" for x in plain):
        return [x for x in every() if x.number.replace("-", "").startswith(digits)]
    return [x for x in every() if plain in f"{x.what} {x.do}".lower()]
