"""The Raspberry Pi image that was built last, looked at without a Pi: partitions, FAT, device trees, and its root file
system started on QEMU's `virt` machine. What only a board can show stands in docs/hardware.md. `scripts/test-image pi`
runs this; it is skipped where no image was built."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core import boot_choice
from image.builder import layout, pi

IMAGE = Path(os.environ.get("NOROSHI_PI_IMAGE", "/var/cache/noroshi/image/pi.img"))
PARTS = {x.name: x for x in layout.mbr()}
STARTED_WITHIN = 420  # seconds, emulated on a busy machine

pytestmark = pytest.mark.skipif(
    not (IMAGE.exists() and os.environ.get("NOROSHI_PI_BUILT")), reason="scripts/test-image pi asks for it"
)


def run(*argv: str) -> bytes:
    done = subprocess.run(argv, capture_output=True, timeout=120, check=True)
    return done.stdout


def of_fat(name: str) -> bytes:
    return run("mtype", "-i", f"{IMAGE}@@{PARTS['NOROSHI'].start}", f"::/{name}")


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The first slot's boot partition as a file of its own."""
    folder = tmp_path_factory.mktemp("boot")
    part = PARTS["boot-a"]
    with IMAGE.open("rb") as source, (folder / "boot.ext4").open("wb") as aim:
        source.seek(part.start)
        aim.write(source.read(part.size))
    for name in ("vmlinuz", "initrd"):
        run("debugfs", "-R", f"dump /{name} {folder / name}", str(folder / "boot.ext4"))
    yield folder


def test_the_partitions_lie_where_the_boot_loader_looks() -> None:
    found = json.loads(run("sfdisk", "--json", str(IMAGE)))["partitiontable"]
    assert found["label"] == "dos"
    assert int(found["id"], 16) == layout.DISK
    starts = {int(x["node"].rsplit("img", 1)[1]): x["start"] * layout.SECTOR for x in found["partitions"]}
    for part in PARTS.values():
        assert starts[part.number] == part.start


def test_the_firmware_finds_all_it_asks_for() -> None:
    listed = run("mdir", "-b", "-i", f"{IMAGE}@@{PARTS['NOROSHI'].start}", "::/").decode()
    for name in (
        "bootcode.bin",
        "start.elf",
        "start4.elf",
        "fixup.dat",
        "fixup4.dat",
        "u-boot.bin",
        "boot.scr",
        "config.txt",
    ):
        assert f"::/{name}" in listed
    assert b"kernel=u-boot.bin" in of_fat("config.txt")


@pytest.mark.parametrize("board", pi.BOARDS)
def test_each_board_has_its_device_tree(board: str) -> None:
    tree = of_fat(f"{board}.dtb")
    assert tree[:4] == b"\xd0\x0d\xfe\xed"
    assert b"raspberrypi," in tree


def test_the_boot_loader_s_script_names_both_slots_and_the_first_is_good() -> None:
    script = of_fat("boot.scr")
    assert layout.mbr_id(PARTS["root-a"]).encode() in script
    assert layout.mbr_id(PARTS["root-b"]).encode() in script
    assert boot_choice.read(of_fat("noroshi/boot.env")) == boot_choice.Choice(good="A")


def test_the_kernel_is_one_that_u_boot_can_start(boot: Path) -> None:
    run("e2fsck", "-fn", str(boot / "boot.ext4"))
    head = (boot / "vmlinuz").read_bytes()[:64]
    assert head[56:60] == b"ARM\x64"  # an arm64 Image (Linux, Documentation/arch/arm64/booting.rst)
    assert len((boot / "initrd").read_bytes()) < 20 << 20


def test_the_root_file_system_starts(boot: Path, tmp_path: Path) -> None:
    """On a machine that is no Pi: systemd, our units, the first turn of the daemon."""
    disk, log = tmp_path / "pi.img", tmp_path / "serial"
    run("cp", "--sparse=always", str(IMAGE), str(disk))
    words = f"root=PARTUUID={layout.mbr_id(PARTS['root-a'])} rauc.slot=A ro console=ttyAMA0 systemd.show_status=yes"
    argv = (
        *(
            "qemu-system-aarch64",
            "-M",
            "virt,gic-version=3",
            "-cpu",
            "max,pauth-impdef=on",
            "-smp",
            "2",
            "-m",
            "1G",
        ),
        *("-nodefaults", "-display", "none", "-serial", f"file:{log}"),
        *("-kernel", str(boot / "vmlinuz"), "-initrd", str(boot / "initrd"), "-append", words),
        *("-drive", f"file={disk},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d"),
        *("-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n,romfile="),
    )
    machine = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        said = ""
        while "Started noroshi.service" not in said:
            assert machine.poll() is None, said[-3000:]
            assert time.monotonic() < deadline, said[-3000:]
            time.sleep(2)
            said = plain(log)
    finally:
        machine.terminate()
        machine.wait()


def plain(log: Path) -> str:
    """Without the colours."""
    text = log.read_text(errors="replace") if log.exists() else ""
    for code in ("\x1b[0m", "\x1b[0;1;39m", "\x1b[0;32m", "\x1b[K", "\r"):
        text = text.replace(code, "")
    return text
