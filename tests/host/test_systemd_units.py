"""Programs as units of systemd: what is asked, and what counts as running. systemd itself runs them on the image only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.core.machine import Unit
from appliance.host import namespaces
from appliance.host.systemd_units import SystemdUnits, start_command

WEB = Unit(
    name="web",
    command=("gunicorn", "app"),
    namespace="field",
    user=64301,
    group=64301,
    environment=(("NOROSHI_RUN_DIR", "/run/noroshi"),),
)


def test_a_program_starts_in_its_namespace_as_its_user_with_its_own_words_only() -> None:
    asked = start_command(WEB, {"PYTHONPATH": "", "OURS": "1"})
    assert asked[0] == "systemd-run"
    assert "--unit=noroshi-web.service" in asked
    assert "--property=NetworkNamespacePath=/run/netns/field" in asked
    assert "--property=User=64301" in asked
    assert "--setenv=NOROSHI_RUN_DIR=/run/noroshi" in asked
    assert "--setenv=OURS=1" in asked
    assert not [x for x in asked if "PYTHONPATH" in x]
    assert asked[asked.index("--") + 1 :] == ["gunicorn", "app"]


def test_a_program_of_the_machine_s_own_namespace_is_told_no_other() -> None:
    asked = start_command(Unit(name="hostapd", command=("hostapd",), namespace=""), {})
    assert not [x for x in asked if "NetworkNamespacePath" in x or "User=" in x]


@pytest.fixture
def units(tmp_path: Path) -> SystemdUnits:
    return SystemdUnits(tmp_path / "run", {}, tmp_path / "cgroups")


def _note(tmp_path: Path, name: str, content: str, *, populated: bool = True) -> None:
    (tmp_path / "run/units" / f"{name}.json").write_text(content)
    group = tmp_path / "cgroups" / f"noroshi-{name}.service"
    group.mkdir(parents=True)
    (group / "cgroup.events").write_text(f"populated {int(populated)}\nfrozen 0\n")


def _record(inside: int | None = None) -> str:
    here = namespaces.identity("") if inside is None else inside
    return json.dumps({"config": "7", "namespace": "", "inside": here})


def test_a_unit_counts_while_systemd_has_processes_of_it(units: SystemdUnits, tmp_path: Path) -> None:
    _note(tmp_path, "web", _record())
    assert units.running() == (("web", "7"),)


def test_a_fallen_unit_does_not_count(units: SystemdUnits, tmp_path: Path) -> None:
    _note(tmp_path, "web", _record(), populated=False)
    assert units.running() == ()


def test_a_unit_whose_namespace_was_made_anew_does_not_count(units: SystemdUnits, tmp_path: Path) -> None:
    _note(tmp_path, "web", _record(inside=1))
    assert units.running() == ()


@pytest.mark.parametrize("torn", ["", "{", "[]", "null"])
def test_a_torn_note_is_no_unit(units: SystemdUnits, tmp_path: Path, torn: str) -> None:
    _note(tmp_path, "web", torn)
    assert units.running() == ()


def test_stopping_what_never_ran_is_fine(units: SystemdUnits) -> None:
    units.stop("web")
