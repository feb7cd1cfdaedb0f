"""Which language a reader sees: Japanese unless they chose otherwise, kept in one cookie, never guessed.

The Japanese text is the message id, so a missing catalogue still leaves every page readable. Catalogues lie
in `translations/en/LC_MESSAGES/<domain>.mo` (`pybabel compile` makes them): `messages` is the field's and the
shared frame's, each other web adds its own domain.
"""

from __future__ import annotations

import gettext as catalogues
from collections.abc import Mapping, Sequence

from flask import Flask, Response, current_app, redirect, request

from appliance.core.words import trial_words
from webui import TRANSLATIONS

LANGUAGES = {"ja": "日本語", "en": "English"}
DEFAULT = "ja"
COOKIE = "language"
A_YEAR = 365 * 24 * 3600
_EXTENSION = "noroshi-language"


def current() -> str:
    """The reader's language, "ja" or "en"."""
    chosen = request.cookies.get(COOKIE, DEFAULT) if request else DEFAULT
    return chosen if chosen in LANGUAGES else DEFAULT


def gettext(message: str) -> str:
    return _catalogue().gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    return _catalogue().ngettext(one, many, number)


def say(sentence: Mapping[str, str] | None) -> str:
    """A sentence the door sent in both languages (`{"ja": …, "en": …}`), in the reader's."""
    if not sentence:
        return ""
    return sentence.get(current()) or sentence.get(DEFAULT) or ""


def install(app: Flask, domains: Sequence[str] = ("messages",)) -> None:
    """Give `app`'s templates `_`, `say`, `language` and `languages`, and the route that changes the language.

    The route is POST /language (`language`, `back`), endpoint "language"; it belongs to everybody.
    """
    app.extensions[_EXTENSION] = {code: _load(code, domains) for code in LANGUAGES}
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals.update(say=say, languages=LANGUAGES)
    app.jinja_env.filters["trial"] = lambda what: trial_words(str(what), current())
    app.context_processor(lambda: {"language": current()})
    app.add_url_rule("/language", "language", _choose, methods=["POST"])


def _load(code: str, domains: Sequence[str]) -> catalogues.NullTranslations:
    if code == DEFAULT:
        return catalogues.NullTranslations()
    found = [catalogues.translation(name, TRANSLATIONS, [code], fallback=True) for name in domains]
    for catalogue in found[1:]:
        found[0].add_fallback(catalogue)
    return found[0]


def _catalogue() -> catalogues.NullTranslations:
    chosen: catalogues.NullTranslations = current_app.extensions[_EXTENSION][current()]
    return chosen


def _choose() -> Response:
    wanted = request.form.get("language", "")
    answer = redirect(own_path(request.form.get("back", "/")), 303)
    if wanted in LANGUAGES:
        answer.set_cookie(COOKIE, wanted, max_age=A_YEAR, httponly=True, samesite="Strict", path="/")
    assert isinstance(answer, Response)
    return answer


def own_path(wanted: str) -> str:
    """`wanted` when it is a plain path on this very site, "/" otherwise (no open redirect)."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and wanted.startswith("/") and not wanted.startswith("//") else "/"
