"""The image's units, looked at by systemd's own tool: they are whole, and each may do little."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.core import modem_line
from appliance.core.machine import FileContent, Machine, Unit
from appliance.core.programs import box_programs
from appliance.host.systemd_units import start_command

UNITS = Path(__file__).parents[2] / "image/overlay/usr/lib/systemd/system"
MACHINE = Machine(uplinks=("eth0",))

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd's tools are not installed"
)


def overall(tmp_path: Path, name: str, text: str) -> float:
    """systemd-analyze's score: 0 is shut in, 10 is free."""
    (tmp_path / name).write_text(text)
    argv = ("systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name))
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    line = next(x for x in said.stdout.splitlines() if "Overall exposure" in x)
    return float(line.split(":")[1].split()[0])


def transient(name: str) -> str:
    """A program of the daemon's as systemd sees it: what it is told, and its drop-in."""
    unit = program(name)
    told = [x.removeprefix("--property=") for x in start_command(unit, {}) if x.startswith("--property=")]
    drop_in = (UNITS / f"noroshi-{name}.service.d/sandbox.conf").read_text()
    return "\n".join(["[Service]", "ExecStart=/bin/true", *told, drop_in])


def program(name: str) -> Unit:
    files = frozenset({FileContent(path="/run/noroshi/dnsmasq.conf", content="")})
    return {x.name: x for x in (*box_programs(MACHINE, (), files), modem_line.program(MACHINE))}[name]


@needs_systemd
@pytest.mark.parametrize(("name", "most"), [("web", 2.0), ("courier", 2.0)])
def test_who_talks_to_strangers_may_do_next_to_nothing(tmp_path: Path, name: str, most: float) -> None:
    assert overall(tmp_path, f"noroshi-{name}.service", transient(name)) <= most


@needs_systemd
def test_modemmanager_reaches_modems_and_no_network(tmp_path: Path) -> None:
    text = transient("modems")
    assert overall(tmp_path, "noroshi-modems.service", text) <= 4.0
    families = next(x for x in text.splitlines() if x.startswith("RestrictAddressFamilies="))
    assert "INET" not in families and "PACKET" not in families


@needs_systemd
def test_the_daemon_may_do_what_it_needs_and_no_more(tmp_path: Path) -> None:
    assert overall(tmp_path, "noroshi.service", (UNITS / "noroshi.service").read_text()) <= 4.0


@needs_systemd
def test_without_its_sandbox_a_program_would_be_free(tmp_path: Path) -> None:
    """Guard: the score does move."""
    bare = "[Service]\nExecStart=/bin/true\nUser=64301\n"
    assert overall(tmp_path, "noroshi-web.service", bare) > 8.0


@needs_systemd
@pytest.mark.parametrize("path", sorted(UNITS.glob("*.service")), ids=lambda x: x.name)
def test_a_unit_is_whole(tmp_path: Path, path: Path) -> None:
    lines = path.read_text().splitlines()
    kept = [
        "ExecStart=/bin/true" if x.startswith(("ExecStart", "ExecCondition")) else x
        for x in lines
        if not x.startswith("WantsMountsFor")  # newer than Debian 12's tool
    ]
    (tmp_path / path.name).write_text("\n".join(kept) + "\n")
    for other in UNITS.iterdir():
        if other.suffix == ".service" and other != path:
            (tmp_path / other.name).write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
        elif other.suffix != ".service" and other.is_file():
            shutil.copy(other, tmp_path)
    argv = ("systemd-analyze", "verify", "--man=no", str(tmp_path / path.name))
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert path.name not in said.stderr


def test_a_stick_is_looked_at_when_it_comes_and_again_when_hq_s_wish_does() -> None:
    (rule,) = [
        x
        for x in (UNITS.parents[1] / "udev/rules.d/90-noroshi-stick.rules").read_text().splitlines()
        if "SYSTEMD_WANTS" in x
    ]
    assert "noroshi-stick@%k.service" in rule and "noroshi-stick@%k.path" in rule
    waits = (UNITS / "noroshi-stick@.path").read_text().splitlines()
    assert f"PathChanged={MACHINE.run}/courier.json" in waits, "letters.py writes the wish there"
    assert {"Unit=noroshi-stick@%i.service", "BindsTo=dev-%i.device"} <= set(waits)
    assert "StartLimitIntervalSec=0" in (UNITS / "noroshi-stick@.service").read_text()
