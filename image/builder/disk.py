"""Makes the file systems and lays them into one raw file: no loop device, no mount."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from image.builder import layout
from image.builder.layout import Partition
from image.builder.run import Failed, run

ENVIRONMENT = 1024  # octets of a GRUB environment block


def environment(values: Mapping[str, str]) -> bytes:
    """A GRUB environment block; U-Boot reads it as text, too. What counts lies in its first sector."""
    text = "# GRUB Environment Block\n" + "".join(f"{k}={v}\n" for k, v in values.items())
    octets = text.encode()
    if len(octets) > layout.SECTOR:
        raise ValueError("the environment does not fit into one sector")
    return octets.ljust(ENVIRONMENT, b"#")


def ext4(
    out: Path, size: int, name: str, epoch: int, content: Path | None = None, *, plain: bool = False
) -> None:
    """`plain`: without what a boot loader may not know, and without a journal: nobody ever writes to it."""
    out.unlink(missing_ok=True)
    features = "^orphan_file,^metadata_csum_seed" + (",^metadata_csum,^64bit,^has_journal" if plain else "")
    with out.open("wb") as file:
        file.truncate(size)
    words = ("-q", "-t", "ext4", "-m", "0", "-L", name, "-U", layout.identity(name), "-O", features)
    options = (
        f"hash_seed={layout.identity('hash ' + name)},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"
    )
    run(
        *("mke2fs", *words, "-E", options, *(("-d", str(content)) if content else ()), out),
        env={"E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch)},
    )


def date_files(image: Path, names: tuple[str, ...], epoch: int) -> None:
    """mke2fs takes over when a file was copied here, which no touch(1) can change (before e2fsprogs 1.47.1)."""
    fields = [f"{x}{extra}" for x in ("atime", "ctime", "mtime", "crtime") for extra in ("", "_extra")]
    lines = [
        f"set_inode_field {name} {x} {0 if x.endswith('_extra') else f'@{epoch}'}"
        for name in names
        for x in fields
    ]
    run(
        "debugfs",
        "-w",
        "-f",
        "-",
        image,
        env={"E2FSPROGS_FAKE_TIME": str(epoch)},
        text="\n".join(lines) + "\n",
    )


def fat(out: Path, size: int, content: Path, epoch: int) -> None:
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(size)
    run("mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-i", "4e6f726f", "-n", "NOROSHI", out)
    for path in sorted(content.rglob("*")):
        os.utime(path, (epoch, epoch))
    names = sorted(str(x) for x in content.iterdir())
    run("mcopy", "-s", "-m", "-Q", "-i", out, *names, "::/", env={"TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"})


def write(out: Path, parts: tuple[Partition, ...], script: str, contents: Mapping[str, Path]) -> None:
    """The raw image; what no file is named for stays a hole. It appears whole: somebody may be copying the last one."""
    finished, out = out, out.with_suffix(".new")
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(layout.size(parts))
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", out, text=script)
    for x in parts:
        source = contents.get(x.name)
        if source is None:
            continue
        if source.stat().st_size > x.size:
            raise Failed(
                f"{source.name} does not fit into {x.name}",
                "Make it smaller, or the partition larger (image/builder/layout.py).",
            )
        run(
            *("dd", f"if={source}", f"of={out}", "bs=1M", f"seek={x.start // layout.MIB}"),
            *("conv=notrunc,sparse", "status=none"),
        )
    out.replace(finished)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
