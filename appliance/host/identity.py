"""The box's identity on its disk (`identity.json`, for root alone), and how a box that nobody prepared draws one."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from appliance.core import identity as noun
from appliance.core.codec import Invalid, dump_private
from appliance.core.identity import Identity
from appliance.host import files

NAME = "identity.json"
PREPARED = "prepared"  # beside it: this box's PIN is on paper, no screen has to tell it


def load(state: Path) -> Identity | None:
    """None where there is none yet. Raises files.Damaged or codec.Invalid."""
    data = files.read_private(state / NAME)
    return None if data is None else noun.read(data)


def save(state: Path, identity: Identity) -> None:
    """Whole or not at all, 0600. Raises OSError, and codec.Invalid before anything is written."""
    files.write_private(state / NAME, dump_private(noun.checked(identity)))


def make(serial: str) -> Identity:
    """A key and a PIN from the kernel's chance."""
    letters = "".join(secrets.choice(noun.LETTERS) for _ in range(sum(noun.PASSPHRASE_GROUPS)))
    digits = "".join(secrets.choice("0123456789") for _ in range(noun.PIN_DIGITS))
    return noun.drawn(serial or secrets.token_hex(6), letters, digits)


def ensure(state: Path, serial: str) -> Identity:
    """The identity there is, else a new one, kept. One that cannot be read is replaced: a box without Wi-Fi and PIN
    is of no use to anybody, and what it says on its screen is the new one."""
    try:
        found = load(state)
    except (files.Damaged, Invalid, ValueError) as error:
        sys.stderr.write(f"noroshi: {error}: a new identity is made\n")
        found = None
    if found is not None:
        return found
    made = make(serial)
    try:
        save(state, made)
    except OSError as error:  # the next start draws again; until then this one serves
        sys.stderr.write(f"noroshi: the identity could not be saved: {error}\n")
    return made
