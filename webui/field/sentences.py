"""What the field web itself has to say when something does not go well: what happened, what to do, a 症状番号.

Sentences about the box come from the door in both languages; here are only those about the page, the photo
and the form. Numbers 6-2x and 9-0x are this file's, and never change their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.core.model import Reason
from appliance.core.sentence import Sentence as Words
from appliance.core.words import refusal
from appliance.core.words import words as reason_words
from webui.field.captive import HOME
from webui.field.steps import Facts
from webui.language import gettext as _
from webui.language import say
from webui.photo import Problem


@dataclass(frozen=True, slots=True)
class Sentence:
    what: str
    do: str
    number: str = ""


def of_words(words: Words) -> Sentence:
    """A sentence of the shared table or of the door, in the reader's language."""
    return Sentence(
        say({"ja": words.what_ja, "en": words.what_en}),
        say({"ja": words.do_ja, "en": words.do_en}),
        words.number,
    )


def of_status(status: Facts) -> Sentence:
    words = status["words"]
    what, do = ({language: words[language][key] for language in words} for key in ("what", "do"))
    return Sentence(say(what), say(do), status["number"])


def of_line() -> Sentence:
    """Something is plugged in and silent: said like this whatever else the box waits for."""
    return of_words(reason_words(Reason.NO_ADDRESS))


def unreachable() -> Sentence:
    return of_words(refusal("unreachable"))


def of_photo(problem: Problem) -> Sentence:
    match problem:
        case Problem.NO_CODE:
            return Sentence(
                _("写真の中にQRコードが見つかりません"),
                _("もっと近くから、影が入らないように、もう一度撮ってください"),
                "6-21",
            )
        case Problem.SEVERAL:
            return Sentence(
                _("招待QRコードが2つ以上写っています"),
                _("使うものを1つだけ写して、もう一度撮ってください"),
                "6-22",
            )
        case Problem.TOO_LARGE:
            return Sentence(
                _("写真が大きすぎて読み取れません"),
                _("QRコードに近づいて撮り直すか、文字を貼り付けてください"),
                "6-23",
            )
        case Problem.NOT_A_PICTURE:
            return Sentence(
                _("このファイルは、写真でも招待の文字でもありません"),
                _("QRコードの写真か、本部から届いたファイルを選んでください"),
                "6-24",
            )
        case Problem.FORMAT:
            return Sentence(
                _("この形式の写真は読み取れません"),
                _("保存した写真ではなく、いまカメラで撮ってください"),
                "6-25",
            )
        case Problem.BUSY:
            return Sentence(
                _("いま混み合っていて、写真を読み取れません"),
                _("10秒待って、もう一度押してください"),
                "6-26",
            )


def nothing_given() -> Sentence:
    return Sentence(
        _("QRコードも文字も入っていません"),
        _("写真を撮るか、文字を貼り付けてから「次へ」を押してください"),
        "6-20",
    )


def not_this_site() -> Sentence:
    return Sentence(
        _("この招待QRコードは使いませんでした"),
        _("本部に電話し、この場所の招待QRコードを頼んでください"),
    )


def stale_form(home: str) -> Sentence:
    return Sentence(
        _("このページが古くなっていました"),
        _("もう一度押してください。くり返すときは、ブラウザーで %(home)s を開いてください") % {"home": home},
        "9-02",
    )


def upload_too_large() -> Sentence:
    return of_photo(Problem.TOO_LARGE)


def no_such_page() -> Sentence:
    return Sentence(_("このページはありません"), _("下のボタンを押して、最初の画面へ戻ってください"), "9-03")


def not_from_here() -> Sentence:
    return Sentence(
        _("このページからは操作できません"), _("ブラウザーで最初の画面を開き直してください"), "9-04"
    )


def trouble() -> Sentence:
    return Sentence(
        _("うまくいきませんでした。設定は前のままです"),
        _("もう一度試し、同じなら本部へ電話し「症状9-01」と伝えてください"),
        "9-01",
    )


def every() -> list[Sentence]:
    """All of them that have a number, for who looks one up."""
    return [
        nothing_given(),
        *map(of_photo, Problem),
        trouble(),
        stale_form(HOME),
        no_such_page(),
        not_from_here(),
    ]
