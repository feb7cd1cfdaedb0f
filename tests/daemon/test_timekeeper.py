"""The box's time from a wrong start to HQ's: real papers, a real file for the mark, a clock that stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.clock import Paper
from appliance.core.codec import dump_private
from appliance.core.enrolment import sign
from appliance.host import mark
from appliance.host.clock import MachineClock, Moments
from appliance.timekeeper import Timekeeper
from tests.daemon.still_clock import StillClock
from tests.machines import DAY, HQ, NOW, signing_pair

HOUR, YEAR = 3600.0, 365 * DAY
WRONG = {"1970": 10.0, "-1 hour": NOW - HOUR, "-1 day": NOW - DAY, "+10 years": NOW + 10 * YEAR}


def paper(nonce: str, time: float = NOW, forgets: bool = False) -> str:
    return sign(dump_private(Paper(nonce=nonce, time=time, forgets=forgets)), HQ.signing_private)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clock.mark"


@pytest.mark.parametrize("start", WRONG.values(), ids=WRONG)
def test_hq_sets_any_clock_right_and_keeps_the_mark(path: Path, start: float) -> None:
    clock = StillClock(start)
    keeper = Timekeeper(clock, path)
    nonce = keeper.question()["nonce"]
    keeper.read(paper(nonce), HQ.signing_key, handshake=0.0)
    assert clock.now() == pytest.approx(NOW)
    assert keeper.signed
    assert mark.read(path) == NOW


@pytest.mark.parametrize("start", WRONG.values(), ids=WRONG)
def test_after_a_power_cut_the_clock_starts_at_the_mark_and_a_clock_ahead_leaves_the_mark_alone(
    path: Path, start: float
) -> None:
    mark.write(path, NOW)
    clock = StillClock(start)
    keeper = Timekeeper(clock, path)
    assert clock.now() == max(start, NOW + 1)
    assert not keeper.signed
    assert mark.read(path) == NOW
    assert keeper.mark == NOW


def test_a_torn_mark_is_read_from_its_other_record_and_two_torn_ones_stop_nothing(path: Path) -> None:
    mark.write(path, NOW)
    path.write_bytes(b"torn" + path.read_bytes()[4:])
    clock = StillClock(10.0)
    Timekeeper(clock, path)
    assert clock.now() == NOW + 1
    path.write_bytes(b"torn")
    clock = StillClock(10.0)
    assert Timekeeper(clock, path, papers=NOW - DAY).mark == NOW - DAY


def test_without_a_mark_the_newest_signed_paper_is_the_floor(path: Path) -> None:
    clock = StillClock(10.0)
    Timekeeper(clock, path, papers=NOW)
    assert clock.now() == NOW + 1


def test_stepping_back_waits_until_hq_forgets_the_last_handshake(path: Path) -> None:
    clock = StillClock(NOW + 10 * YEAR)
    keeper = Timekeeper(clock, path)
    first = keeper.question()
    assert first["forget"] is False
    keeper.read(paper(first["nonce"]), HQ.signing_key, handshake=clock.now() - 1)
    assert clock.now() > NOW + YEAR, "not yet: the next handshake would be refused"
    assert keeper.ahead == pytest.approx(10 * YEAR)
    assert keeper.until_question() == 0.0, "at once"
    second = keeper.question()
    assert second["forget"] is True
    keeper.read(paper(second["nonce"], forgets=True), HQ.signing_key, handshake=clock.now() - 1)
    assert clock.now() == pytest.approx(NOW, abs=1)
    assert keeper.ahead == 0.0
    assert not keeper.take_renewal(), "HQ needs a moment"
    clock.wait(keeper.until_handshake())
    assert keeper.take_renewal(), "our own end shakes hands anew"
    assert not keeper.take_renewal()
    assert keeper.until_handshake() == float("inf")


def test_where_the_clock_is_not_ours_only_decisions_move_and_nobody_is_forgotten(path: Path) -> None:
    clock = StillClock(NOW + 10 * YEAR, handshakes=False)
    keeper = Timekeeper(clock, path)
    keeper.read(paper(keeper.question()["nonce"]), HQ.signing_key, handshake=clock.now() - 1)
    assert clock.now() == pytest.approx(NOW)
    assert keeper.until_handshake() == float("inf")


@pytest.mark.parametrize("fault", ["replayed", "old", "forged", "not-ours", "altered", "junk"])
def test_nothing_but_a_fresh_signed_answer_counts(path: Path, fault: str) -> None:
    clock = StillClock(NOW)
    keeper = Timekeeper(clock, path)
    nonce = keeper.question()["nonce"]
    far = paper(nonce, NOW + YEAR)
    if fault == "replayed":
        keeper.read(paper(nonce), HQ.signing_key, 0.0)
    if fault == "old":
        clock.wait(31)
    if fault == "forged":
        far = sign(dump_private(Paper(nonce=nonce, time=NOW + YEAR)), signing_pair(77)[0])
    if fault == "not-ours":
        far = paper("0" * 32, NOW + YEAR)
    if fault == "altered":
        far = far.replace("18", "19", 1)
    if fault == "junk":
        far = "[" * 5000
    keeper.read(far, HQ.signing_key, 0.0)
    assert clock.now() < NOW + DAY
    assert not path.exists() or mark.read(path) == NOW


def test_a_signed_ticket_or_assignment_is_no_time(path: Path) -> None:
    clock = StillClock(NOW)
    keeper = Timekeeper(clock, path)
    nonce = keeper.question()["nonce"]
    keeper.read(sign({"nonce": nonce, "time": NOW + YEAR, "box": "x"}, HQ.signing_private), HQ.signing_key, 0)
    assert clock.now() == NOW


def test_the_mark_is_written_once_in_ten_minutes(path: Path) -> None:
    clock = StillClock(NOW)
    keeper = Timekeeper(clock, path)
    written = set()
    for _ in range(6 * 60):
        keeper.read(paper(keeper.question().get("nonce", "0" * 32), clock.now()), HQ.signing_key, 0.0)
        written.add(mark.read(path))
        clock.wait(10)
    assert 4 <= len(written) <= 7


def test_a_clock_that_somebody_else_sets_is_noticed(path: Path) -> None:
    clock = StillClock(NOW)
    keeper = Timekeeper(clock, path)
    keeper.read(paper(keeper.question()["nonce"]), HQ.signing_key, 0.0)
    clock.wait(20)
    assert keeper.jumped() == 0.0
    clock.set(NOW - DAY)
    assert keeper.jumped() == pytest.approx(-DAY - 20)
    keeper.distrust()
    assert keeper.question(), "asked again at once"


def test_the_phone_helps_only_until_hq_spoke(path: Path) -> None:
    mark.write(path, NOW - DAY)
    clock = StillClock(10.0)
    keeper = Timekeeper(clock, path)
    keeper.phone(NOW + 10 * YEAR)
    assert clock.now() == NOW - DAY + 1
    keeper.phone(NOW)
    assert clock.now() == NOW
    assert mark.read(path) == NOW - DAY, "a phone never moves the mark"
    keeper.read(paper(keeper.question()["nonce"]), HQ.signing_key, 0.0)
    keeper.phone(NOW + DAY)
    assert clock.now() == NOW


def test_an_offset_never_touches_the_machine(path: Path) -> None:
    clock = MachineClock(may_set=False)
    before = clock.now()
    clock.set(before + YEAR)
    assert clock.now() == pytest.approx(before + YEAR, abs=5)
    assert MachineClock(may_set=False).now() == pytest.approx(before, abs=5)


def test_a_handshake_keeps_its_age_whatever_happens_to_the_clock() -> None:
    clock = StillClock(10.0)
    moments = Moments(clock, clock.now)
    moments.looked()
    clock.wait(3)
    assert moments.held("a", 12.0) == 12.0
    moments.looked()
    clock.set(NOW)
    assert moments.held("a", 12.0) == NOW - 1
    clock.wait(50)
    assert moments.held("a", 12.0) == NOW - 1
    moments.looked()
    clock.wait(1)
    assert moments.held("b", 20.0) == NOW + 50, (
        "dated before the step, seen after it: not older than our last look"
    )
    assert moments.held("a", 0.0) == 0.0
