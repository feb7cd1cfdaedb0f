"""Statuses of one box from the cupboard to the desktop, as its door says them."""

from __future__ import annotations

import copy
from typing import Any

from appliance.core.model import Reason
from appliance.core.words import words

NOW = 1_767_225_600.0 + 3 * 3600  # 1 January 2026, 12:00 in Japan
SITE, HQ = "柿崎総合体育館", "上越市 災害対策本部"
Status = dict[str, Any]

ETHERNET = {
    "link": "eth0",
    "kind": "ethernet",
    "carrier": True,
    "address": "192.168.1.101",
    "active": True,
    "doubled": False,
    "in_need": False,
}
USB = {**ETHERNET, "link": "usb0", "kind": "usb", "address": "192.168.8.100", "active": False}
DESK = {
    "name": "desk-1",
    "title": "総務課の共用デスクトップ",
    "kind": "shared-host",
    "network": "lgwan",
    "answer": "answers",
    "open": True,
    "refused": None,
    "has_file": True,
    "address": "10.10.0.20:3389",
}
ACCESS_POINT = {"ssid": "noroshi-kakizaki", "passphrase": "ame;kaze:2026"}

NO_WIFI_LINE: dict[str, Any] = {
    "able": False,
    "ssid": "",
    "state": "",
    "words": {"ja": "", "en": ""},
    "around": [],
    "looking": False,
}


def status(phase: str, reason: Reason, **more: Any) -> Status:
    said = words(reason)
    known: Status = {
        "phase": phase,
        "reason": str(reason),
        "number": said.number,
        "words": said.as_data(),
        "since": NOW - 65,
        "now": NOW,
        "site": "",
        "hq_name": "",
        "hq_phone": "",
        "drill": False,
        "version": "0.1.0",
        "serial": "NRS-0001",
        "mission": None,
        "uplinks": [],
        "joining": None,
        "desktops": [],
        "laptops": 0,
        "hub": {"round_trip": None, "loss": 0.0, "quality": "unknown"},
        "access_point": None,
        "wifi": {
            "on": False,
            "link": "",
            "ssid": "",
            "channel": 0,
            "security": "",
            "words": None,
            "number": "",
        },
        "modem": None,
        "wifi_line": NO_WIFI_LINE,
        "air": {"place": "outdoors", "band": "2.4"},
        "sockets": [],
        "lan": "",
        "milestones": {},
        "proof": None,
        "visitor": None,
        "any_laptop_until": 0.0,
    }
    return {**known, **copy.deepcopy(more)}


def joining(stage: str = "invited", done: int = 2, seconds: float = 3) -> dict[str, Any]:
    names = ("uplink", "ticket", "tunnel", "enrolled", "desktop")
    steps = [{"name": name, "done": place < done} for place, name in enumerate(names)]
    return {"stage": stage, "site": SITE, "hq_name": HQ, "since": NOW - seconds, "steps": steps}


JOINED: Status = {
    "site": SITE,
    "hq_name": HQ,
    "hq_phone": "025-526-5111",
    "lan": "10.211.0.0/26",
    "uplinks": [ETHERNET, USB],
    "joining": None,
    "milestones": {"uplink": NOW - 88, "tunnel": NOW - 70},
    "hub": {"round_trip": 0.031, "loss": 0.0, "quality": "good"},
}
MISSION = {"kind": "disaster", "site": SITE, "start": NOW - 3600, "end": NOW + 4 * 86400}
OPENED = {**JOINED["milestones"], "open": NOW - 66, "protected": NOW - 65}
AT_WORK: Status = {**JOINED, "milestones": OPENED, "desktops": [DESK], "mission": MISSION, "laptops": 3}
PROOF_ROWS = [
    {"what": "総務課の共用デスクトップ", "target": "10.10.0.20:3389", "expected": "open", "outcome": "open", "ok": True},
    {"what": "ファイル共有", "target": "10.10.0.20:445", "expected": "closed", "outcome": "closed", "ok": True},
    {"what": "インターネット", "target": "192.0.2.80:80", "expected": "closed", "outcome": "closed", "ok": True},
]  # fmt: skip
PROOF = {
    "at": NOW - 30,
    "ok": True,
    "running": False,
    "rows": PROOF_ROWS,
}

