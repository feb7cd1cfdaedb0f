"""What makes one box this box: its serial, its Wi-Fi's name and key, its PIN and which of its sockets are blue.

Never a default: whoever prepares a box writes it, else the box draws its own at its first start. It stays for the
box's life and is kept apart from the configuration, which a mission changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from appliance.core.codec import Invalid, load
from appliance.core.model import Secret, Security

MOST_SOCKETS = 16
LONGEST_SSID = 32  # octets (IEEE 802.11)
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another one on paper
PASSPHRASE_GROUPS = (4, 4, 4)  # 59 bits
PIN_DIGITS = 6

_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{3,31}", re.ASCII)
_PASSPHRASE = re.compile(r"[\x20-\x7e]{8,63}")
_PIN = re.compile(r"[0-9]{6,12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`blue`: which of the built-in Ethernet sockets are for lines, counted from one in the order of the machine's
    own buses; the others are yellow. An empty name is a box without Wi-Fi."""

    serial: str
    ssid: str
    passphrase: Secret
    pin: Secret
    security: Security = Security.MIXED
    blue: tuple[int, ...] = (1,)


def read(data: Any) -> Identity:
    """What somebody wrote for a box → an identity. Raises Invalid, which names the field and tells no secret."""
    return checked(load(Identity, data))


def checked(identity: Identity) -> Identity:
    """The same, or Invalid."""
    wrong = next((name for name, good in _grammar(identity) if not good), None)
    if wrong:
        raise Invalid(f"Identity.{wrong}: not a value for it")
    return identity


def _grammar(x: Identity) -> tuple[tuple[str, bool], ...]:
    wifi = x.ssid != ""
    key = x.passphrase.reveal()
    return (
        ("serial", _SERIAL.fullmatch(x.serial) is not None),
        ("ssid", not wifi or is_ssid(x.ssid)),
        ("passphrase", _PASSPHRASE.fullmatch(key) is not None if wifi else key == ""),
        ("pin", _PIN.fullmatch(x.pin.reveal()) is not None),
        ("blue", are_sockets(x.blue)),
    )


def are_sockets(numbers: tuple[int, ...]) -> bool:
    """Numbers of built-in sockets, each once."""
    return len(set(numbers)) == len(numbers) and all(1 <= x <= MOST_SOCKETS for x in numbers)


def is_ssid(text: str) -> bool:
    """A name that can be printed and typed; octets that are no text cannot."""
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(octets) <= LONGEST_SSID and text.isprintable() and text.strip() == text


def drawn(serial: str, letters: str, digits: str) -> Identity:
    """An identity from chance: `letters` and `digits` were drawn by the caller, who knows where chance is."""
    groups, rest = [], letters
    for length in PASSPHRASE_GROUPS:
        groups.append(rest[:length])
        rest = rest[length:]
    return checked(
        Identity(
            serial=serial,
            ssid=f"noroshi-{serial[-4:].strip('-')}",
            passphrase=Secret("-".join(groups)),
            pin=Secret(digits),
        )
    )
