"""How values read on HQ's pages, in the reader's language: states, lines, times. No markup here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from flask import Flask

from appliance.core.model import Phase, Reason
from appliance.core.words import PHASE_WORDS, REASONS, way_words
from webui.language import current
from webui.language import gettext as _

JAPAN = timezone(timedelta(hours=9), "JST")  # the one civil time zone of the people who read this
MARKS = {  # urgency → colour of the shared look
    "stop": "stop", "down": "stop", "late": "work", "weak": "work", "busy": "work", "good": "good",
    "waiting": "calm", "never": "calm", "away": "calm", "revoked": "calm",
}  # fmt: skip


def install(app: Flask) -> None:
    app.jinja_env.globals.update(
        ago=ago, clock=clock, day=day, mark=MARKS.get, quality=quality, reason=reason,
        state=state, uplink=uplink, door=door, mission_kind=mission_kind, desktop_kind=desktop_kind, network=network,
        symptom=symptom, told_on_site=told_on_site, ticket_state=ticket_state, milestone=milestone, role=role, deed=deed, deed_more=deed_more, answer=answer, phase=phase,
        presence=presence, script_words=script_words, short=short, milliseconds=milliseconds, percent=percent, duration=duration,
    )  # fmt: skip


def ago(at: float | None, now: float) -> str:
    return _("まだありません") if at is None else _("%(time)s前") % {"time": duration(now - at)}


def duration(seconds: float) -> str:
    whole = max(int(seconds), 0)
    if whole < 60:
        return _("%(n)d秒") % {"n": whole}
    if whole < 3600:
        return _("%(n)d分") % {"n": whole // 60}
    if whole < 2 * 86400:
        return _("%(n)d時間") % {"n": whole // 3600}
    return _("%(n)d日") % {"n": whole // 86400}


def script_words() -> dict[str, str]:
    """For the script that counts the seconds on: the same sentences, unfilled."""
    return {
        "ago": _("%(time)s前"),
        "second": _("%(n)d秒"),
        "minute": _("%(n)d分"),
        "hour": _("%(n)d時間"),
        "day": _("%(n)d日"),
    }


def clock(at: float | None) -> str:
    """Date and time to the second, Japan's time."""
    return "—" if at is None else _when(at).strftime("%Y-%m-%d %H:%M:%S")


def day(at: float | None) -> str:
    return "—" if at is None else _when(at).strftime("%Y-%m-%d %H:%M")


def short(at: float, now: float) -> str:
    """The time of day within today, else the date too; for a card that is read at a glance."""
    moment = _when(at)
    return moment.strftime("%H:%M" if moment.date() == _when(now).date() else "%m-%d %H:%M")


def _when(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, JAPAN)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def state(urgency: str) -> str:
    return {
        "stop": _("安全のため停止中"),
        "down": _("連絡が途絶えています"),
        "late": _("連絡が遅れています"),
        "weak": _("注意"),
        "busy": _("つないでいます"),
        "good": _("つながっています"),
        "waiting": _("待機中"),
        "never": _("まだ連絡がありません"),
        "away": _("保管中"),
        "revoked": _("利用停止"),
    }.get(urgency, urgency)


def presence(value: str) -> str:
    return {
        "up": _("連絡あり"),
        "late": _("連絡が遅れた"),
        "down": _("連絡が途絶えた"),
        "never": _("連絡なし"),
    }.get(value, value)


def phase(value: str) -> str:
    """A newer box may name a phase that this HQ does not know: then its own word is shown."""
    if value not in set(Phase):
        return value
    japanese, english = PHASE_WORDS[Phase(value)]
    return english if current() == "en" else japanese


def reason(value: str) -> str:
    if value not in set(Reason) or Reason(value) not in REASONS:
        return value
    return REASONS[Reason(value)].as_data()[current()]["what"]


def told_on_site(value: str) -> str:
    """The one thing that people on site are asked to do, for whoever has them on the phone."""
    known = REASONS.get(Reason(value)) if value in set(Reason) else None
    return known.as_data()[current()]["do"] if known else ""


def symptom(value: str) -> str:
    """The number that people on site say on the phone; "" where nothing is wrong."""
    found = REASONS[Reason(value)].number if value in set(Reason) else ""
    return "" if found.startswith("0-") else found


def uplink(kind: str) -> str:
    return {
        "ethernet": _("有線"),
        "usb": _("USB回線"),
        "lte": _("LTE"),
        "wifi": _("Wi-Fi"),
        "closed": _("閉域SIM"),
        "": "—",
    }.get(kind, kind)