NO_LINE = status("SETUP", Reason.NO_TICKET)
FAR = "とても長い名前の隣の建物Wi-Fi"
AROUND = [
    {"ssid": "hall", "signal": -40.0, "locked": True, "channel": 6},
    {"ssid": FAR, "signal": -82.0, "locked": False, "channel": 1},
]
HALL = status("SETUP", Reason.NO_TICKET, wifi_line={**NO_WIFI_LINE, "able": True, "around": AROUND})
HALL_REFUSED = status(
    "SETUP",
    Reason.NO_TICKET,
    wifi_line={
        **HALL["wifi_line"],
        "ssid": "hall",
        "state": "not-let-in",
        "words": {"ja": "入れません。暗証番号を確かめてください", "en": "not let in: check the key"},
    },
)
PLUGGED = status("SETUP", Reason.NO_TICKET, uplinks=[{**ETHERNET, "address": "", "active": False}])
FRESH = status("SETUP", Reason.NO_TICKET, uplinks=[ETHERNET])
JOINING = status("CONNECTING", Reason.TUNNEL_STARTING, uplinks=[ETHERNET], joining=joining())
HUB_SILENT = status("CONNECTING", Reason.HUB_SILENT, uplinks=[ETHERNET], joining=joining(seconds=45))
REGISTERED = status("CONNECTING", Reason.TUNNEL_STARTING, **JOINED)
WORKING = status("PROTECTED", Reason.ALL_WELL, **AT_WORK)
WITH_WIFI = status("PROTECTED", Reason.ALL_WELL, **{**AT_WORK, "access_point": ACCESS_POINT, "proof": PROOF})
WEAK = status(
    "DEGRADED",
    Reason.LOSING_PACKETS,
    **{**AT_WORK, "hub": {"round_trip": 0.4, "loss": 0.12, "quality": "poor"}},
)
DRILL = status(
    "PROTECTED",
    Reason.ALL_WELL,
    **{
        **AT_WORK,
        "drill": True,
        "mission": {**MISSION, "kind": "drill"},
        "desktops": [
            {**DESK, "name": "drill", "title": "訓練用デスクトップ"},
            {**DESK, "open": False, "has_file": False, "refused": {"ja": "【訓練】本番のデスクトップは開きません", "en": "Drill: real desktops stay closed"}},
        ],
    },
)  # fmt: skip
NOBODY = {"registered": False, "device": "", "number": "123-456", "emergency": False}
UNREGISTERED = status("PROTECTED", Reason.ALL_WELL, **{**AT_WORK, "desktops": [], "visitor": NOBODY})
EMERGENCY = status(
    "PROTECTED",
    Reason.ALL_WELL,
    **AT_WORK,
    visitor={**NOBODY, "emergency": True},
    any_laptop_until=NOW + 3600,
)
RECONNECTING = status(
    "CONNECTING", Reason.HUB_SILENT, **{**AT_WORK, "desktops": [{**DESK, "open": False, "answer": "silent"}]}
)
CUT = status("CONNECTING", Reason.NO_UPLINK, **{**AT_WORK, "uplinks": []})
REFUSED_LINE = {
    **ETHERNET,
    "active": False,
    "ssid": "",
    "refused": {"number": words(Reason.LINE_REFUSED).number, **words(Reason.LINE_REFUSED).as_data()},
}
LINE_REFUSED = status("CONNECTING", Reason.LINE_REFUSED, **{**AT_WORK, "uplinks": [REFUSED_LINE]})
NO_SIGN_IN = {"offered": False, "until": 0.0, "mine": False, "ended": "", "portal": ""}
CAPTIVE = status("CONNECTING", Reason.LINE_CAPTIVE, **JOINED, sign_in=NO_SIGN_IN)
CAPTIVE_ALLOWED = status(
    "DEGRADED", Reason.LINE_CAPTIVE, **AT_WORK, sign_in={**NO_SIGN_IN, "offered": True, "ended": "time"}
)
SIGNING = {**NO_SIGN_IN, "until": NOW + 593, "mine": True, "portal": "http://203.0.113.10/noroshi-check"}
SIGNING_IN = status("SIGN_IN", Reason.SIGNING_IN, **AT_WORK, sign_in=SIGNING)
SIGNING_IN_ELSEWHERE = status("SIGN_IN", Reason.SIGNING_IN, **AT_WORK, sign_in={**SIGNING, "mine": False})
STORED = status("STANDBY", Reason.NO_MISSION, **JOINED)
ENDED = status("STANDBY", Reason.MISSION_ENDED, **{**JOINED, "mission": {**MISSION, "end": NOW - 60}})
NO_SIM = status(
    "SETUP",
    Reason.NO_TICKET,
    modem={
        "model": "EM7455",
        "operator": "",
        "signal": 0,
        "connected": False,
        "words": words(Reason.MODEM_NO_SIM).as_data(),
        "number": words(Reason.MODEM_NO_SIM).number,
        "apn": "",
        "user": "",
        "auth": "",
    },
)
REVOKED = status("BLOCKED", Reason.REVOKED, **JOINED)
FAILED = status("BLOCKED", Reason.STEP_FAILED, **JOINED)
USED_UP = status("BLOCKED", Reason.TICKET_USED, uplinks=[ETHERNET], joining=joining("refused", 2))

EVERY: dict[str, Status] = {
    "no-line": NO_LINE,
    "hall": HALL,
    "hall-refused": HALL_REFUSED,
    "plugged": PLUGGED,
    "fresh": FRESH,
    "joining": JOINING,
    "hub-silent": HUB_SILENT,
    "registered": REGISTERED,
    "working": WORKING,
    "with-wifi": WITH_WIFI,
    "weak": WEAK,
    "drill": DRILL,
    "unregistered": UNREGISTERED,
    "emergency": EMERGENCY,
    "reconnecting": RECONNECTING,
    "cut": CUT,
    "line-refused": LINE_REFUSED,
    "captive": CAPTIVE,
    "captive-allowed": CAPTIVE_ALLOWED,
    "signing-in": SIGNING_IN,
    "signing-in-elsewhere": SIGNING_IN_ELSEWHERE,
    "stored": STORED,
    "ended": ENDED,
    "no-sim": NO_SIM,
    "revoked": REVOKED,
    "failed": FAILED,
    "used-up": USED_UP,
}
READ = {"site": SITE, "hq_name": HQ, "expires": NOW + 3 * 86400}
