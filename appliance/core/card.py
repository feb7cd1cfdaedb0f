"""The personal file `noroshi.card`: what makes a flashed image somebody's box. Whoever holds the card wrote it, so
every value is checked; and it counts on a box that nobody enrolled yet, nowhere else.

One line of version and checksum, then JSON. It holds secrets in clear: it is taken once, then wiped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from appliance.core import modem_line
from appliance.core.codec import Invalid, canonical, digest, dump_private, load, parse_json
from appliance.core.commands import redeem
from appliance.core.enrolment import TicketRefused, is_key, read_ticket
from appliance.core.identity import Identity, checked
from appliance.core.model import BoxKeys, Config, MobileNetwork, Place
from appliance.core.words import Refused

NAME = "noroshi.card"
FORMAT = 1
LARGEST = 16384  # octets
_FIRST = re.compile(r"NOROSHI-CARD ([0-9]{1,4}) sha256:([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`ticket`: an invitation's text, or "". `signing_key`: HQ's, pinned before any ticket is read; "" for none.
    `place`: which channels the law allows; outdoors is right anywhere. `mobile`: what the contract of its SIM says."""

    identity: Identity
    place: Place = Place.OUTDOORS
    ticket: str = ""
    signing_key: str = ""
    mobile: MobileNetwork | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the box is afterwards. `refusal`: why the card's ticket did not count, as a code of words.py."""

    config: Config
    identity: Identity | None
    refusal: str = ""


def written(card: Card) -> str:
    """The file's text. Raises Invalid or Refused where a box would not take it."""
    body = canonical(dump_private(card))
    text = f"NOROSHI-CARD {FORMAT} sha256:{digest(body)}\n{body}\n"
    read(text.encode())
    return text


def read(octets: bytes) -> Card:
    """Raises Refused with a code of words.py."""
    if len(octets) > LARGEST:
        raise Refused("card-format")
    first, _, rest = octets.decode("utf-8", "replace").removeprefix("\ufeff").partition("\n")
    match = _FIRST.fullmatch(first.strip())
    if match is None:
        raise Refused("card-format")
    if int(match[1]) != FORMAT:
        raise Refused("card-version")
    body = rest.strip()
    if digest(body) != match[2]:
        raise Refused("card-torn")
    try:
        card = load(Card, parse_json(body, LARGEST))
        checked(card.identity)
        modem_line.checked(card.mobile) if card.mobile else None
    except (Invalid, Refused) as error:
        raise Refused("card-value") from error
    if card.signing_key and not is_key(card.signing_key):
        raise Refused("card-value")
    _check_ticket(card)
    return card


def _check_ticket(card: Card) -> None:
    """A card whose invitation is not its own HQ's was put together by somebody else."""
    if not card.ticket:
        return
    try:
        read_ticket(card.ticket, card.signing_key)
    except TicketRefused as error:
        raise Refused("card-value") from error


def take(config: Config, held: Identity | None, card: Card, keys: BoxKeys, now: float, mark: float) -> Taken:
    """`keys`: new ones, for a box that has none. Taken twice is taken once: power may fail between any two lines.
    Raises Refused where the box keeps what it has."""
    if config.keys or config.joining or config.assignment:
        if card.identity == held:
            return Taken(config=config, identity=held)
        raise Refused("card-enrolled")
    if config.signing_key and card.signing_key and config.signing_key != card.signing_key:
        raise Refused("foreign")  # a box that was withdrawn stays its office's, whoever holds it
    pinned = replace(
        config,
        serial=card.identity.serial,
        signing_key=config.signing_key or card.signing_key,
        air=replace(config.air, place=card.place),
        mobile=card.mobile or config.mobile,
    )
    try:
        return Taken(config=invited(pinned, card.ticket, keys, now, mark), identity=card.identity)
    except Refused as error:
        if error.code == "foreign":
            raise
        return Taken(config=pinned, identity=card.identity, refusal=error.code)


def invited(config: Config, ticket: str, keys: BoxKeys, now: float, mark: float) -> Config:
    """Begin to join with the ticket, if there is one. Raises Refused."""
    return redeem(config, ticket, keys, now, mark) if ticket else config


def is_ticket_name(name: str) -> bool:
    """Files on the boot partition that may hold an invitation: as HQ's page and `noroshi hq ticket` name them."""
    return re.fullmatch(r"(noroshi\.ticket|ticket\.txt|noroshi-[0-9a-f]{16}\.txt)", name.lower()) is not None
