"""Processes that are kept running: found again by a new daemon, ended for certain, and never a stranger's."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core.machine import Unit
from appliance.host import namespaces
from appliance.host.run import Failed
from appliance.host.units import ProcessUnits
from tests.host.spaces import needs_root, spaces

SLEEP = ("sleep", "60")


@pytest.fixture
def units(tmp_path: Path) -> Iterator[ProcessUnits]:
    units = ProcessUnits(tmp_path, {"OURS": "1"})
    yield units
    units.stop_all()


def _unit(*command: str, name: str = "web", config: str = "1") -> Unit:
    return Unit(name=name, command=command, namespace="", config=config)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_unit_runs_under_the_configuration_it_was_started_with(units: ProcessUnits) -> None:
    units.restart(_unit(*SLEEP))
    assert units.running() == (("web", "1"),)
    first = units.pid("web")
    units.restart(_unit(*SLEEP, config="2"))
    assert units.running() == (("web", "2"),)
    assert first is not None
    assert _gone(first)


def test_a_new_daemon_finds_what_the_old_one_started(units: ProcessUnits, tmp_path: Path) -> None:
    units.restart(_unit(*SLEEP))
    heir = ProcessUnits(tmp_path, {})
    assert heir.running() == (("web", "1"),)
    assert heir.pid("web") == units.pid("web")


def test_a_killed_unit_does_not_run(units: ProcessUnits) -> None:
    units.restart(_unit(*SLEEP))
    pid = units.pid("web")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a zombie now: its parent has not looked yet
    assert units.running() == ()
    assert units.pid("web") is None


def test_a_stranger_with_the_same_number_is_neither_counted_nor_ended(
    units: ProcessUnits, tmp_path: Path
) -> None:
    record = {"pid": os.getpid(), "start": 1, "config": "1", "namespace": ""}
    (tmp_path / "units" / "web.json").write_text(json.dumps(record))
    assert units.running() == ()
    units.stop("web")  # we are still here


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_torn_record_is_no_unit(units: ProcessUnits, tmp_path: Path, torn: str) -> None:
    (tmp_path / "units" / "web.json").write_text(torn)
    assert units.running() == ()
    units.restart(_unit(*SLEEP))
    assert units.running() == (("web", "1"),)


def test_who_does_not_listen_is_ended_all_the_same(units: ProcessUnits, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    units.restart(_unit("sh", "-c", f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"))
    deadline = time.monotonic() + 5
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pid = units.pid("web")
    assert pid is not None
    units.stop("web")
    assert _gone(pid)


def test_a_program_that_is_not_there_is_a_failure_with_its_name(units: ProcessUnits) -> None:
    with pytest.raises(Failed, match="web"):
        units.restart(_unit("/no/such/program"))
    assert units.running() == ()


@needs_root
def test_a_unit_is_an_unprivileged_user_in_its_namespace_with_its_own_environment(
    units: ProcessUnits, tmp_path: Path
) -> None:
    with spaces(1) as (space,):
        unit = Unit(
            name="web", command=SLEEP, namespace=space, user=64301, group=64301, environment=(("MINE", "2"),)
        )
        units.restart(unit)
        pid = units.pid("web")
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Uid:\t64301\t64301\t64301\t64301" in status
        assert "Gid:\t64301\t64301\t64301\t64301" in status
        assert "Groups:\t \n" in status or "Groups:\t\n" in status
        inner = Path(f"/proc/{pid}/ns/net").stat().st_ino
        assert inner == (namespaces.RUN / space).stat().st_ino
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {b"OURS=1", b"MINE=2"} <= set(environment)
        assert not [x for x in environment if x.startswith(b"HOME=")]
        units.stop("web")


@needs_root
def test_who_was_left_behind_in_a_deleted_namespace_does_not_count(units: ProcessUnits) -> None:
    with spaces(1) as (space,):
        units.restart(Unit(name="web", command=SLEEP, namespace=space))
        assert units.running() == (("web", ""),)
        namespaces.remove(space)
        assert units.running() == ()
        namespaces.make(space)
        assert units.running() == ()
        units.restart(Unit(name="web", command=SLEEP, namespace=space))
        assert units.running() == (("web", ""),)
        units.stop("web")
