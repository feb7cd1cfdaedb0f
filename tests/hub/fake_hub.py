"""A hub's door for tests: a real unix socket that answers from a small fleet kept in memory."""

from __future__ import annotations

import copy
import json
import socketserver
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.core.codec import dump_masked
from appliance.core.enrolment import ticket_text
from appliance.core.model import Policy
from appliance.core.sentence import Sentence
from tests.machines import HQ, TICKET

DESK = {
    "name": "desk",
    "title": "共有デスクトップ",
    "kind": "shared-host",
    "network": "lgwan",
    "profile": "rdp",
    "endpoints": [
        {"host": "10.10.0.20", "protocol": "tcp", "port": 3389, "part": "screen", "reason": "画面転送(RDP)"}
    ],
    "drill": False,
}
POLICY = dump_masked(Policy())
MISSION = {"kind": "disaster", "site": "柿崎総合体育館", "start": 1000.0, "end": 2e9}


def box(number: int, **changes: Any) -> dict[str, Any]:
    """A box as the door's `fleet` lists it."""
    record = {
        "name": f"box-{number:04}",
        "serial": f"SN{number:06}",
        "model": "PC",
        "site": f"第{number}避難所",
        "state": "active",
        "version": 3,
        "joined": 1000.0,
        "lan": f"10.211.0.{64 * (number % 4)}/26",
        "tunnel_address": address(number),
        "mission": None,
        "emergencies": [],
        "any_laptop_until": 0.0,
        "policy": POLICY,
        "own_policy": False,
        "blue": [],
        "handshake": 0.0,
        "endpoint": "198.51.100.2:40000",
    }
    return record | changes


def address(number: int) -> str:
    return f"10.210.{number // 250}.{number % 250 + 2}"


def _columns(sentence: Sentence) -> dict[str, Any]:
    told = sentence.as_data()
    return {part: {language: told[language][part] for language in told} for part in ("what", "do")}


class Refusal(Exception):
    def __init__(self, code: str) -> None:
        self.code = code


