"""The boot loader's choice on the FAT partition, and what RAUC asks of it (its "custom" boot loader back-end). Written in
place and synced: the sector holds the old choice or the new one, whenever the power goes."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from appliance.core import boot_choice
from appliance.core.boot_choice import Choice

PLACE = Path("/boot/noroshi/boot.env")  # the partition is mounted when somebody looks
STARTED = re.compile(r"(?:^|\s)rauc\.slot=([AB])(?:\s|$)")


def load(place: Path = PLACE) -> Choice:
    try:
        return boot_choice.read(place.read_bytes())
    except FileNotFoundError:
        return Choice()


def save(choice: Choice, place: Path = PLACE) -> None:
    if load(place) == choice and place.exists():
        return
    place.parent.mkdir(exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, boot_choice.block(choice), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def running(command_line: str | None = None) -> str:
    """The slot this system was started from; "" where no boot loader said so."""
    text = Path("/proc/cmdline").read_text() if command_line is None else command_line
    found = STARTED.search(text)
    return found[1] if found else ""


def answer(words: list[str], place: Path = PLACE) -> str:
    """What RAUC's back-end is asked, and what it prints (RAUC's manual, "Custom Bootloader Backend")."""
    choice = load(place)
    match words:
        case ["get-primary"]:
            return choice.next
        case ["get-current"]:
            return running()
        case ["set-primary", slot]:
            save(boot_choice.tried(choice, slot), place)
        case ["get-state", slot]:
            return "good" if boot_choice.counts(choice, slot) else "bad"
        case ["set-state", slot, "good"]:
            save(boot_choice.confirmed(choice, slot), place)
        case ["set-state", slot, "bad"]:
            save(boot_choice.refused(choice, slot), place)
        case _:
            raise ValueError(
                "boot-choice get-primary|get-current|set-primary SLOT|get-state SLOT|set-state SLOT good|bad"
            )
    return ""


def main() -> None:
    try:
        told = answer(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"boot-choice: {error}")
    if told:
        sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main()
