"""Writing an image with real parts, and the faults that reading back has to find."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.core import blockmap
from appliance.host import disks, fat, flash
from appliance.host.flash import DamagedImage, Differs
from appliance.host.run import Failed, run
from tests.images import FAT_AT, MIB, SIZE, make


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("image"))


def written(source: Path, target: Path) -> int:
    """Written and checked; how many octets."""
    held = flash.find_map(source)
    told: list[int] = []
    with flash.opened(target) as descriptor:
        done = flash.write(source, held, descriptor, told.append)
        flash.check(done, descriptor, told.append)
    assert sum(told) == 2 * sum(x.length for x in done), "progress tells each octet, written and checked"
    return sum(x.length for x in done)


@pytest.mark.parametrize("name", ["plain.img", "plain.img.zst"])
def test_only_what_the_map_names_is_written_and_the_result_is_the_image(
    image: Path, tmp_path: Path, name: str
) -> None:
    octets = written(image.with_name(name), tmp_path / "card")
    assert (tmp_path / "card").read_bytes() == image.read_bytes()
    assert octets < SIZE // 4
    # The same as the tool whose format it is.
    run(["bmaptool", "--quiet", "copy", str(image.with_name(name)), str(tmp_path / "theirs")], timeout=60)
    assert (tmp_path / "theirs").read_bytes() == image.read_bytes()


@pytest.mark.parametrize("name", ["plain.img", "plain.img.zst"])
def test_without_a_map_all_of_it_is_written(image: Path, tmp_path: Path, name: str) -> None:
    alone = tmp_path / name
    alone.write_bytes(image.with_name(name).read_bytes())
    assert written(alone, tmp_path / "card") == SIZE
    assert (tmp_path / "card").read_bytes() == image.read_bytes()


def test_what_was_there_before_does_not_shine_through_a_file(image: Path, tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(b"old" * (30 * MIB))
    written(image, tmp_path / "card")
    assert (tmp_path / "card").read_bytes() == image.read_bytes()


def test_an_image_that_is_not_its_map_s_is_found_out(image: Path, tmp_path: Path) -> None:
    other = tmp_path / "plain.img"
    octets = bytearray(image.read_bytes())
    octets[34 * MIB + 5] ^= 1
    other.write_bytes(octets)
    other.with_name("plain.img.bmap").write_text(image.with_name("plain.img.bmap").read_text())
    with pytest.raises(DamagedImage):
        written(other, tmp_path / "card")


@pytest.mark.parametrize("name", ["plain.img", "plain.img.zst"])
def test_an_image_that_ends_too_early_is_found_out(image: Path, tmp_path: Path, name: str) -> None:
    octets = image.with_name(name).read_bytes()
    (tmp_path / name).write_bytes(octets[: len(octets) // 2])
    (tmp_path / f"{name}.bmap").write_text(image.with_name("plain.img.bmap").read_text())
    with pytest.raises((DamagedImage, Failed)):
        written(tmp_path / name, tmp_path / "card")
    (tmp_path / f"{name}.bmap").unlink()
    if name.endswith(".zst"):
        with pytest.raises((DamagedImage, Failed)):
            written(tmp_path / name, tmp_path / "card")


def test_a_damaged_map_is_not_believed(image: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.img").write_bytes(b"")
    text = image.with_name("plain.img.bmap").read_text()
    (tmp_path / "plain.img.bmap").write_text(text.replace("4096", "8192"))
    with pytest.raises(DamagedImage):
        flash.find_map(tmp_path / "plain.img")


@pytest.mark.parametrize("place", [FAT_AT, 34 * MIB, 43 * MIB - 1])
def test_a_card_that_keeps_one_octet_wrong_is_found_out(image: Path, tmp_path: Path, place: int) -> None:
    target, held = tmp_path / "card", flash.find_map(image)
    with flash.opened(target) as descriptor:
        done = flash.write(image, held, descriptor, lambda _: None)
        flash.check(done, descriptor, lambda _: None)  # guard: so far it is right
        with target.open("r+b") as file:
            file.seek(place)
            octet = file.read(1)[0]
            file.seek(place)
            file.write(bytes([octet ^ 1]))
        with pytest.raises(Differs):
            flash.check(done, descriptor, lambda _: None)


def test_two_writers_do_not_share_a_disk(image: Path, tmp_path: Path) -> None:
    with flash.opened(tmp_path / "card"), pytest.raises(BlockingIOError), flash.opened(tmp_path / "card"):
        pass


def test_real_maps_are_read(image: Path) -> None:
    held = blockmap.read(image.with_name("plain.img.bmap").read_text())
    assert held.image_size == SIZE and 6 * MIB < held.octets < SIZE // 4


# --------------------------------------------------------------------------------------- the partition


@pytest.mark.parametrize("table", ["gpt", "dos"])
def test_the_boot_partition_is_found_by_its_label_and_holds_the_file(tmp_path: Path, table: str) -> None:
    image = make(tmp_path, table)
    assert disks.fat_offsets(image) == (FAT_AT,)
    drive = fat.partition(image, "NOROSHI")
    fat.put(drive, "noroshi.card", "first\n")
    fat.put(drive, "noroshi.card", "柿崎\n" * 300)
    assert fat.read(drive, "noroshi.card") == "柿崎\n" * 300
    assert fat.read(drive, "config.txt") == "arm_64bit=1\n"


def test_the_partition_is_found_on_a_larger_disk_where_the_second_table_is_not_at_the_end(
    tmp_path: Path,
) -> None:
    image = make(tmp_path)
    os.truncate(image, SIZE + 100 * MIB)
    assert disks.fat_offsets(image) == (FAT_AT,)


def test_another_system_s_partition_is_left_alone(tmp_path: Path) -> None:
    image = make(tmp_path, label="BOOT")
    with pytest.raises(fat.NoPartition):
        fat.partition(image, "NOROSHI")
    assert fat.partition(image, "BOOT")  # guard


def test_a_file_without_partitions_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(MIB))
    with pytest.raises(Failed):
        fat.partition(tmp_path / "noise", "NOROSHI")


# --------------------------------------------------------------------------------------------- disks


def test_the_disk_that_this_machine_runs_from_is_known() -> None:
    source = run(["findmnt", "--noheadings", "--output", "SOURCE", "/"]).strip()
    if not source.startswith("/dev/"):
        pytest.skip("the root file system lies on no disk of its own")
    parent = run(["lsblk", "--noheadings", "--output", "PKNAME", source]).split()
    disk = disks.disk_at(Path(f"/dev/{parent[0]}") if parent else Path(source))
    assert "/" in disk.mounts and disk.size > 0
