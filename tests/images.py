"""A small image of the real kind, made without a loop device: a partition table by sfdisk, FAT by mtools, a map by
bmaptool, packed by zstd. What lies outside the partitions' content is a hole."""

from __future__ import annotations

import os
import random
from pathlib import Path

from appliance.host.run import run

MIB = 1 << 20
SIZE = 72 * MIB
FAT_AT = MIB
TABLES = {
    "gpt": "label: gpt\nstart=2048,size=65536,type=U\nstart=67584,size=65536,type=L\n",
    "dos": "label: dos\nstart=2048,size=65536,type=c\nstart=67584,size=65536,type=83\n",
}


def make(folder: Path, table: str = "gpt", label: str = "NOROSHI") -> Path:
    """`plain.img`, `plain.img.bmap`, `plain.img.zst` in the folder; the path of the first."""
    image = folder / "plain.img"
    image.touch()
    os.truncate(image, SIZE)
    run(["sfdisk", "--quiet", str(image)], text=TABLES[table])
    drive = f"{image}@@{FAT_AT}"
    run(["mformat", "-i", drive, "-T", "65536", "-h", "64", "-s", "32", "-v", label, "::"])
    run(["mcopy", "-i", drive, "-", "::config.txt"], text="arm_64bit=1\n")
    with image.open("r+b") as file:
        for place in (34, 40):
            file.seek(place * MIB)
            file.write(random.Random(place).randbytes(3 * MIB))
    run(["bmaptool", "--quiet", "create", str(image), "-o", f"{image}.bmap"], timeout=60)
    run(["zstd", "--quiet", "--force", str(image), "-o", f"{image}.zst"], timeout=60)
    return image
