"""The loop itself, in a process of its own: it wakes, obeys between turns, and answers when the work is done."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from appliance.core.codec import digest
from appliance.core.machine import Desired, Failure, FileContent, Firewall, Observed
from appliance.core.plan import Step, WriteFile
from appliance.core.words import Refused
from appliance.daemon import SETTLE, Bell, Daemon, drain, open_button
from appliance.host.simulated import after_step
from appliance.trouble import FAILURES_TOLD


class Board:
    """A machine with files only."""

    def __init__(self) -> None:
        self.state = Observed(now=0.0)
        self.fails = 0
        self.forgets = False

    def observe(self, desired: Desired | None) -> Observed:
        return Observed(now=0.0) if self.forgets else self.state

    def apply(self, step: Step) -> Failure | None:
        if self.fails:
            self.fails -= 1
            return Failure(step=type(step).__name__, message="no", at=0.0)
        self.state = after_step(self.state, step)
        return None


class Writer:
    """A role that wants one file to hold what it was told last."""

    def __init__(self) -> None:
        self.wanted = "first"
        self.told: list[bool] = []
        self.seen: list[int] = []
        self.pause = 30.0
        self.during: Callable[[], object] | None = None  # what happens while a turn is being decided

    def judge(self, observed: Observed) -> Desired:
        self.seen.append(len(observed.failures))
        happens, self.during = self.during, None
        if happens:
            happens()
        return Desired(files=frozenset({FileContent(path="/run/x", content=self.wanted)}))

    def closed(self) -> tuple[Firewall, ...]:
        return ()

    def after(self, observed: Observed, settled: bool) -> None:
        self.told.append(settled)

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        return {"wanted": self.wanted, "uid": uid}

    def obey(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        if request.get("bad"):
            raise Refused("bad-value")
        if request.get("broken"):
            raise KeyError("broken")
        self.wanted = request["wanted"]
        return {"obeyed": uid}

    def changes(self, request: dict[str, Any]) -> bool:
        return "wanted" in request or "bad" in request or "broken" in request

    def next_time(self, now: float) -> float:
        return self.pause


class Parts:
    def __init__(self) -> None:
        self.machine, self.role, self.bell = Board(), Writer(), Bell()
        self.daemon = Daemon(self.machine, self.role, self.bell)

    def close(self) -> None:
        self.bell.socket.close()
        self.bell._far_end.close()


@pytest.fixture
def parts() -> Iterator[Parts]:
    made = Parts()
    yield made
    made.close()


def test_turning_stops_when_nothing_is_left_to_do(parts: Parts) -> None:
    parts.daemon.settle()
    assert parts.daemon.turns == 2 and parts.role.told == [False, True]
    parts.daemon.settle()
    assert parts.daemon.turns == 3


def test_a_machine_that_never_settles_does_not_hold_the_loop(parts: Parts) -> None:
    parts.machine.forgets = True
    parts.daemon.settle()
    assert parts.daemon.turns == SETTLE


def test_who_watches_hears_nothing_before_the_first_work_is_done_and_then_of_every_step(parts: Parts) -> None:
    parts.machine.forgets = True
    heard: list[int] = []

    def alive() -> None:
        heard.append(parts.daemon.turns)
        if len(heard) == 4:
            parts.daemon.stop()

    handlers = {x: signal.getsignal(x) for x in (signal.SIGTERM, signal.SIGINT)}
    try:
        parts.daemon.run(lambda: (), alive, pace=0.01)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert heard[:4] == [SETTLE, SETTLE + 1, SETTLE + 2, SETTLE + 3]


def test_a_failure_is_told_to_the_role_only_when_it_stays(parts: Parts) -> None:
    parts.machine.fails = FAILURES_TOLD + 1
    for _ in range(FAILURES_TOLD + 3):
        parts.daemon.turn()
    assert parts.role.seen == [0] * FAILURES_TOLD + [1, 1, 0]


def test_while_something_fails_the_next_look_is_soon(parts: Parts) -> None:
    parts.machine.fails = 1
    parts.daemon.turn()
    assert parts.daemon._pause() == 1.0
    parts.daemon.turn()
    assert parts.daemon._pause() == 30.0


def test_a_question_is_answered_at_once_without_the_loop(parts: Parts) -> None:
    assert parts.daemon.ask({"ask": "status"}, 7) == {"wanted": "first", "uid": 7}


# ------------------------------------------------------------------------------------- as a process


def in_the_loop(parts: Parts, work: Callable[[], bool], tmp_path: Path) -> None:
    """The loop runs here, `work` in another thread, which ends the loop by a real SIGTERM as soon as it is done."""
    button = open_button(tmp_path / "wake")
    came_round = threading.Event()  # from then on the loop minds the signal
    said: list[bool] = []

    def other() -> None:
        try:
            said.append(came_round.wait(20) and work())
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = {x: signal.signal(x, signal.SIG_IGN) for x in (signal.SIGTERM, signal.SIGINT)}
    guest = threading.Thread(target=other, daemon=True)
    guest.start()
    try:
        parts.daemon.run(lambda: (button,), came_round.set)
        guest.join(20)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        button.close()
    assert said == [True]


def test_a_change_is_answered_once_the_machine_is_as_it_should_be(parts: Parts, tmp_path: Path) -> None:
    def work() -> bool:
        answer = parts.daemon.ask({"ask": "write", "wanted": "second"}, 5)
        return answer == {"obeyed": 5} and dict(parts.machine.state.files)["/run/x"] == digest("second")

    in_the_loop(parts, work, tmp_path)


def test_a_refusal_and_a_mistake_reach_the_guest_and_the_loop_goes_on(parts: Parts, tmp_path: Path) -> None:
    def work() -> bool:
        caught = []
        for request in ({"ask": "x", "bad": 1}, {"ask": "x", "broken": 1}):
            try:
                parts.daemon.ask(request, 0)
            except (Refused, KeyError) as error:
                caught.append(type(error))
        return caught == [Refused, KeyError] and parts.daemon.ask({"ask": "x", "wanted": "3"}, 1) == {
            "obeyed": 1
        }

    in_the_loop(parts, work, tmp_path)


def test_the_button_wakes_the_loop(parts: Parts, tmp_path: Path) -> None:
    def work() -> bool:
        for _ in range(200):
            if parts.role.told and parts.role.told[-1]:
                break
            time.sleep(0.01)
        before = parts.daemon.turns
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as finger:
            finger.sendto(b"!", str(tmp_path / "wake"))
        for _ in range(300):
            if parts.daemon.turns > before:
                return True
            time.sleep(0.01)
        return False

    in_the_loop(parts, work, tmp_path)


def test_what_happens_during_a_turn_is_looked_at_in_another_one(parts: Parts, tmp_path: Path) -> None:
    """A link is lost, or a letter comes, just after the machine was observed."""

    def work() -> bool:
        for _ in range(300):
            if parts.role.told and parts.role.told[-1]:
                break
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as finger:
            finger.connect(str(tmp_path / "wake"))
            parts.role.during = lambda: finger.send(b"!")
            before = parts.daemon.turns
            finger.send(b"!")
            for _ in range(300):
                if parts.daemon.turns >= before + 2:
                    return True
                time.sleep(0.01)
        return False

    in_the_loop(parts, work, tmp_path)


def test_fifty_changes_at_once_are_all_obeyed_in_some_order(parts: Parts, tmp_path: Path) -> None:
    def work() -> bool:
        with ThreadPoolExecutor(50) as guests:
            asked = [guests.submit(parts.daemon.ask, {"ask": "x", "wanted": str(i)}, i) for i in range(50)]
            return [x.result()["obeyed"] for x in asked] == list(range(50))

    in_the_loop(parts, work, tmp_path)


def test_draining_reads_everything_and_minds_nothing(parts: Parts) -> None:
    for _ in range(5):
        parts.bell.ring()
    drain([parts.bell.socket])
    with pytest.raises(BlockingIOError):
        parts.bell.socket.recv(1)


def test_a_bell_rung_too_often_does_not_block_who_rings(parts: Parts) -> None:
    for _ in range(10_000):
        parts.bell.ring()
    assert isinstance(WriteFile(file=FileContent(path="/x", content="")), WriteFile)
