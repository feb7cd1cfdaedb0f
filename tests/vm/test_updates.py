"""What an update's scenes are made of: versions in order, a stick as one buys it, a tree changed in one place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.core.software import is_older, is_version
from scripts.exercise.processes import run
from tests.vm import bundles, updates

VERSION = "0.1.0-202611230046-1e097370"


@pytest.mark.parametrize("by", [1, 10, 60])
def test_a_variant_is_newer_by_as_much_as_asked(by: int) -> None:
    found = bundles.newer(VERSION, by)
    assert is_version(found)
    assert is_older(VERSION, found)
    assert not is_older(bundles.newer(VERSION, by), bundles.newer(VERSION, by - 1))
    assert is_older(bundles.newer(VERSION, -by), VERSION)


@pytest.mark.skipif(
    not shutil.which("mkfs.vfat") or not shutil.which("mcopy"), reason="needs dosfstools and mtools"
)
def test_a_stick_has_one_fat_partition_with_the_bundles_in_its_root(tmp_path: Path) -> None:
    first, second = tmp_path / "a.raucb", tmp_path / "b.raucb"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    updates.stick(tmp_path / "stick.img", first, second)
    table = run("sfdisk", "--dump", str(tmp_path / "stick.img"))
    assert table.count("type=c") == 1
    place = f"{tmp_path / 'stick.img'}@@{updates.STICK_OFFSET * 512}"
    assert run("mtype", "-i", place, "::b.raucb") == "two"


def test_a_changed_copy_leaves_the_tree_it_was_linked_to_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/wg").write_text("a program")
    run("cp", "-a", "--link", str(tmp_path / "root"), str(tmp_path / "changed"))
    bundles.without_tunnel(tmp_path / "changed")
    assert (tmp_path / "root/usr/bin/wg").read_text() == "a program"
    assert (tmp_path / "changed/usr/bin/wg").read_text() == bundles.REFUSES
