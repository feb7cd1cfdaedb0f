"""The PC's disk: GPT, Debian's signed shim and GRUB on the first partition, two slots, data."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder import disk, layout
from image.builder.base import DOWNLOADED
from image.builder.run import run
from image.builder.target import IMAGE

LOADERS = {  # where Debian's packages have them → where firmware looks on a disk it does not know
    "usr/lib/shim/shimx64.efi.signed": "EFI/BOOT/BOOTX64.EFI",
    "usr/lib/shim/mmx64.efi.signed": "EFI/BOOT/mmx64.efi",
    "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": "EFI/BOOT/grubx64.efi",
}


def loaders(root: Path, out: Path) -> None:
    """Taken out of the downloaded packages before the root file system loses them."""
    scratch = disk.fresh(out.with_name("loaders.new"))
    for package in sorted((root / DOWNLOADED).glob("*.deb")):
        run("dpkg-deb", "-x", package, scratch)
    disk.fresh(out)
    for source, aim in LOADERS.items():
        (out / aim).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(scratch / source, out / aim)
    shutil.rmtree(scratch)


def configuration() -> str:
    text = (IMAGE / "pc/grub.cfg").read_text()
    words = {
        "@ROOT_A@": layout.identity("root-a"),
        "@ROOT_B@": layout.identity("root-b"),
        "@CMDLINE@": (IMAGE / "cmdline").read_text().strip(),
    }
    for key, value in words.items():
        text = text.replace(key, value)
    return text


def first_partition(folder: Path, loaders: Path) -> None:
    """Everything the FAT partition holds at the beginning."""
    disk.fresh(folder)
    shutil.copytree(loaders, folder, dirs_exist_ok=True)
    (folder / "EFI/debian").mkdir(parents=True)
    (folder / "EFI/debian/grub.cfg").write_text(configuration())
    (folder / "noroshi").mkdir()
    (folder / "noroshi/boot.env").write_bytes(disk.environment({"good": "A", "trial": ""}))


def make(out: Path, scratch: Path, squashfs: Path, boot: Path, loaders: Path, epoch: int) -> None:
    parts = layout.gpt()
    first_partition(scratch / "esp", loaders)
    disk.fat(scratch / "esp.fat", parts[0].size, scratch / "esp", epoch)
    disk.ext4(scratch / "data.ext4", parts[5].size, "noroshi-data", epoch)
    contents = {
        "NOROSHI": scratch / "esp.fat",
        "boot-a": boot,
        "root-a": squashfs,
        "data": scratch / "data.ext4",
    }
    disk.write(out, parts, layout.gpt_script(parts, "noroshi-pc"), contents)
