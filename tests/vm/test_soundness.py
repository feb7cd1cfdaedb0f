"""The checks of what a power cut leaves can fail: each is shown a disk that is whole and one that is not."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.core.codec import dump_private
from appliance.core.model import Config
from appliance.host import files, mark
from tests.vm import soundness
from tests.vm.disk import Partition
from tests.vm.log_writes import ENTRY, MAGIC, SUPERBLOCK, Cut, Flag, entries
from tests.vm.medium import Medium

pytestmark = pytest.mark.skipif(
    shutil.which("mke2fs", path="/usr/sbin:/sbin") is None, reason="no e2fsprogs here"
)


def ext4(tmp_path: Path, content: Path) -> Path:
    image = tmp_path / "data.ext4"
    argv = ("/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", str(content), str(image), "16M")
    subprocess.run(argv, check=True, capture_output=True)
    return image


def state(tmp_path: Path, serial: str = "N0001") -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    files.write_private(folder / "config.json", dump_private(Config(serial=serial)))
    return folder


def test_a_whole_partition_has_no_complaint_and_its_state_is_known(tmp_path: Path) -> None:
    folder = state(tmp_path)
    verdict, there = soundness.data_partition(ext4(tmp_path, folder), tmp_path / "scratch")
    assert verdict.complaints == ()
    assert verdict.state == soundness.state_in(folder) != soundness.NOTHING
    assert json.loads((there / "config.json").read_text().partition("\n")[2])["serial"] == "N0001"


def test_a_box_that_saved_nothing_yet_is_sound(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    verdict, _ = soundness.data_partition(ext4(tmp_path, tmp_path / "empty"), tmp_path / "scratch")
    assert (verdict.state, verdict.complaints) == (soundness.NOTHING, ())


def test_an_inode_that_was_never_written_is_found(tmp_path: Path) -> None:
    image = ext4(tmp_path, state(tmp_path))
    argv = ("/usr/sbin/debugfs", "-w", "-R", "clri config.json", str(image))
    subprocess.run(argv, check=True, capture_output=True)
    verdict, _ = soundness.data_partition(image, tmp_path / "scratch")
    assert any(x.startswith("e2fsck") for x in verdict.complaints)


def test_half_a_file_with_no_copy_is_neither_old_nor_new(tmp_path: Path) -> None:
    folder = state(tmp_path)
    (folder / "config.json.previous").unlink()
    whole = (folder / "config.json").read_text()
    (folder / "config.json").write_text(whole[: len(whole) // 2])
    assert soundness.state_in(folder) == soundness.DAMAGED


def test_a_mark_without_a_whole_record_is_found(tmp_path: Path) -> None:
    folder = state(tmp_path)
    mark.write(folder / "clock.mark", 1.8e9)
    verdict, _ = soundness.data_partition(ext4(tmp_path, folder), tmp_path / "scratch")
    assert verdict.complaints == ()
    (folder / "clock.mark").write_bytes(bytes(mark.RECORDS * mark.BLOCK))
    verdict, _ = soundness.data_partition(ext4(tmp_path, folder), tmp_path / "scratch")
    assert verdict.complaints == ("the clock's mark is gone",)


def test_a_fat_partition_that_lost_a_cluster_is_found(tmp_path: Path) -> None:
    image = tmp_path / "fat"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(("/usr/sbin/mkfs.vfat", "-F", "16", str(image)), check=True, capture_output=True)
    assert soundness.fat_partition(image) == ()
    with image.open("r+b") as file:
        file.seek(512 * 4 + 4)  # the first copy of the table says something else than the second
        file.write(b"\x55" * 64)
    assert soundness.fat_partition(image) != ()
    image.write_bytes(bytes(16 << 20))
    assert soundness.fat_partition(image) != ()


@pytest.mark.parametrize("kind", ["16", "32"])
def test_a_fat_partition_that_was_not_put_away_is_sound_all_the_same(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "fat"
    with image.open("wb") as file:
        file.truncate((16 if kind == "16" else 64) << 20)
    argv = ("/usr/sbin/mkfs.vfat", "-F", kind, "-s", "1", str(image))
    subprocess.run(argv, check=True, capture_output=True)
    with image.open("r+b") as file:
        file.seek(0x25 if kind == "16" else 0x41)  # the bit that Linux sets while it is mounted
        file.write(b"\x01")
    assert soundness.fat_partition(image) == ()


def log_of(*written: tuple[int, bytes, Flag]) -> io.BytesIO:
    blob = SUPERBLOCK.pack(MAGIC, 1, len(written), 512).ljust(512, b"\0")
    for sector, content, flags in written:
        blob += ENTRY.pack(sector, len(content) // 512, flags, 0).ljust(512, b"\0") + content
    return io.BytesIO(blob)


@pytest.mark.parametrize(
    ("cut", "left", "right"),
    [
        (Cut(end=0), b"..", b".."),
        (Cut(end=1), b"a.", b".."),
        (Cut(end=4), b"ab", b"c."),
        (Cut(end=4, lost=frozenset({2})), b"a.", b"c."),
        (Cut(end=4, lost=frozenset({2, 3})), b"a.", b".."),
        (Cut(end=5, torn=4, kept=512), b"ab", b"cd"),
    ],
)
def test_a_cut_leaves_what_was_flushed_and_what_it_says_of_the_rest(
    tmp_path: Path, cut: Cut, left: bytes, right: bytes
) -> None:
    """Two partitions of two sectors each, told apart by letters."""
    image = tmp_path / "disk"
    image.write_bytes(b"." * 4 * 512)
    parts = tuple(
        Partition(number=n + 1, name=x, start=n * 1024, size=1024) for n, x in enumerate(("left", "right"))
    )
    log = log_of(
        (0, b"a" * 512, Flag.NONE),
        (0, b"", Flag.FLUSH),
        (1, b"b" * 512, Flag.NONE),
        (2, b"c" * 512, Flag.NONE),
        (3, b"d" * 1024, Flag.NONE),
    )
    medium = Medium.begin(image, log, parts, tmp_path / "work")
    assert len(list(entries(log))) == 5
    found = medium.after(cut)
    assert [found[x].read_bytes()[::512] for x in ("left", "right")] == [left, right]