class FakeHub:
    """Speaks the door's protocol for hub requests; `asked` keeps what was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boxes: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.invitations: dict[str, dict[str, Any]] = {}
        self.desktops = [copy.deepcopy(DESK)]
        self.devices: list[dict[str, Any]] = []
        self.bundles: list[dict[str, Any]] = []
        self.oldest = ""
        self.refused: Sentence | None = None  # what every change is answered with
        self.asked: list[dict[str, Any]] = []
        self.verbs: list[tuple[str, dict[str, Any]]] = []
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def add(self, record: dict[str, Any], report_public: str = "") -> None:
        self.boxes[record["name"]] = record
        self.keys[record["name"]] = report_public

    def start(self) -> None:
        hub = self

        class Visit(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                request = json.loads(self.rfile.readline())
                self.wfile.write(json.dumps(hub.answer(request)).encode() + b"\n")

        self.path.unlink(missing_ok=True)
        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Visit)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.path.unlink(missing_ok=True)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        self.verbs.append((str(request.get("ask")), dict(request)))
        if self.refused and request["ask"] not in ("fleet", "devices"):
            return {"error": {"code": "trouble", "number": self.refused.number, **_columns(self.refused)}}
        verb = getattr(self, "do_" + str(request.pop("ask")).replace("-", "_"), None)
        try:
            if verb is None:
                raise Refusal("unknown-request")
            return {"ok": verb(**request)}
        except Refusal as refusal:
            sentence = {"ja": f"できません({refusal.code})", "en": f"Refused ({refusal.code})"}
            return {"error": {"code": refusal.code, "number": "7-99", "what": sentence, "do": sentence}}

    def asked_of(self, verb: str) -> list[dict[str, Any]]:
        return [request for name, request in self.verbs if name == verb]

    def do_fleet(self) -> dict[str, Any]:
        invitations = [{k: v for k, v in i.items() if k != "text"} for i in self.invitations.values()]
        return {
            "name": "○○市 災害対策本部",
            "signing_key": HQ.signing_key,
            "publisher": HQ.publisher,
            "desktops": self.desktops,
            "boxes": list(self.boxes.values()),
            "invitations": invitations,
            "bundles": self.bundles,
            "oldest_version": self.oldest,
        }

    def do_start_update(
        self, version: str, boxes: list[str], percent: int, now: bool, by: str
    ) -> dict[str, Any]:
        if version not in {x["version"] for x in self.bundles}:
            raise Refusal("unknown-version")
        told = [x for x in self.boxes.values() if not x.get("update_to")][: 1 if percent == 1 else None]
        for x in told:
            x.update(update_to=version, update_now=now)
        return {"boxes": [x["name"] for x in told]}

    def do_stop_update(self, boxes: list[str], by: str) -> dict[str, Any]:
        for x in self.boxes.values():
            x["update_to"] = ""
        return {}

    def do_set_oldest(self, version: str, by: str) -> dict[str, Any]:
        self.oldest = version
        return {}

    def do_issue_ticket(self, site: str, days: int, by: str, mission: Any) -> dict[str, Any]:
        number = f"{len(self.invitations) + 1:016x}"
        self.invitations[number] = {
            "id": number,
            "site": site,
            "issued": time.time(),
            "issued_by": by,
            "expires": time.time() + days * 86400,
            "state": "open",
            "box": "",
            "text": ticket_text(replace(TICKET, id=number, site=site), HQ.signing_private),
        }
        return self.do_show_ticket(number)

    def do_show_ticket(self, id: str) -> dict[str, Any]:
        found = self.invitations.get(id)
        if found is None or found["state"] != "open":
            raise Refusal("unknown-ticket")
        return {key: found[key] for key in ("id", "text", "site", "expires")}

    def do_withdraw_ticket(self, id: str, by: str) -> dict[str, Any]:
        self.do_show_ticket(id)
        self.invitations[id]["state"] = "withdrawn"
        return {}

    def _box(self, name: str) -> dict[str, Any]:
        if name not in self.boxes:
            raise Refusal("unknown-box")
        return self.boxes[name]

    def do_start_mission(self, box: str, kind: str, site: str, hours: float, by: str) -> dict[str, Any]:
        now = time.time()
        mission = {"kind": kind, "site": site, "start": now, "end": now + hours * 3600}
        self._box(box)["mission"] = mission
        return {}

    def do_end_mission(self, box: str, by: str) -> dict[str, Any]:
        self._box(box)["mission"] = None
        return {}

    def do_revoke(self, box: str, by: str) -> dict[str, Any]:
        self._box(box)["state"] = "revoked"
        return {}

    def do_add_desktop(self, **desktop: Any) -> dict[str, Any]:
        if any(d["name"] == desktop["name"] for d in self.desktops):
            raise Refusal("name-taken")
        endpoints = [
            {"host": host, "protocol": "tcp", "port": 3389, "part": "screen", "reason": "画面転送(RDP)"}
            for host in desktop["hosts"]["host"]
        ]
        self.desktops.append(DESK | {k: desktop[k] for k in DESK if k in desktop} | {"endpoints": endpoints})
        return {}

    def do_remove_desktop(self, name: str, by: str) -> dict[str, Any]:
        if not any(d["name"] == name for d in self.desktops):
            raise Refusal("unknown-desktop")
        self.desktops = [d for d in self.desktops if d["name"] != name]
        return {}

    def do_devices(self) -> dict[str, Any]:
        return {"devices": self.devices}

    def do_add_device(
        self, name: str, title: str, macs: list[str], desktops: list[str], by: str
    ) -> dict[str, Any]:
        if any(d["name"] == name for d in self.devices):
            raise Refusal("name-taken")
        self.devices.append({"name": name, "title": title, "macs": macs, "desktops": desktops})
        return {}

    def do_remove_device(self, name: str, by: str) -> dict[str, Any]:
        if not any(d["name"] == name for d in self.devices):
            raise Refusal("unknown-device")
        self.devices = [d for d in self.devices if d["name"] != name]
        return {}

    def do_import_devices(self, text: str, by: str) -> dict[str, Any]:
        problems = [
            {"line": line, "code": "device-mac", "value": row}
            for line, row in enumerate(text.splitlines(), 1)
            if "nonsense" in row
        ]
        return {"rows": 0 if problems else len(text.splitlines()), "problems": problems, "devices": 0}

    def do_emergency(self, box: str, hours: float, by: str) -> dict[str, Any]:
        now = time.time()
        record = self._box(box)
        record["emergencies"] = [{"start": now, "end": now + hours * 3600, "by": by}]
        record["any_laptop_until"] = now + hours * 3600
        return {}

    def do_set_policy(self, box: str, changes: dict[str, Any] | None, by: str) -> dict[str, Any]:
        record = self._box(box)
        record["own_policy"] = changes is not None
        record["policy"] = POLICY | (changes or {})
        return {}

    def do_declare_blue(self, box: str, blue: list[int], by: str) -> dict[str, Any]:
        if not blue:
            raise Refusal("bad-sockets")
        self._box(box)["blue"] = blue
        return {}

    def do_whois(self, address: str) -> dict[str, Any]:
        for name, record in self.boxes.items():
            if record["tunnel_address"] == address and record["state"] == "active":
                return {"box": name, "report_public": self.keys[name], "version": record["version"]}
        raise Refusal("unknown-box")

    def do_assignment(self, box: str) -> dict[str, Any]:
        return {"assignment": json.dumps({"body": json.dumps({"box": box}), "signature": "AA=="})}

    def do_time(self, box: str, nonce: str, forget: bool) -> dict[str, Any]:
        return {"paper": json.dumps({"box": box, "nonce": nonce, "forget": forget})}

    def do_enrol(self, ticket: str, address: str, **_: str) -> dict[str, Any]:
        if ticket not in self.invitations:
            raise Refusal("ticket-unknown")
        return self.do_assignment("box-0001")
