"""What systemd hears from the daemon."""

from __future__ import annotations

import socket
from pathlib import Path

from appliance.host.notify import Supervisor


def test_the_first_word_is_ready_and_every_further_one_that_it_lives(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "ear"))
        supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "ear"), "WATCHDOG_USEC": "30000000"})
        supervisor.alive()
        supervisor.alive()
        assert [ear.recv(64), ear.recv(64)] == [b"READY=1", b"WATCHDOG=1"]
    assert supervisor.pace == 10.0


def test_an_address_without_a_file_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0noroshi-test-notify")
        Supervisor({"NOTIFY_SOCKET": "@noroshi-test-notify"}).alive()
        assert ear.recv(64) == b"READY=1"


def test_where_no_systemd_is_nobody_is_told_and_nothing_is_hurried() -> None:
    supervisor = Supervisor({})
    supervisor.alive()
    assert supervisor.pace == float("inf")


def test_a_supervisor_that_died_harms_nobody(tmp_path: Path) -> None:
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "junk"}).alive()
