"""What HQ knows of a box: during an outage, after it, and once HQ wants to hear no more of it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from scripts.exercise import desk, machines, topology
from tests.net import air
from tests.net.world import FLEET, World, eventually

OUTAGE_TOLD = 25.0  # seconds of silence after which HQ calls a box late


def _on_board(box: World, name: str) -> dict[str, Any]:
    return next(x for x in machines.board(box.place) if x["name"] == name)


def test_reports_of_an_outage_come_later_in_order_and_do_not_count_as_up(box: World) -> None:
    name = box.protected()
    eventually("a first report", lambda: box.reports(name), patience=15)
    assert _on_board(box, name)["presence"] == "up"
    topology.cut_internet(box.place, "a")
    box.until("DEGRADED", "line-lost", patience=15)
    heard = box.reports(name)
    eventually("HQ to miss it", lambda: _on_board(box, name)["presence"] == "late", patience=45)
    assert box.reports(name) == heard, "nothing came meanwhile"
    kept = [*(box.run_folder() / "outbox").glob("report-*"), *(box.state() / "outbox").glob("report-*")]
    assert len(kept) >= 2
    topology.restore_internet(box.place, "a")
    eventually("up again", lambda: _on_board(box, name)["presence"] == "up", patience=40)
    rows = eventually("what was kept", lambda: _caught_up(box, name, len(heard) + len(kept)), patience=20)
    assert [x["seq"] for x in rows] == sorted({x["seq"] for x in rows}), "each once, in its order"
    assert [b["seq"] - a["seq"] for a, b in pairwise(rows)] == [1] * (len(rows) - 1), "none is missing"
    late = [x for x in rows if x["late"]]
    assert late
    assert {json.loads(x["body"])["reason"] for x in late} <= {"line-lost", "losing-packets", "no-internet"}
    assert all(x["received_at"] - x["happened_at"] > 15 for x in late)
    up = _on_board(box, name)["since"]
    assert up is not None
    last_in_time_before = max(x["received_at"] for x in heard if not x["late"])
    first_in_time_after = min(x["received_at"] for x in rows[len(heard) :] if not x["late"])
    assert first_in_time_after - last_in_time_before > OUTAGE_TOLD


def _caught_up(box: World, name: str, count: int) -> list[dict[str, Any]] | None:
    rows = box.reports(name)
    return rows if len(rows) >= count and not rows[-1]["late"] else None


def test_a_box_that_hq_revokes_is_cut_off_at_once_and_says_so(box: World) -> None:
    name = box.protected()
    box.laptop.start()
    lan = box.status()["lan"]
    box.laptop.wait(FLEET, patience=30)
    device = f"{box.place.prefix}-hub"
    assert lan in box.inside("hq", "wg", "show", device, "allowed-ips")
    box.ask_hub("revoke", box=name)
    assert lan not in box.inside("hq", "wg", "show", device, "allowed-ips")
    assert lan not in box.inside("hq", "nft", "list", "ruleset")
    assert air.tcp(box.namespace("laptop"), desk.ADDRESS, desk.PORT) != "open"
    status = box.until("BLOCKED", "revoked", patience=14)
    assert status["number"] == "3-01"
    assert "停止" in status["words"]["ja"]["what"]
    laptop = box.namespace("laptop")
    eventually("a refusal", lambda: air.tcp(laptop, desk.ADDRESS, desk.PORT) == "prohibited")
    assert not box.status()["desktops"]
    assert "BLOCKED" in box.cli("box", "status").stdout
    box.power_off()
    box.power_on()
    assert box.until("BLOCKED", "revoked")["phase"] == "BLOCKED", "a power cut does not make it forget"
