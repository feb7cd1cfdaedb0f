"""What came of the blue sockets that HQ declared for a box, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.hub.board import Present
from webui.hq.updates import Told
from webui.hq.wording import day
from webui.language import gettext as _


def outcome(record: Mapping[str, Any], seen: Present | None) -> Told | None:
    """None where HQ declared nothing."""
    declared = record.get("blue") or ()
    if not declared:
        return None
    told = seen.sockets if seen else None
    if seen is None or told is None or set(told.blue) != set(declared):
        return Told(words=_("この箱からの知らせを待っています"), look="calm")
    if told.state == "in-force":
        return Told(
            words=_("箱はこの色で動いています(%(time)sの起動から)") % {"time": day(seen.started)}, look="good"
        )
    if told.state == "next-start":
        words = _("箱は受け取りました。次に電源を入れたときから変わります(いまの起動: %(time)s)")
        return Told(words=words % {"time": day(seen.started)}, look="work")
    why = {
        "no-line": _("回線の口がなくなるため"),
        "no-way-in": _("パソコンの口がなくなり、Wi-Fiもないため"),
        "fixed": _("この箱の口は、箱の設定ファイルで決めてあるため"),
        "not-saved": _("箱に保存できなかったため(次の起動でもう一度試します)"),
    }.get(told.why, told.why)
    return Told(words=_("箱は変えません: %(why)s") % {"why": why}, look="stop")
