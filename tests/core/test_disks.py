"""Which disk may be written to: a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.disks import LARGEST, Disk, check, readable_size
from appliance.core.words import Refused

CARD = Disk(path="/dev/sdb", kind="disk", size=32 * 10**9, model="SD Card Reader")
HUGE = replace(CARD, size=2 * 10**12)
NEED = 4 * 10**9


@pytest.mark.parametrize(
    ("disk", "force"),
    [
        (CARD, ""),
        (replace(CARD, size=LARGEST), ""),
        (replace(CARD, size=NEED), ""),
        (HUGE, "erase /dev/sdb"),
    ],
)
def test_these_are_written_to(disk: Disk, force: str) -> None:
    check(disk, NEED, force)


@pytest.mark.parametrize(
    ("disk", "code"),
    [
        (replace(CARD, kind="part"), "disk-part"),
        (replace(CARD, kind="crypt"), "disk-part"),
        (replace(CARD, mounts=("/",)), "disk-system"),
        (replace(CARD, mounts=("/media/x", "/boot")), "disk-system"),
        (replace(CARD, mounts=("[SWAP]",)), "disk-system"),
        (replace(CARD, mounts=("/media/x",)), "disk-in-use"),
        (replace(CARD, holders=("crypt",)), "disk-in-use"),
        (replace(CARD, read_only=True), "disk-read-only"),
        (replace(CARD, sector=4096), "disk-sectors"),
        (replace(CARD, size=NEED - 1), "disk-small"),
        (replace(CARD, size=0), "disk-small"),
        (HUGE, "disk-large"),
    ],
)
@pytest.mark.parametrize("force", ["", "erase /dev/sda", "erase", "/dev/sdb", "erase /dev/sdb /dev/sda"])
def test_these_are_not_whatever_else_is_said(disk: Disk, code: str, force: str) -> None:
    with pytest.raises(Refused) as caught:
        check(disk, NEED, force)
    assert caught.value.code == code


@pytest.mark.parametrize("disk", [replace(HUGE, mounts=("/",)), replace(HUGE, mounts=("/media/x",))])
def test_the_words_open_no_disk_that_is_in_use(disk: Disk) -> None:
    with pytest.raises(Refused) as caught:
        check(disk, NEED, "erase /dev/sdb")
    assert caught.value.code in ("disk-system", "disk-in-use")


def test_sizes_read_as_they_are_printed_on_the_disk() -> None:
    assert [readable_size(x) for x in (512, 32 * 10**9, 15_931_539_456, 2 * 10**12)] == [
        "512 B",
        "32 GB",
        "15.9 GB",
        "2 TB",
    ]
