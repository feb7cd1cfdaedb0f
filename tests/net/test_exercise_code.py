"""The machines of the exercise run the code that lies in the clone now, not what was there when the place was made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.exercise import machines
from scripts.exercise.place import Place
from scripts.exercise.processes import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def test_code_that_changed_is_copied_again_and_the_same_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "CLONE", tmp_path)
    for package in machines.PACKAGES:
        (tmp_path / package).mkdir()
    source = tmp_path / "appliance" / "one.py"
    source.write_text("NUMBER = 1\n")
    place = Place("ncode")
    copied = place.folder() / "code" / "appliance" / "one.py"
    try:
        machines.copy_code(place)
        first = copied.stat().st_mtime_ns, copied.stat().st_ino
        machines.copy_code(place)
        assert (copied.stat().st_mtime_ns, copied.stat().st_ino) == first
        source.write_text("NUMBER = 2\n")
        machines.copy_code(place)
        assert copied.read_text() == "NUMBER = 2\n"
    finally:
        run("umount", str(place.root / "code"), check=False)
        shutil.rmtree(place.root)
