"""Which disk an image may be written to. Whoever mistypes one letter must not lose a machine: a disk that is in use
is refused whatever anybody says, one that is unlikely only until its name was typed with the words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.core.words import Refused

SECTOR = 512  # octets, as the image counts them
LARGEST = 256 * 10**9  # octets; cards, sticks and the small disks of mini-PCs are not larger
SYSTEM = ("/", "/boot", "/usr", "/var", "/home", "[SWAP]")
FAT_TYPES = frozenset(
    {"C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "1", "4", "6", "b", "c", "e", "ef"}
)  # fmt: skip
_FORCED = re.compile(r"erase (/\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A block device with all that stands on it. `mounts`: where any part of it is mounted, or "[SWAP]"."""

    path: str
    kind: str  # lsblk's TYPE
    size: int
    sector: int = SECTOR
    read_only: bool = False
    model: str = ""
    mounts: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()  # what is made of its parts: "crypt", "lvm", "raid1", …


def check(disk: Disk, need: int, force: str) -> None:
    """Raises Refused with a code of words.py. `need`: octets of the image; `force`: what was typed after --force."""
    if disk.kind not in ("disk", "loop"):
        raise Refused("disk-part")
    if any(x in SYSTEM for x in disk.mounts):
        raise Refused("disk-system")
    if disk.mounts or disk.holders:
        raise Refused("disk-in-use")
    if disk.read_only:
        raise Refused("disk-read-only")
    if disk.sector != SECTOR:  # no firmware would find the partitions
        raise Refused("disk-sectors")
    if disk.size < need:
        raise Refused("disk-small")
    match = _FORCED.fullmatch(force)
    if disk.size > LARGEST and not (match and match[1] == disk.path):
        raise Refused("disk-large")


def readable_size(octets: int) -> str:
    """As it is printed on the disk: decimal units."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if octets >= size:
            return f"{octets / size:.3g} {unit}"
    return f"{octets} B"
