"""Recorded boxes: config and observed in, the whole plan and the whole ruleset out, to be read by people.

`NOROSHI_GOLDEN=write pytest tests/core/test_golden.py` writes what comes out now; read the difference before it
is committed. A recorded box that had the golden ruleset loaded then has the new one loaded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.core.codec import digest, load
from appliance.core.machine import Firewall, Machine, Observed
from appliance.core.model import Config
from appliance.core.plan import plan
from tests.core.decide import decide, line
from tests.machines import BOX_MACHINE

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(x.parent.name for x in FOLDER.glob("*/config.json"))


def write(folder: Path, firewalls: tuple[Firewall, ...]) -> Observed:
    """The new ruleset, and the recorded box as it is where that one is loaded."""
    recorded, golden = folder / "observed.json", folder / "ruleset.nft"
    text = recorded.read_text("utf-8")
    for old, new in zip(rulesets_in(golden.read_text("utf-8")), firewalls, strict=True):
        text = text.replace(digest(old), digest(new.ruleset))
    recorded.write_text(text, "utf-8")
    golden.write_text(ruleset_of(firewalls), "utf-8")
    return load(Observed, json.loads(text))


def rulesets_in(text: str) -> list[str]:
    return [x.split("\n", 1)[1] for x in text.split("# namespace: ")[1:]]


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
    if os.environ.get("NOROSHI_GOLDEN") == "write":
        observed = write(folder, desired.firewalls)
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
