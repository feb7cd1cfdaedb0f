"""Recorded boxes: config and observed in, the whole plan and the whole ruleset out, to be read by people.

`NOROSHI_GOLDEN=write pytest tests/core/test_golden.py` writes what comes out now; read the difference before it
is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.core.codec import load
from appliance.core.machine import Firewall, Machine, Observed
from appliance.core.model import Config
from appliance.core.plan import plan
from tests.core.decide import decide, line
from tests.machines import BOX_MACHINE

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(x.parent.name for x in FOLDER.glob("*/config.json"))


def ruleset_of(firewalls: tuple[Firewall, ...]) -> str:
    return "".join(f"# namespace: {x.namespace or 'outside'}\n{x.ruleset}" for x in firewalls)


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_box_gets_its_golden_plan_and_ruleset(name: str) -> None:
    folder = FOLDER / name
    config = load(Config, json.loads((folder / "config.json").read_text("utf-8")))
    observed = load(Observed, json.loads((folder / "observed.json").read_text("utf-8")))
    machine = BOX_MACHINE
    if (folder / "machine.json").exists():
        machine = load(Machine, json.loads((folder / "machine.json").read_text("utf-8")))
    status, desired = decide(config, observed, machine)
    head = f"{status.phase} {status.reason}\n"
    made = {
        "plan.txt": head + "".join(f"{line(x)}\n" for x in plan(desired, observed)),
        "ruleset.nft": ruleset_of(desired.firewalls),
    }
    for file, text in made.items():
        if os.environ.get("NOROSHI_GOLDEN") == "write":
            (folder / file).write_text(text, "utf-8")
        assert (folder / file).read_text("utf-8") == text


def test_there_is_a_recorded_box_that_needs_nothing() -> None:
    plans = {x: (FOLDER / x / "plan.txt").read_text("utf-8").splitlines() for x in CASES}
    assert plans["shelter-open"] == ["PROTECTED all-well"]
    phases = {x[0].split()[0] for x in plans.values()}
    assert phases == {"SETUP", "CONNECTING", "STANDBY", "PROTECTED", "DEGRADED", "BLOCKED"}
