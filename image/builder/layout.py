"""Which partition lies where: pure. Names and numbers are the same on every box, so that an update finds them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

MIB = 1 << 20
SECTOR = 512
_NAMES = uuid.UUID("5f6e6f72-6f73-4869-8a77-6f726f736869")
TYPES = {  # GPT's names, and MBR's numbers, of what a partition holds
    "esp": ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "c"),
    "linux": ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "83"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    name: str
    kind: str
    size: int  # octets
    start: int = 0
    number: int = 0

    @property
    def id(self) -> str:
        """What the kernel calls PARTUUID in a GPT."""
        return identity(self.name)


WANTED = (
    Partition(name="NOROSHI", kind="esp", size=64 * MIB),
    Partition(name="boot-a", kind="linux", size=64 * MIB),
    Partition(name="root-a", kind="linux", size=448 * MIB),
    Partition(name="boot-b", kind="linux", size=64 * MIB),
    Partition(name="root-b", kind="linux", size=448 * MIB),
    Partition(name="data", kind="linux", size=640 * MIB),
)


def identity(name: str) -> str:
    """A name's UUID: the same in every image."""
    return str(uuid.uuid5(_NAMES, name))


def gpt(wanted: tuple[Partition, ...] = WANTED) -> tuple[Partition, ...]:
    """Each on a whole mebibyte, one after the other."""
    found, at = [], MIB
    for number, x in enumerate(wanted, start=1):
        found.append(Partition(name=x.name, kind=x.kind, size=x.size, start=at, number=number))
        at += x.size
    return tuple(found)


def size(parts: tuple[Partition, ...]) -> int:
    """With room for GPT's second table."""
    return parts[-1].start + parts[-1].size + MIB


def gpt_script(parts: tuple[Partition, ...], name: str) -> str:
    """What sfdisk(8) is told."""
    head = ["label: gpt", f"label-id: {identity(name)}", "unit: sectors", "first-lba: 2048"]
    rows = [
        f"start={x.start // SECTOR}, size={x.size // SECTOR}, type={TYPES[x.kind][0]}, uuid={x.id}, name={x.name}"
        for x in parts
    ]
    return "\n".join([*head, *rows]) + "\n"


DISK = 0x4E6F726F  # the MBR's signature
FIRMWARE = 128 * MIB  # a Pi's first partition: firmware and device trees of every board
KERNEL = 96 * MIB  # a Pi's kernel is not compressed: 52 MB
_EXTENDED = 4


def mbr(wanted: tuple[Partition, ...] = WANTED) -> tuple[Partition, ...]:
    """A Pi 3 cannot start from a GPT: first partition and data are primary, the slots lie in the extended one. Each
    logical partition has a mebibyte before it for its link to the next."""
    first, *slots, data = wanted
    found = [Partition(name=first.name, kind=first.kind, size=FIRMWARE, start=MIB, number=1)]
    at = MIB + FIRMWARE
    found.append(Partition(name=data.name, kind=data.kind, size=data.size, start=at, number=2))
    at += data.size
    for number, x in enumerate(slots, start=5):
        at += MIB
        size = KERNEL if x.name.startswith("boot-") else x.size
        found.append(Partition(name=x.name, kind=x.kind, size=size, start=at, number=number))
        at += size
    return tuple(found)


def mbr_id(part: Partition) -> str:
    """What the kernel calls PARTUUID in an MBR."""
    return f"{DISK:08x}-{part.number:02x}"


def mbr_script(parts: tuple[Partition, ...]) -> str:
    logical = [x for x in parts if x.number > _EXTENDED]
    begin = logical[0].start - MIB
    end = logical[-1].start + logical[-1].size
    rows = [_row(x.number, x.start, x.size, TYPES[x.kind][1]) for x in parts if x.number < _EXTENDED]
    rows.append(_row(_EXTENDED, begin, end - begin, "f"))
    rows += [_row(x.number, x.start, x.size, TYPES[x.kind][1]) for x in logical]
    return "\n".join(["label: dos", f"label-id: 0x{DISK:08x}", "unit: sectors", *rows]) + "\n"


def _row(number: int, start: int, size: int, kind: str) -> str:
    active = ", bootable" if number == 1 else ""
    return f"{number} : start={start // SECTOR}, size={size // SECTOR}, type={kind}{active}"
