"""What is built: the two targets, their packages and where things lie. Pure but for reading the lists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

IMAGE = Path(__file__).parents[1]
CLONE = IMAGE.parent
CACHE = Path("/var/cache/noroshi/image")
SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
COMPONENTS = "main non-free-firmware"
PYTHON = "3.13"  # Debian 13's


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of machine."""

    name: str
    architecture: str  # Debian's name
    wheels: tuple[str, ...]  # Python's names of the same, the one to prefer first
    downloads: tuple[str, ...] = ()  # packages whose boot loaders are taken out of them
    backports: tuple[str, ...] = ()  # packages that come from backports, as apt_preferences(5) names them
    foreign: bool = False  # built on another processor: unpacked only, and configured by the PC's base

    @property
    def lists(self) -> tuple[Path, ...]:
        return (IMAGE / "packages", IMAGE / f"packages.{self.name}")

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(x for path in self.lists for x in listed(path.read_text()))

    @property
    def sources(self) -> tuple[str, ...]:
        lines = [
            f"deb {MIRROR} {SUITE} {COMPONENTS}",
            f"deb {MIRROR} {SUITE}-updates {COMPONENTS}",
            f"deb {SECURITY} {SUITE}-security {COMPONENTS}",
        ]
        if self.backports:
            lines.append(f"deb {MIRROR} {SUITE}-backports {COMPONENTS}")
        return tuple(lines)

    @property
    def digest(self) -> str:
        """Names what is asked of Debian: another question, another base."""
        asked = (
            self.architecture,
            *(("unpacked only",) if self.foreign else ()),
            *self.packages,
            *self.sources,
            *self.downloads,
            *self.backports,
        )
        return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:12]


PC = Target(
    name="pc",
    architecture="amd64",
    wheels=("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    downloads=("shim-signed", "shim-helpers-amd64-signed", "grub-efi-amd64-signed"),
)
PI = Target(
    name="pi",
    architecture="arm64",
    wheels=("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    downloads=("raspi-firmware", "u-boot-rpi"),
    backports=("linux-*",),
    foreign=True,
)
TARGETS = {x.name: x for x in (PC, PI)}


def listed(text: str) -> tuple[str, ...]:
    """The names in a list: one a line, what follows a # is for people."""
    found = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(x for x in found if x)
