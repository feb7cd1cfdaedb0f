"""A Raspberry Pi's disk: MBR, its firmware, U-Boot and every board's device tree on the first partition, two slots, data.
One image for all boards with 64 bits: the firmware chooses the device tree, U-Boot the slot."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder import disk, layout
from image.builder.run import Failed, run
from image.builder.target import IMAGE

UBOOT = "usr/lib/u-boot/rpi_arm64/u-boot.bin"
FIRMWARE = "usr/lib/raspi-firmware"
BOARDS = ("bcm2711-rpi-4-b", "bcm2711-rpi-400", "bcm2711-rpi-cm4-io", "bcm2712-rpi-5-b", "bcm2837-rpi-3-b-plus", "bcm2837-rpi-zero-2-w")  # fmt: skip


def loaders(root: Path, kernel: str, out: Path) -> None:
    """Taken out of their packages, and of the kernel's, before the root file system loses them."""
    disk.fresh(out)
    for path in sorted((root / FIRMWARE).iterdir()):
        if path.suffix in (".elf", ".dat", ".bin"):
            shutil.copy(path, out / path.name)
    shutil.copy(root / UBOOT, out / "u-boot.bin")
    trees = device_trees(root, kernel)
    for path in sorted(trees.glob("bcm2*.dtb")):
        shutil.copy(path, out / path.name)
    missing = [x for x in BOARDS if not (out / f"{x}.dtb").exists()]
    if missing:
        raise Failed(
            f"the kernel has no device tree for {', '.join(missing)}",
            "Take another kernel (image/builder/target.py).",
        )
    for folder in (FIRMWARE, "usr/lib/u-boot"):
        shutil.rmtree(root / folder)


def device_trees(root: Path, kernel: str) -> Path:
    for place in (f"usr/lib/modules/{kernel}/dtb/broadcom", f"usr/lib/linux-image-{kernel}/broadcom"):
        if (root / place).exists():
            return root / place
    raise Failed(f"kernel {kernel} brought no device trees", "Take another kernel (image/builder/target.py).")


def script() -> str:
    text = (IMAGE / "pi/boot.cmd").read_text()
    parts = {x.name: layout.mbr_id(x) for x in layout.mbr()}
    words = {
        "@ROOT_A@": parts["root-a"],
        "@ROOT_B@": parts["root-b"],
        "@CMDLINE@": (IMAGE / "cmdline").read_text().strip(),
    }
    for key, value in words.items():
        text = text.replace(key, value)
    return text


def first_partition(folder: Path, loaders: Path, epoch: int) -> None:
    disk.fresh(folder)
    shutil.copytree(loaders, folder, dirs_exist_ok=True)
    shutil.copy(IMAGE / "pi/config.txt", folder / "config.txt")
    source = folder.with_name("boot.cmd")
    source.write_text(script())
    run(
        *(
            "mkimage",
            "-A",
            "arm64",
            "-T",
            "script",
            "-C",
            "none",
            "-n",
            "noroshi",
            "-d",
            source,
            folder / "boot.scr",
        ),
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    (folder / "noroshi").mkdir()
    (folder / "noroshi/boot.env").write_bytes(disk.environment({"good": "A", "trial": ""}))


def make(out: Path, scratch: Path, squashfs: Path, boot: Path, loaders: Path, epoch: int) -> None:
    parts = layout.mbr()
    size = {x.name: x.size for x in parts}
    first_partition(scratch / "esp", loaders, epoch)
    disk.fat(scratch / "esp.fat", size["NOROSHI"], scratch / "esp", epoch)
    disk.ext4(scratch / "data.ext4", size["data"], "noroshi-data", epoch)
    contents = {
        "NOROSHI": scratch / "esp.fat",
        "boot-a": boot,
        "root-a": squashfs,
        "data": scratch / "data.ext4",
    }
    disk.write(out, parts, layout.mbr_script(parts), contents)
