"""What software there is: versions and their order, signed bundles, and what HQ wishes a box to run."""

from __future__ import annotations

import re
from dataclasses import dataclass

VERSION = re.compile(r"(\d{1,6}(?:\.\d{1,6}){0,3})(?:-(\d{12})(?:-[0-9a-z]{1,40})?)?", re.ASCII)
IMAGE = re.compile(r"noroshi-[a-z0-9]{1,16}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
LARGEST = 512 << 20  # octets of a bundle: two slots' parts, packed
MOST_BUNDLES = 8  # kinds of image of one version


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A signed update for one kind of image ("noroshi-pc")."""

    version: str
    image: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What HQ wishes a box to run; without a version the box stays as it is. `order` grows with every wish: what a
    box gave up under one order it tries again under the next."""

    order: int = 0
    version: str = ""
    bundles: tuple[Bundle, ...] = ()
    oldest: str = ""  # never an older version than this one
    now: bool = False  # start it although laptops use the box


NO_WISH = Wish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What runs, and which slot starts next. `slot` is "" where the machine has none: then nothing is ever updated."""

    image: str = ""
    version: str = ""
    slot: str = ""
    good: str = ""

    @property
    def on_trial(self) -> bool:
        return self.slot != self.good


def is_version(text: str) -> bool:
    return VERSION.fullmatch(text) is not None


def order(version: str) -> tuple[tuple[int, ...], int]:
    """Of two versions the newer one has the larger order: numbers first, then the minute it was made."""
    found = VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"not a version: {version[:40]!r}")
    numbers = tuple(int(x) for x in found[1].split("."))
    return (*numbers, *(0,) * (4 - len(numbers))), int(found[2] or 0)


def is_older(version: str, oldest: str) -> bool:
    """Whether `version` is older than HQ allows; no limit where there is none."""
    return bool(oldest) and order(version) < order(oldest)


def is_bundle(x: Bundle) -> bool:
    return (
        is_version(x.version)
        and IMAGE.fullmatch(x.image) is not None
        and SHA256.fullmatch(x.sha256) is not None
        and 0 < x.size <= LARGEST
    )


def is_wish(x: Wish) -> bool:
    """Whether what HQ signed has its grammar: names of files are made of it."""
    return (
        x.order >= 0
        and (not x.version or is_version(x.version))
        and (not x.oldest or is_version(x.oldest))
        and len(x.bundles) <= MOST_BUNDLES
        and all(is_bundle(y) and y.version == x.version for y in x.bundles)
    )
