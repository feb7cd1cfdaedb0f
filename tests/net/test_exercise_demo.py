"""`scripts/demo --auto` itself: all of it happens, is reported as agreed, and nothing stays behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

CLONE = Path(__file__).parents[2]
PREFIX = f"exa{os.getpid()}"
EVENTS = ["power-on", "uplink", "ticket-accepted", "tunnel", "first-ping", "laptop-address", "first-pixels"]


def demo(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CLONE), "NOROSHI_EXERCISE": PREFIX}
    command = (sys.executable, "-m", "scripts.exercise", *argv)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def left_behind() -> list[str]:
    found = [str(path) for path in Path("/run/netns").glob(f"{PREFIX}*")]
    found += [
        str(path) for path in (*Path("/run").glob(f"{PREFIX}*"), *Path("/etc/netns").glob(f"{PREFIX}*"))
    ]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if PREFIX in process.read_text():
                found.append(process.read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_the_whole_chain_from_a_ticket_to_a_desktop_by_one_command(tmp_path: Path) -> None:
    done = demo("--auto", "--report", str(tmp_path / "report.json"), "--shots", str(tmp_path / "shots"))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "report.json").read_text())
    assert set(told) == {"events", "desktop", "ok"}
    assert [event["name"] for event in told["events"]] == EVENTS
    assert told["events"][0] == {"name": "power-on", "seconds": 0.0}
    assert told["ok"] is True
    assert told["desktop"]["colours"] > 1
    assert Path(told["desktop"]["screenshot"]).stat().st_size > 1000
    names = {path.name.split("-", 1)[1] for path in (tmp_path / "shots").glob("[0-9]*.png")}
    assert {"ticket.png", "site.png", "done.png"} <= names
    assert left_behind() == []


def test_down_is_at_peace_with_nothing_to_remove() -> None:
    done = demo("--down")
    assert done.returncode == 0
    assert left_behind() == []


def test_help_needs_no_root_and_names_every_option() -> None:
    said = subprocess.run(
        (CLONE / "scripts" / "demo", "--help"), capture_output=True, text=True, check=True
    ).stdout
    for option in ("--auto", "--report", "--shots", "--keep", "--down"):
        assert option in said
