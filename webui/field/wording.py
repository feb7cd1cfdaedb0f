"""Values in words, for templates: times, lines, qualities, answers. One table each; nothing decides anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from flask import Flask

from webui.language import current
from webui.language import gettext as _

# A box stands in Japan whatever its own clock's zone says (there is no summer time).
JAPAN = timezone(timedelta(hours=9))


def clock(when: float, now: float = 0.0) -> str:
    """「14:02」 on the day of `now`, 「3月5日 14:02」 otherwise (and when `now` is not given)."""
    moment = datetime.fromtimestamp(when, UTC).astimezone(JAPAN)
    hour = f"{moment:%H:%M}"
    if now and moment.date() == datetime.fromtimestamp(now, UTC).astimezone(JAPAN).date():
        return hour
    if current() == "ja":
        return f"{moment.month}月{moment.day}日 {hour}"
    return f"{moment:%b} {moment.day}, {hour}"


def line(kind: str) -> str:
    words = {
        "ethernet": _("青い口の回線"),
        "usb": _("USBの回線の機器"),
        "lte": _("携帯の電波"),
        "wifi": _("Wi-Fiの回線"),
        "closed": _("閉域SIMの回線"),
    }
    return words.get(kind, _("回線"))


def quality(value: str) -> tuple[str, str]:
    """The word and its colour."""
    words = {"good": (_("快適"), "good"), "usable": (_("使える"), "good"), "poor": (_("厳しい"), "work")}
    return words.get(value, (_("測っています"), ""))


def answer(value: str, opened: bool) -> tuple[str, str]:
    """How a desktop answers now, as people say it, and the colour."""
    words = {
        "answers": (_("使えます"), "good") if opened else (_("準備できています"), ""),
        "refused": (_("応答しません"), "work"),
        "silent": (_("応答しません"), "work"),
        "wrong-certificate": (_("本物と確かめられません"), "stop"),
        "not-the-protocol": (_("デスクトップではないものが応答しました"), "stop"),
        "prohibited": (_("この箱では開けません"), "stop"),
    }
    return words.get(value, (_("確かめています"), ""))


def kind(value: str) -> str:
    words = {
        "own-pc": _("自席のパソコン"),
        "shared-host": _("共用のデスクトップ"),
        "virtual": _("仮想のデスクトップ"),
    }
    return words.get(value, "")


def mission(value: str) -> str:
    words = {
        "disaster": _("災害対応"),
        "drill": _("訓練"),
        "home": _("在宅"),
        "venue": _("会場"),
        "permanent": _("常設"),
    }
    return words.get(value, "")


def joining_step(name: str) -> tuple[str, str]:
    """What it is called while it goes on, and when it is done."""
    words = {
        "uplink": (_("回線を探しています"), _("回線が見つかりました")),
        "ticket": (_("招待QRコードを確かめています"), _("招待QRコードを確かめました")),
        "tunnel": (_("役所につないでいます"), _("役所につながりました")),
        "enrolled": (_("本部に登録しています"), _("本部に登録しました")),
        "desktop": (_("デスクトップを確かめています"), _("デスクトップが応答しました")),
    }
    return words.get(name, (name, name))


WEAK = -70.0  # dBm; a screen needs little, but a line must not come and go


def easy_to_find(around: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The good ones first, each part by name: a list by strength would change places under a finger."""
    told = [{**x, "weak": x["signal"] < WEAK} for x in around]
    return sorted(told, key=lambda x: (x["weak"], x["ssid"]))


def milliseconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{round(seconds * 1000)} ms"


def megabits(rate: int) -> str:
    """A measured rate in figures; where none was needed, in words."""
    return f"{rate / 1e6:.1f} Mbit/s" if rate else _("抑えていません")


def install(app: Flask) -> None:
    app.jinja_env.filters.update(
        clock=clock,
        line=line,
        quality=quality,
        kind=kind,
        mission=mission,
        joining_step=joining_step,
        milliseconds=milliseconds,
        easy_to_find=easy_to_find,
        said=lambda words: words.get(current(), words["ja"]),
        megabits=megabits,
    )
    app.jinja_env.globals.update(answer_words=answer)