def door(name: str) -> str:
    """How a line that closes HQ's usual door is used; "" where it is none."""
    way, _slash, port = name.partition("/")
    found = way_words(way, int(port), usual=False) if port.isdecimal() and way in ("udp", "relay") else None
    return found[current()] if found else ""


def quality(value: str) -> str:
    return {"good": _("快適"), "usable": _("使える"), "poor": _("厳しい")}.get(value, "—")


def milliseconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds * 1000:.0f} ms"


def percent(share: float | None) -> str:
    return "—" if share is None else f"{share * 100:.0f} %"


def mission_kind(value: str) -> str:
    return {
        "disaster": _("災害"),
        "drill": _("訓練"),
        "home": _("在宅"),
        "venue": _("会場"),
        "permanent": _("常設"),
    }.get(value, value)


def desktop_kind(value: str) -> str:
    return {
        "own-pc": _("自席のパソコン"),
        "shared-host": _("共有デスクトップ"),
        "virtual": _("仮想デスクトップ"),
    }.get(value, value)


def network(value: str) -> str:
    return {
        "lgwan": _("LGWAN接続系"),
        "mynumber": _("個人番号利用事務系"),
        "internet": _("インターネット接続系"),
    }.get(value, value)


def ticket_state(value: str) -> str:
    return {
        "open": _("未使用"),
        "redeemed": _("使用中"),
        "spent": _("使用済み"),
        "expired": _("期限切れ"),
        "withdrawn": _("取り消し済み"),
    }.get(value, value)


def milestone(value: str) -> str:
    return {
        "power-on": _("電源を入れた"),
        "uplink": _("回線がつながった"),
        "ticket-accepted": _("招待を受け取った"),
        "tunnel": _("役所につながった"),
        "open": _("デスクトップが開いた"),
        "protected": _("すべて良好になった"),
        "first-ping": _("最初の連絡が届いた"),
        "laptop-address": _("パソコンがつながった"),
        "first-pixels": _("デスクトップが映った"),
    }.get(value, value)


def answer(value: str) -> str:
    return {
        "answers": _("応答あり"),
        "refused": _("断られた"),
        "silent": _("応答なし"),
        "wrong-certificate": _("別の機械が応答"),
        "not-the-protocol": _("別の仕組みが応答"),
        "prohibited": _("開けない決まり"),
        "open": _("通る"),
        "closed": _("通らない"),
        "unclear": _("不明"),
    }.get(value, value)


def role(value: str) -> str:
    return {"viewer": _("閲覧"), "officer": _("当番"), "admin": _("管理者")}.get(value, value)


def deed_more(what: str, more: str) -> str:
    """What an audit row says besides: codes of ours in words, everything else as it was written."""
    if what == "add-person":
        return role(more)
    if what == "start-mission":
        kind, *rest = more.split(" · ")
        return " · ".join([mission_kind(kind), *rest])
    return more


def deed(value: str) -> str:
    """The audit's verbs."""
    return {
        "sign-in": _("入った"),
        "sign-in-failed": _("入れなかった"),
        "sign-out": _("出た"),
        "add-person": _("人を加えた"),
        "remove-person": _("人を外した"),
        "set-password": _("暗証番号を変えた"),
        "issue-ticket": _("招待QRコードを作った"),
        "show-ticket": _("招待QRコードを開いた"),
        "save-ticket": _("招待QRコードを保存した"),
        "withdraw-ticket": _("招待QRコードを取り消した"),
        "prepare-box": _("箱を準備した"),
        "start-mission": _("任務を始めた"),
        "end-mission": _("任務を終えた"),
        "revoke": _("箱の利用を停止した"),
        "add-desktop": _("デスクトップを加えた"),
        "remove-desktop": _("デスクトップを外した"),
        "add-device": _("パソコンを登録した"),
        "remove-device": _("パソコンを外した"),
        "import-devices": _("パソコンの一覧を読み込んだ"),
        "emergency": _("緊急の設定を変えた"),
        "set-policy": _("回線の決まりを変えた"),
        "declare-blue": _("青い口を決めた"),
        "set-phone": _("本部の電話番号を決めた"),
        "add-bundle": _("更新を加えた"),
        "remove-version": _("更新を外した"),
        "start-update": _("更新を始めた"),
        "stop-update": _("更新をとりやめた"),
        "set-oldest": _("これより古くしない版を決めた"),
    }.get(value, value)
