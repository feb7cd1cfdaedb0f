"""The register keeps what was told, and only what came in time says how things are now."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from appliance.hub import board
from appliance.hub.records import KEEP_LINES, Received, prune, record, settle
from appliance.hub.register import flips, latest, logs, milestones, proofs, reports
from appliance.hub.reports import Envelope, Signed, read_report
from tests.hub.sender import Sender

T = 2_000_000.0  # HQ's clock


@pytest.fixture
def box() -> Sender:
    return Sender("box-0001", "10.210.0.3")


def deliver(
    engine: sa.Engine, box: Sender, bodies: list[dict[str, Any]], now: float, **envelope: Any
) -> list[int]:
    signed = [box.sign(body) for body in bodies]
    received = [Received(report=read_report(s["body"]), signed=Signed(**s)) for s in signed]
    told: dict[str, Any] = {"boot_id": box.boot, "uptime": box.uptime} | envelope
    return record(engine, box.box, Envelope(reports=(), **told), received, now)


def row(engine: sa.Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        return dict(connection.execute(sa.select(latest)).mappings().one())


def told(engine: sa.Engine, what: str) -> list[tuple[float, str, str]]:
    query = sa.select(flips.c.at, flips.c.before, flips.c.after).where(flips.c.what == what)
    with engine.connect() as connection:
        return [tuple(r) for r in connection.execute(query.order_by(flips.c.at, flips.c.id))]


def count(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(reports)) or 0


def test_a_report_in_time_brings_the_box_up(engine: sa.Engine, box: Sender) -> None:
    assert deliver(engine, box, [box.body()], T) == [1]
    assert (row(engine)["last_ping"], row(engine)["first_ping"], row(engine)["presence"]) == (T, T, "up")
    assert told(engine, "presence") == [(T, "never", "up")]
    assert told(engine, "phase") == [(T - 30, "", "PROTECTED")]


def test_the_same_report_again_is_accepted_without_a_second_row_and_moves_nothing(
    engine: sa.Engine, box: Sender
) -> None:
    body = box.body()
    deliver(engine, box, [body], T)
    assert deliver(engine, box, [body, body], T + 100) == [1]
    assert count(engine) == 1
    assert row(engine)["last_ping"] == T


def test_late_reports_never_count_as_up(engine: sa.Engine, box: Sender) -> None:
    deliver(engine, box, [box.body()], T)
    stored = []
    for _ in range(30):
        box.uptime += 10
        stored.append(box.body(phase="CONNECTING", reason="hub-silent", since=1_000_110.0))
    box.uptime += 100
    assert settle(engine, T + 390) == 1
    deliver(engine, box, stored, T + 400)
    assert row(engine)["last_ping"] == T
    assert row(engine)["presence"] == "down"
    assert told(engine, "presence")[-1] == (T + 45, "late", "down")


def test_late_reports_fill_the_gap_of_the_timeline(engine: sa.Engine, box: Sender) -> None:
    deliver(engine, box, [box.body()], T)
    box.uptime += 200
    deliver(engine, box, [box.body()], T + 200)
    assert told(engine, "phase") == [(T - 30, "", "PROTECTED")]
    cut = box.body(
        uptime=200.0, made_at=1_000_200.0, since=1_000_150.0, phase="CONNECTING", reason="no-uplink"
    )
    back = box.body(uptime=250.0, made_at=1_000_250.0, since=1_000_240.0)
    deliver(engine, box, [cut, back], T + 201, uptime=301.0)
    assert told(engine, "phase") == [
        (T - 30, "", "PROTECTED"),
        (T + 50, "PROTECTED", "CONNECTING"),
        (T + 140, "CONNECTING", "PROTECTED"),
    ]
    assert row(engine)["phase"] == "PROTECTED"


def test_an_outage_nobody_watched_is_in_the_timeline_with_its_true_times(
    engine: sa.Engine, box: Sender
) -> None:
    deliver(engine, box, [box.body()], T)
    box.uptime += 500
    deliver(engine, box, [box.body()], T + 500)
    assert told(engine, "presence") == [
        (T, "never", "up"),
        (T + 25, "up", "late"),
        (T + 45, "late", "down"),
        (T + 500, "down", "up"),
    ]


def test_reports_of_a_boot_that_is_over_are_late_whatever_the_envelope_says(
    engine: sa.Engine, box: Sender
) -> None:
    old = box.body()
    deliver(engine, box, [old], T)
    box.boot, box.uptime = "boot-b", 20.0
    deliver(engine, box, [box.body()], T + 60)
    with engine.begin() as connection:
        connection.execute(reports.delete())  # pruned long ago
    deliver(engine, box, [old], T + 1000, boot_id="boot-a", uptime=100.0)
    assert row(engine)["last_ping"] == T + 60


def test_an_older_number_of_the_same_boot_is_late_even_after_pruning(engine: sa.Engine, box: Sender) -> None:
    old, new = box.body(), box.body()
    deliver(engine, box, [old], T)
    deliver(engine, box, [new], T + 10)
    with engine.begin() as connection:
        connection.execute(reports.delete())
    deliver(engine, box, [old], T + 5000)
    assert row(engine)["last_ping"] == T + 10


def test_settling_twice_writes_each_flip_once(engine: sa.Engine, box: Sender) -> None:
    deliver(engine, box, [box.body()], T)
    assert [settle(engine, T + 30), settle(engine, T + 30), settle(engine, T + 90)] == [1, 0, 1]
    assert settle(engine, T + 91) == 0
    assert told(engine, "presence")[1:] == [(T + 25, "up", "late"), (T + 45, "late", "down")]


def test_a_box_with_a_clock_in_1970_has_a_true_timeline_all_the_same(engine: sa.Engine, box: Sender) -> None:
    deliver(engine, box, [box.body(made_at=50.0, since=20.0)], T)
    box.uptime += 10
    deliver(engine, box, [box.body(made_at=1_000_110.0, since=20.0)], T + 10)  # its clock was set meanwhile
    assert row(engine)["since"] >= T - 100  # not before it was switched on
    assert told(engine, "phase") == [(T - 30, "", "PROTECTED")]


def test_milestones_and_proofs_are_kept_once(engine: sa.Engine, box: Sender) -> None:
    proof = {"at": 5.0, "ok": True, "running": False, "rows": [{"what": "SMB", "target": "10.10.0.20:445",
             "expected": "closed", "outcome": "closed", "ok": True}]}  # fmt: skip
    for moment in range(3):
        box.uptime += 10
        deliver(engine, box, [box.body(milestones={"first-ping": 7.0}, proof=proof)], T + 10 * moment)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(milestones)) == 1
        assert connection.scalar(sa.select(sa.func.count()).select_from(proofs)) == 1
    seen = board.history(engine, "box-0001", T + 30)
    assert seen.proof is not None and seen.proof["rows"][0]["what"] == "SMB"


def test_old_reports_are_thinned_then_deleted_and_flips_stay(engine: sa.Engine, box: Sender) -> None:
    for moment in range(60):
        box.uptime += 10
        deliver(engine, box, [box.body()], T + 10 * moment)
    day = 86400.0
    assert prune(engine, T + day) == 0
    assert prune(engine, T + 3 * day) == 58
    assert prune(engine, T + 31 * day) == 2
    assert len(told(engine, "presence")) == 1


def test_what_a_box_said_is_dated_by_its_boot_clock_and_kept_with_a_bound(
    engine: sa.Engine, box: Sender
) -> None:
    line = {"at": box.uptime - 40.0, "source": "noroshi", "level": 3, "text": "the disk is full", "times": 2}
    body = box.body(log=[line], made_at=50.0)  # its clock is in 1970
    deliver(engine, box, [body], T)
    deliver(engine, box, [body], T)  # the same report again
    (kept,) = board.history(engine, "box-0001", T).log
    assert (kept["at"], kept["text"], kept["times"]) == (T - 40.0, "the disk is full", 2)
    for moment in range(12):
        box.uptime += 10
        many = [line | {"at": box.uptime - 1, "text": f"{moment} {x}"} for x in range(60)]
        deliver(engine, box, [box.body(log=many)], T + 10 + 10 * moment)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(logs)) == KEEP_LINES
    assert board.history(engine, "box-0001", T + 200).log[0]["text"].startswith("11 ")
