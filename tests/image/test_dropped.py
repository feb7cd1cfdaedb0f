"""At each start a few lines of shell say whether there is anything on the boot partition to take: never no where the card's
own rules would take something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from appliance.core.card import NAME, is_ticket_name

OVERLAY = Path(__file__).parents[2] / "image/overlay/usr/lib"
SCRIPT = OVERLAY / "noroshi/dropped"
NOTHING = 3
HEX = "0123456789abcdef"
TAKEN = (NAME, "noroshi.ticket", "ticket.txt", f"noroshi-{HEX}.txt")
# What lies on every box's boot partition.
USUAL = (
    "EFI",
    "noroshi",
    "noroshi.args",
    "noroshi-card.txt",
    "noroshi-card.txt.bak",
    "boot.scr",
    "config.txt",
    "start4.elf",
)


def says(folder: Path) -> int:
    return subprocess.run((SCRIPT, folder), check=False, capture_output=True, timeout=10).returncode


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    for name in USUAL:
        (tmp_path / name).write_text("")
    return tmp_path


def test_a_box_that_nobody_gave_anything_starts_no_python(boot: Path) -> None:
    assert says(boot) == NOTHING
    assert says(boot / "not mounted") == NOTHING


def test_the_word_for_nothing_is_no_success_of_the_unit_s() -> None:
    """systemd holds what SuccessExitStatus= names for a yes to ExecCondition=, too, and Python would start each time."""
    unit = (OVERLAY / "systemd/system/noroshi-card.service").read_text()
    good = [
        x.removeprefix("SuccessExitStatus=").split() for x in unit.splitlines() if x.startswith("SuccessEx")
    ]
    assert str(NOTHING) not in sum(good, ["0"])


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
def test_whatever_may_be_taken_is_noticed(boot: Path, name: str, written: object) -> None:
    assert callable(written)
    dropped = written(name)
    assert dropped.lower() == NAME or is_ticket_name(dropped), "guard: the rules would take it"
    (boot / dropped).write_text("x")
    assert says(boot) == 0


@pytest.mark.parametrize("name", [*(f"{x}.going" for x in TAKEN), ".noroshi.card.going"])
def test_what_a_power_cut_left_half_wiped_is_noticed(boot: Path, name: str) -> None:
    (boot / name).write_text("x")
    assert says(boot) == 0


@pytest.mark.parametrize(
    "name", ["noroshi -n .txt", "$(touch x)", "-e", "*", "ticket.txt.bak", "note.txt", "noroshi.cards"]
)
def test_other_names_are_nobodys_business(boot: Path, name: str) -> None:
    (boot / name).write_text("x")
    assert says(boot) == NOTHING
    assert not (boot / "x").exists()
