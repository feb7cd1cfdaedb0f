"""RAUC, the slots and the restart: all that touches the box's own software. Decides nothing.

`rauc info` checks a bundle's signature, `rauc install` the octets behind it as it writes them (dm-verity)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from appliance.core.boot_choice import Choice
from appliance.core.software import Slots
from appliance.core.words import Refused
from appliance.host import boot_choice
from appliance.host.run import Failed, run, streamed
from appliance.host.systemd_units import restart_machine

RELEASE = Path("/usr/lib/os-release")
KEYRING = Path("/etc/rauc/keyring.pem")
ANSWER_WITHIN = 60.0  # seconds; its service starts first, and a card may be slow
STATUS = ("rauc", "status", "--output-format=json")
PERCENT = re.compile(rb"^\s*(\d{1,3})%")


class Rauc:
    """This machine's own. `keyring` is whose bundles are believed."""

    def __init__(self, keyring: Path = KEYRING) -> None:
        self._keyring = keyring

    def slots(self, *, tried: bool) -> Slots:
        """A machine without slots has no `slot`. RAUC, which sees the boot partition, is asked only where an update was
        `tried`: else what runs is the good one. Raises Failed."""
        slot = boot_choice.running()
        if not slot:
            return Slots()
        told = dict(x.partition("=")[::2] for x in RELEASE.read_text().splitlines())
        image, version = told.get("IMAGE_ID", ""), told.get("IMAGE_VERSION", "")
        good = starts_next(run(STATUS, timeout=ANSWER_WITHIN)) if tried else slot
        return Slots(image=image, version=version, slot=slot, good=good or slot)

    def up(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def check(self, bundle: Path) -> tuple[str, str]:
        """(image, version) that a bundle says of itself, once its signature is found right. Raises Refused."""
        return read(bundle, self._keyring)

    def install(self, bundle: Path, tell: Callable[[int], None]) -> None:
        """Into the slot that does not run; `tell` hears the part done, of a hundred. Raises Refused."""
        try:
            with streamed(["rauc", "install", str(bundle)]) as output:
                for line in output:
                    found = PERCENT.match(line)
                    if found:
                        tell(min(100, int(found[1])))
        except Failed as error:
            raise Refused("update-not-written") from error

    def try_other(self) -> None:
        """The other slot starts next, once. Raises Failed."""
        run(["rauc", "status", "mark-active", "other"], timeout=ANSWER_WITHIN)

    def confirm(self) -> None:
        """From now on the running slot starts. Raises Failed."""
        run(["rauc", "status", "mark-good"], timeout=ANSWER_WITHIN)

    def restart(self) -> None:
        """Raises Failed."""
        restart_machine()


def starts_next(status: str) -> str:
    """The slot that the boot loader starts next, of what `rauc status` says; "" where it does not say."""
    try:
        told = json.loads(status)
        slots = {k: v for x in told["slots"] for k, v in x.items()}
        return str(slots[told["boot_primary"]]["bootname"])
    except (ValueError, KeyError, TypeError):
        return ""


def read(bundle: Path, keyring: Path | None) -> tuple[str, str]:
    """(image, version) of a bundle; without a keyring nobody vouches for them. Raises Refused."""
    trust = [f"--keyring={keyring}"] if keyring else []
    asked = ["rauc", *trust, "info", *([] if keyring else ["--no-verify"])]
    try:
        found = json.loads(run([*asked, "--output-format=json", str(bundle)], timeout=ANSWER_WITHIN))
        return str(found["compatible"]), str(found["version"])
    except Failed as error:
        foreign = "signature verification failed" in str(error) or "Verify error" in str(error)
        raise Refused("update-foreign-key" if foreign else "update-unsigned") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("update-unsigned") from error


def end_trial() -> None:
    """A slot on trial that nobody confirmed in time: back to the good one. Called by a timer that needs no daemon."""
    if is_on_trial(boot_choice.running(), boot_choice.load()):
        Rauc().restart()


def is_on_trial(slot: str, choice: Choice) -> bool:
    """Whether the running slot is another than the good one; a machine without slots never is."""
    return slot not in ("", choice.good)


if __name__ == "__main__":
    end_trial()
