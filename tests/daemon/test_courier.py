"""The courier against a hub on a real socket: it may lose a letter, never keep others from arriving."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from appliance import courier
from appliance.courier import BATCH, carry_enrolment, carry_reports, lay, letters


class Hub(ThreadingHTTPServer):
    daemon_threads = True
    status = 200
    answer: bytes = b'{"accepted": []}'
    encoding = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who has read enough hangs up
            self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    monkeypatch.setattr(courier, "PORT", server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in ("run/outbox", "run/inbox", "state/outbox"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "run"


def write(folder: Path, number: int, text: str = "") -> Path:
    path = folder / "outbox" / f"report-{number:014d}-{number:06d}.json"
    path.write_text(text or json.dumps({"body": str(number), "signature": "x"}))
    return path


def test_reports_go_oldest_first_from_both_outboxes_and_are_then_deleted(hub: Hub, run: Path) -> None:
    state = run.parent / "state"
    for i in (3, 1):
        write(run, i)
    write(state, 2)
    assert carry_reports(run, state, "127.0.0.1", "boot") is True
    (path, envelope), = hub.asked  # fmt: skip
    assert path == "/reports" and envelope["boot_id"] == "boot" and envelope["uptime"] > 0
    assert [x["body"] for x in envelope["reports"]] == ["1", "2", "3"]
    assert letters([run / "outbox", state / "outbox"], "*.json") == []
    assert json.loads((run / "inbox" / "reports.json").read_text())["status"] == 200
    assert carry_reports(run, state, "127.0.0.1", "boot") is False


def test_a_hub_that_refuses_or_stumbles_costs_no_report(hub: Hub, run: Path) -> None:
    hub.status = 503
    write(run, 1)
    with pytest.raises(OSError, match="503"):
        carry_reports(run, run.parent / "state", "127.0.0.1", "boot")
    assert len(letters([run / "outbox"], "report-*.json")) == 1
    assert not list((run / "inbox").iterdir())


def test_a_hundred_unreadable_reports_do_not_block_the_good_one_behind_them(hub: Hub, run: Path) -> None:
    state = run.parent / "state"
    for i in range(BATCH):
        write(state, i, "{torn")
    write(run, 500)
    for _ in range(2):
        carry_reports(run, state, "127.0.0.1", "boot")
    assert [x["body"] for _, y in hub.asked for x in y["reports"]] == ["500"]


def test_an_answer_that_is_not_json_is_laid_down_as_nothing(hub: Hub, run: Path) -> None:
    hub.answer = b"<html>"
    write(run, 1)
    carry_reports(run, run.parent / "state", "127.0.0.1", "boot")
    assert json.loads((run / "inbox" / "reports.json").read_text())["answer"] is None


def test_an_enrolment_is_carried_with_whatever_hq_said(hub: Hub, run: Path) -> None:
    hub.status, hub.answer = 403, b'{"error": {"code": "ticket-used"}}'
    (run / "outbox" / "enrol-1.json").write_text('{"ticket": "1"}')
    assert carry_enrolment(run, "127.0.0.1") is True
    assert hub.asked == [("/enrol", {"ticket": "1"})]
    laid = json.loads((run / "inbox" / "enrol-1.json").read_text())
    assert laid == {"status": 403, "answer": {"error": {"code": "ticket-used"}}}
    assert carry_enrolment(run, "127.0.0.1") is False


def test_a_letter_is_laid_whole_or_not_at_all(run: Path) -> None:
    lay(run / "inbox", "x", {"a": 1})
    assert [x.name for x in (run / "inbox").iterdir()] == ["x.json"]


# ------------------------------------------------------------------------------------ packed answers


def carried(hub: Hub, run: Path) -> Any:
    write(run, 1)
    assert carry_reports(run, run.parent / "state", "127.0.0.1", "boot") is True
    assert letters([run / "outbox"], "*.json") == []
    return json.loads((run / "inbox" / "reports.json").read_text())["answer"]


def test_a_packed_answer_is_read(hub: Hub, run: Path) -> None:
    hub.encoding, hub.answer = "gzip", gzip.compress(json.dumps({"assignment": "x" * 200_000}).encode())
    assert len(carried(hub, run)["assignment"]) == 200_000


@pytest.mark.parametrize(
    "answer", [b"", b"no gzip", gzip.compress(b"{}")[:-9], gzip.compress(b"x" * 99)[:40]]
)
def test_a_torn_answer_is_no_answer(hub: Hub, run: Path, answer: bytes) -> None:
    hub.encoding, hub.answer = "gzip", answer
    assert carried(hub, run) is None


def test_an_answer_that_would_grow_without_end_is_unpacked_to_its_limit_only() -> None:
    bomb = gzip.compress(bytes(256 << 20), 9)
    assert len(bomb) < courier.MAX_PACKED  # guard: by its packed size it would pass
    begun = time.monotonic()
    tracemalloc.start()
    assert courier.unpacked(bomb) == b""
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * courier.MAX_ANSWER and time.monotonic() - begun < 2
    assert courier.unpacked(gzip.compress(b"{}")) == b"{}"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_larger_than_anything_hq_says_is_not_read_to_its_end(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(courier, "MAX_ANSWER", 1000)
    monkeypatch.setattr(courier, "MAX_PACKED", 1000)
    hub.encoding, hub.answer = encoding, os.urandom(5_000_000)
    assert carried(hub, run) is None


def test_an_answer_that_takes_too_long_costs_no_report(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "ANSWER_WITHIN", -1.0)
    write(run, 1)
    with pytest.raises(TimeoutError):
        carry_reports(run, run.parent / "state", "127.0.0.1", "boot")
    assert len(letters([run / "outbox"], "report-*.json")) == 1
