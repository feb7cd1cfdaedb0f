"""The initrd: a shell script, busybox, and the modules between the processor and the disk. Made from files of the
root file system alone, so it needs no emulation and is the same each time."""

from __future__ import annotations

import lzma
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from image.builder import modules
from image.builder.run import run
from image.builder.target import IMAGE, Target, listed

APPLETS = (
    "cat",
    "echo",
    "find",
    "mkdir",
    "mount",
    "reboot",
    "sh",
    "sleep",
    "sort",
    "switch_root",
    "tr",
    "umount",
    "xargs",
)
PROGRAMS = {"usr/bin/busybox": "bin/busybox", "usr/bin/kmod": "bin/modprobe", "usr/sbin/findfs": "bin/findfs"}
LIBRARIES = (
    "libblkid.so.1", "libc.so.6", "libcrypto.so.3", "liblzma.so.5", "libresolv.so.2", "libz.so.1", "libzstd.so.1",
)  # fmt: skip
NEWC = "070701"  # cpio(5)


def build(root: Path, kernel: str, target: Target, scratch: Path, out: Path, epoch: int) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("bin", "lib", "proc", "sys", "dev"):
        (scratch / name).mkdir(parents=True)
    shutil.copy(IMAGE / "initrd/init", scratch / "init")
    for source, aim in PROGRAMS.items():
        shutil.copy(root / source, scratch / aim)
    for name in APPLETS:
        (scratch / "bin" / name).symlink_to("busybox")
    _libraries(root, scratch)
    _modules(root, kernel, target, scratch)
    out.write_bytes(_packed(scratch, epoch))


def _libraries(root: Path, scratch: Path) -> None:
    loader = next(x for x in root.glob("usr/lib*/ld-linux-*.so.*"))
    folder = next(x.parent for x in root.glob("usr/lib/*-linux-gnu/libc.so.6"))
    (scratch / "lib64").symlink_to("lib")
    shutil.copy(loader, scratch / "lib" / loader.name)
    for name in LIBRARIES:
        if (folder / name).exists():
            shutil.copy(folder / name, scratch / "lib" / name)


def _modules(root: Path, kernel: str, target: Target, scratch: Path) -> None:
    home = root / "usr/lib/modules" / kernel
    lists = (IMAGE / "initrd/modules", IMAGE / target.name / "initrd-modules")
    lines = tuple(x for path in lists if path.exists() for x in listed(path.read_text()))
    files = {str(x.relative_to(home / "kernel")): x for x in (home / "kernel").rglob("*.ko*")}
    wanted = {x for x in files if modules.stays(x, lines)}
    aim = scratch / "lib/modules" / kernel
    for name in sorted(modules.needed(root, kernel, wanted)):
        copy = aim / "kernel" / name.removesuffix(".xz")
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = files[name].read_bytes()
        copy.write_bytes(
            lzma.decompress(content) if name.endswith(".xz") else content
        )  # packed whole, it gets smaller
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        if (home / name).exists():
            shutil.copy(home / name, aim / name)
    run("depmod", "-b", scratch, kernel)


def _packed(folder: Path, epoch: int) -> bytes:
    """A cpio archive in the kernel's format, compressed with zstd; owners, order and dates are fixed."""
    archive = bytearray()
    for number, path in enumerate(_inside(folder), start=1):
        name = str(path.relative_to(folder))
        found = path.lstat()
        content = (
            str(path.readlink()).encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b""
        )
        mode = stat.S_IFMT(found.st_mode) | (
            0o777 if path.is_symlink() else 0o755 if path.is_dir() or found.st_mode & 0o111 else 0o644
        )
        archive += _entry(name, mode, number, epoch, content)
    archive += _entry("TRAILER!!!", 0, 0, 0, b"")
    raw = folder.with_suffix(".cpio")
    raw.write_bytes(archive)
    run("zstd", "-q", "-f", "-19", "-T1", raw, "-o", folder.with_suffix(".zst"))
    raw.unlink()
    return folder.with_suffix(".zst").read_bytes()


def _inside(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.rglob("*")))


def _entry(name: str, mode: int, number: int, epoch: int, content: bytes) -> bytes:
    words = (number, mode, 0, 0, 1, epoch, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = (NEWC + "".join(f"{x:08X}" for x in words)).encode() + name.encode() + b"\0"
    return _filled(head) + _filled(content)


def _filled(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
