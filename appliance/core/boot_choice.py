"""Which slot starts, as the boot loader reads it: the good one, and perhaps one on trial, which gets one start.

The block is GRUB's environment format, 1024 octets, its variables within the first sector, so that one sector written
in place changes all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

SIZE = 1024  # octets of a GRUB environment block
SECTOR = 512
HEAD = "# GRUB Environment Block\n"
SLOTS = ("A", "B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`trial` is "" where no slot is on trial; the boot loader clears it before it starts that slot."""

    good: str = "A"
    trial: str = ""

    @property
    def next(self) -> str:
        """The slot that starts next."""
        return self.trial or self.good


def read(block: bytes) -> Choice:
    """What the boot loader would make of it: a block that cannot be read is the factory's."""
    if len(block) != SIZE or not block.startswith(HEAD.encode()):
        return Choice()
    found = {}
    for line in block.decode("ascii", errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key] = value
    good = "B" if found.get("good") == "B" else "A"
    trial = found.get("trial", "")
    return Choice(good=good, trial=trial if trial in SLOTS and trial != good else "")


def block(choice: Choice) -> bytes:
    text = f"{HEAD}good={choice.good}\ntrial={choice.trial}\n".encode()
    return text.ljust(SIZE, b"#")


def tried(choice: Choice, slot: str) -> Choice:
    """`slot` starts next, once; the good one needs no trial."""
    return replace(choice, trial="" if _known(slot) == choice.good else slot)


def confirmed(choice: Choice, slot: str) -> Choice:
    """From now on `slot` is the good one."""
    return Choice(good=_known(slot))


def refused(choice: Choice, slot: str) -> Choice:
    """`slot` is not to start; the good one stays, whatever is said of it, unless there is another on trial."""
    if _known(slot) == choice.trial:
        return replace(choice, trial="")
    return choice


def counts(choice: Choice, slot: str) -> bool:
    """Whether the boot loader would ever start `slot`."""
    return _known(slot) in (choice.good, choice.trial)


def _known(slot: str) -> str:
    if slot not in SLOTS:
        raise ValueError(f"there is no slot {slot[:20]!r}")
    return slot
