"""Bundles to update a booted image with: the image's own, changed in one place each and signed anew. A workshop unpacks
the bundle that lies beside the image once; packing is quick rather than small.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.core import software
from image.builder import bundle
from image.builder.target import PC
from scripts.exercise.processes import run

RELEASE = "usr/lib/os-release"
VERSION = re.compile(r"^IMAGE_VERSION=(\S+)$", re.MULTILINE)
REFUSES = "#!/bin/sh\nexit 1\n"
SMALL = 256 * 1024  # octets of each part of a bundle that nobody is to start


class ForeignImage(RuntimeError):
    """The image was built with another key than the one this machine keeps: nothing can be signed for it."""


@dataclass(frozen=True, slots=True)
class Workshop:
    folder: Path
    key: Path
    certificate: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def boot(self) -> Path:
        return self.folder / "content" / "boot.img"

    @property
    def version(self) -> str:
        """What the image calls itself."""
        found = VERSION.search((self.root / RELEASE).read_text())
        assert found, "the image does not say which version it is"
        return found[1]

    def whole(self, name: str, version: str, change: Callable[[Path], None] = lambda _: None) -> Path:
        """An update of the whole system that says it is `version`; `change` is given its root to spoil."""
        root = self.folder / "changed"
        shutil.rmtree(root, ignore_errors=True)
        run("cp", "-a", "--reflink=auto", "--link", str(self.root), str(root), timeout=300)
        write_over(root / RELEASE, VERSION.sub(f"IMAGE_VERSION={version}", (root / RELEASE).read_text()))
        change(root)
        packed = self.folder / f"{name}.squashfs"
        squash(root, packed)
        shutil.rmtree(root)
        return self._bundle(name, version, packed, self.boot, self.key, self.certificate)

    def small(self, name: str, version: str, *, foreign: bool = False) -> Path:
        """A bundle of a few octets, right in everything but what lies in it. `foreign`: signed with another key."""
        parts = []
        for part in ("root", "boot"):
            parts.append(self.folder / f"{name}.{part}")
            parts[-1].write_bytes(os.urandom(SMALL))
        key, certificate = self._stranger() if foreign else (self.key, self.certificate)
        return self._bundle(name, version, parts[0], parts[1], key, certificate)

    def unsigned(self, name: str, version: str) -> Path:
        """The same content with nobody's word for it."""
        content = self.folder / f"{name}.content"
        content.mkdir()
        (content / "manifest.raucm").write_text(bundle.manifest(PC, version))
        for part in ("root.img", "boot.img"):
            (content / part).write_bytes(os.urandom(SMALL))
        target = self.folder / f"{name}.raucb"
        squash(content, target)
        return target

    def _bundle(self, name: str, version: str, root: Path, boot: Path, key: Path, certificate: Path) -> Path:
        target = self.folder / f"{name}.raucb"
        bundle.make(target, PC, version, root, boot, key, certificate)
        root.unlink()
        return target

    def _stranger(self) -> tuple[Path, Path]:
        key, certificate = self.folder / "stranger.key", self.folder / "stranger.pem"
        subject = ("-subj", "/O=Somebody/CN=else", "-keyout", str(key), "-out", str(certificate))
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "30", *subject)
        return key, certificate


def workshop(original: Path, folder: Path) -> Workshop:
    """`original` is the bundle of the image that is booted."""
    folder.mkdir(parents=True)
    key, certificate = bundle.keys()
    try:
        run("rauc", f"--keyring={certificate}", "info", str(original), timeout=120)
    except RuntimeError as problem:
        raise ForeignImage(f"{original}: {str(problem)[-300:]}") from problem
    found = Workshop(folder, key, certificate)
    run("unsquashfs", "-q", "-no-progress", "-d", str(folder / "content"), str(original), timeout=300)
    run(
        "unsquashfs",
        "-q",
        "-no-progress",
        "-d",
        str(found.root),
        str(folder / "content" / "root.img"),
        timeout=600,
    )
    return found


def squash(folder: Path, target: Path) -> None:
    how = ("-comp", "zstd", "-Xcompression-level", "3", "-noappend", "-no-progress", "-quiet")
    run("mksquashfs", str(folder), str(target), *how, timeout=900)


def write_over(path: Path, text: str, mode: int = 0o644) -> None:
    """In a tree of hard links: the file is another one from now on."""
    path.unlink()
    path.write_text(text)
    path.chmod(mode)


def without_tunnel(root: Path) -> None:
    """Its daemon runs and can bring no WireGuard up."""
    write_over(root / "usr/bin/wg", REFUSES, 0o755)


def without_daemon(root: Path) -> None:
    """Nothing of ours starts: only the timer is left to notice."""
    write_over(root / "usr/bin/noroshi", REFUSES, 0o755)


def newer(version: str, by: int) -> str:
    """`by` minutes later, as the order of versions counts them."""
    return f"{version.partition('-')[0]}-{software.order(version)[1] + by:012d}-test"
