"""Every failure becomes a page with words: what happened, what to do, and the number to say on the phone."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from appliance import control
from appliance.core import words
from appliance.hub.people import PeopleProblem
from webui.hq.access import FETCHED
from webui.hq.fields import BadField
from webui.language import current
from webui.language import gettext as _

CALLS_HQ = re.compile("本部[にへ]電話")


def install(app: Flask) -> None:
    app.register_error_handler(control.Unreachable, _unreachable)
    app.register_error_handler(control.Refused, _refused)
    app.register_error_handler(CSRFError, _old_page)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def again(page: Callable[..., str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a view that takes a form: what is wrong with it is said on `page(**the view's arguments, problem=…)`, which
    shows the form as it was filled in. 400 where a field does not fit, 409 where HQ's daemon or the staff store refused."""

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def answered(**asked: Any) -> Any:
            try:
                return view(**asked)
            except BadField as problem:
                return page(**asked, problem=str(problem)), 400
            except words.Refused as refused:
                told = words.refusal(refused.code).as_data()[current()]
                return page(**asked, problem=joined(told["what"], told["do"])), 400
            except (control.Refused, PeopleProblem) as refused:
                return page(**asked, problem=in_line(refused)), 409

        return answered

    return mark


def sentence(problem: control.Refused | PeopleProblem) -> tuple[str, str, str]:
    """What happened, what to do, and the number, in the reader's language."""
    if isinstance(problem, PeopleProblem):
        return (*_people(problem.code), "")
    said = problem.sentence
    told = said.as_data()[current()]
    if CALLS_HQ.search(said.do_ja):  # written for people on site; whoever reads it here is HQ
        return (
            told["what"],
            _("機械の担当に「症状%(number)s」と伝えてください") % {"number": said.number},
            said.number,
        )
    return told["what"], told["do"], said.number


def in_line(problem: control.Refused | PeopleProblem) -> str:
    what, do, _number = sentence(problem)
    return joined(what, do)


def joined(what: str, do: str) -> str:
    """Two sentences of a table, which end without a mark, in one line."""
    return f"{what}。{do}" if current() == "ja" else f"{what}. {do}"


def _people(code: str) -> tuple[str, str]:
    return {
        "person-name": (
            _("この名前は使えません"),
            _("文字・数字・「.」「-」「_」「@」で32文字までにしてください"),
        ),
        "person-exists": (_("この名前の人はもう登録されています"), _("別の名前にしてください")),
        "person-unknown": (_("この名前の人は登録されていません"), _("一覧を開き直してください")),
        "last-admin": (_("最後の管理者は外せません"), _("先に別の管理者を加えてください")),
        "password-length": (_("暗証番号は10文字以上にしてください"), _("長いものに変えてください")),
    }.get(code, (_("できませんでした"), _("入力を見直してください")))


def page(status: int, what: str, do: str, number: str = "") -> Response:
    if FETCHED in request.headers:
        return Response(status=status)
    return make_response(render_template("hq/trouble.html", what=what, do=do, number=number), status)


def _refused(problem: control.Refused) -> Response:
    return page(409, *sentence(problem))


def hub_silent() -> tuple[str, str, str]:
    """What happened, what to do, and the number."""
    return (
        _("本部の入口の仕組みが止まっています"),
        _("安全のため、変更はできません。機械の担当に「症状3-21」と伝えてください"),
        "3-21",
    )


def _unreachable(_problem: control.Unreachable) -> Response:
    return page(503, *hub_silent())


def _old_page(_problem: CSRFError) -> Response:
    return page(
        400,
        _("このページは古くなっていました。何も変えていません"),
        _("前のページを開き直し、もう一度押してください"),
    )


def _http(problem: HTTPException) -> Response:
    if problem.response is not None:  # a view's own answer, sent by abort()
        response = problem.response
        assert isinstance(response, Response)
        return response
    what, do = {
        403: (_("この操作は、あなたの役割では行えません"), _("管理者に頼んでください")),
        404: (_("このページはありません"), _("一覧から選び直してください")),
        405: (_("この開き方はできません"), _("一覧から選び直してください")),
        413: (_("送られたものが大きすぎます"), _("ファイルを分けるか、入力を短くしてください")),
    }.get(problem.code or 500, (_("できませんでした"), _("前のページからやり直してください")))
    return page(problem.code or 500, what, do)


def _unexpected(problem: Exception) -> Response:
    current_app.logger.error("a page failed", exc_info=problem)
    return page(500, _("このページを作れませんでした"), _("機械の担当に「症状9-01」と伝えてください"), "9-01")
