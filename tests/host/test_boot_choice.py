"""What RAUC asks of the boot loader, with a real file, and with GRUB's own tool where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.core.boot_choice import Choice
from appliance.host.boot_choice import answer, load, running, save


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "noroshi" / "boot.env"


def test_an_update_is_tried_confirmed_and_remembered(place: Path) -> None:
    assert answer(["get-primary"], place) == "A"
    assert answer(["set-primary", "B"], place) == ""
    assert answer(["get-primary"], place) == "B"
    assert answer(["get-state", "B"], place) == "good"
    assert load(place) == Choice(good="A", trial="B")
    answer(["set-state", "B", "good"], place)
    assert load(place) == Choice(good="B")
    assert answer(["get-state", "A"], place) == "bad"


def test_an_update_that_failed_is_not_tried_again(place: Path) -> None:
    answer(["set-primary", "B"], place)
    answer(["set-state", "B", "bad"], place)
    assert answer(["get-primary"], place) == "A"


def test_the_file_is_changed_in_place(place: Path) -> None:
    save(Choice(good="A", trial="B"), place)
    before = place.stat()
    save(Choice(good="B"), place)
    assert place.stat().st_ino == before.st_ino
    assert place.stat().st_size == before.st_size == 1024


@pytest.mark.parametrize(
    "words", [[], ["get-state"], ["set-state", "A", "maybe"], ["set-primary", "C"], ["rm", "-rf"]]
)
def test_what_is_not_understood_is_refused(place: Path, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"(?i)slot"):
        answer(words, place)


@pytest.mark.parametrize(
    ("line", "slot"),
    [
        ("root=x rauc.slot=B ro", "B"),
        ("rauc.slot=A", "A"),
        ("quiet", ""),
        ("xrauc.slot=A", ""),
        ("rauc.slot=AB", ""),
    ],
)
def test_the_running_slot_is_what_the_boot_loader_said(line: str, slot: str) -> None:
    assert running(line) == slot


@pytest.mark.skipif(shutil.which("grub-editenv") is None, reason="GRUB's tool is not installed")
def test_grub_reads_what_we_write(place: Path) -> None:
    save(Choice(good="B", trial="A"), place)
    said = subprocess.run(
        ["grub-editenv", str(place), "list"], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines() == ["good=B", "trial=A"]
