"""What the DHCP client calls: raw words of a stranger are written down, and nothing else happens."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.host.surroundings import LEASE_SCRIPT

SAID = {"interface": "eth0", "ip": "192.168.1.5", "mask": "24", "router": "192.168.1.1", "lease": "3600"}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "leases").mkdir()
    return tmp_path


def _call(run_folder: Path, what: str, **said: str) -> subprocess.CompletedProcess[str]:
    environment = {"NOROSHI_RUN_DIR": str(run_folder), "PATH": "/usr/bin:/bin", **SAID, **said}
    return subprocess.run(
        [sys.executable, "-IS", LEASE_SCRIPT, what],
        env=environment,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def test_a_lease_is_written_down_and_the_daemon_is_rung(run_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(run_folder / "wake"))
        bell.settimeout(5)
        assert _call(run_folder, "bound").returncode == 0
        assert bell.recv(8) == b"!"
    lease = json.loads((run_folder / "leases/eth0.json").read_text())
    assert (lease["ip"], lease["router"]) == ("192.168.1.5", "192.168.1.1")


@pytest.mark.parametrize("what", ["deconfig", "leasefail", "nak"])
def test_a_lease_that_ended_is_forgotten(run_folder: Path, what: str) -> None:
    _call(run_folder, "bound")
    assert _call(run_folder, what).returncode == 0
    assert list((run_folder / "leases").iterdir()) == []
    assert _call(run_folder, what).returncode == 0, "twice is as good as once"


def test_words_it_does_not_know_change_nothing(run_folder: Path) -> None:
    _call(run_folder, "bound")
    before = (run_folder / "leases/eth0.json").read_text()
    assert _call(run_folder, "informed", ip="9.9.9.9").returncode == 0
    assert (run_folder / "leases/eth0.json").read_text() == before


@pytest.mark.parametrize("link", ["../../etc/cron.d/x", "a/b", "", "..", "eth0\n", "$(id)"])
def test_a_name_that_is_no_link_is_written_nowhere(run_folder: Path, link: str) -> None:
    assert _call(run_folder, "bound", interface=link).returncode == 0
    assert list((run_folder / "leases").iterdir()) == []
    assert sorted(x.name for x in run_folder.iterdir()) == ["leases"]


def test_a_routers_long_and_strange_words_stay_data(run_folder: Path) -> None:
    said = _call(run_folder, "bound", router='"; rm -rf / #' + "x" * 5000, dns="1.1.1.1\n8.8.8.8")
    assert said.returncode == 0
    lease = json.loads((run_folder / "leases/eth0.json").read_text())
    assert len(lease["router"]) == 300
