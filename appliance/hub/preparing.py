"""Preparing a box in peacetime: draws its identity, writes its personal file and its page. Nothing of it is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from appliance.core.card import Card, written
from appliance.core.codec import Invalid
from appliance.core.enrolment import TicketRefused, clean_ticket_text, is_key, is_name, read_ticket
from appliance.core.identity import LETTERS, Identity, checked
from appliance.core.model import MobileNetwork, Place, Secret, Security
from appliance.core.words import Refused
from appliance.host import identity as identity_file
from appliance.hub.paper import Paper

SERIAL_LETTERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody says of a box; what is left out is drawn. `signing_key`: HQ's, where no ticket tells it."""

    site: str = ""
    ticket: str = ""
    signing_key: str = ""
    hq_name: str = ""
    serial: str = ""
    ssid: str = ""
    wifi: bool = True
    security: Security = Security.MIXED
    blue: tuple[int, ...] = (1,)
    place: Place = Place.OUTDOORS
    mobile: MobileNetwork | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    card: str  # the personal file
    identity: Identity
    paper: Paper


def prepare(wanted: Wanted, made: str, language: str = "ja") -> Prepared:
    """`made`: the day, as it stands on the paper. Raises Refused with a code of words.py."""
    if wanted.signing_key and not is_key(wanted.signing_key):
        raise Refused("bad-value")
    if any(x and not is_name(x) for x in (wanted.site, wanted.hq_name)):
        raise Refused("bad-value")
    site, hq_name, signing_key, text = wanted.site, wanted.hq_name, wanted.signing_key, ""
    if wanted.ticket:
        text = clean_ticket_text(wanted.ticket)
        try:
            ticket = read_ticket(text, wanted.signing_key)
        except TicketRefused as error:
            raise Refused(error.code) from error
        site, hq_name, signing_key = site or ticket.site, ticket.hq_name, ticket.signing_key
    try:
        identity = checked(_identity(wanted))
        card = written(
            Card(
                identity=identity,
                place=wanted.place,
                ticket=text,
                signing_key=signing_key,
                mobile=wanted.mobile,
            )
        )
    except Invalid as error:
        raise Refused("bad-value") from error
    paper = Paper(
        identity=identity, site=site, hq_name=hq_name, invited=bool(text), made=made, language=language
    )
    return Prepared(card=card, identity=identity, paper=paper)


def _identity(wanted: Wanted) -> Identity:
    serial = wanted.serial or "nrs-" + "".join(secrets.choice(LETTERS) for _ in range(SERIAL_LETTERS))
    drawn = replace(identity_file.make(serial), security=wanted.security, blue=wanted.blue)
    if not wanted.wifi:
        return replace(drawn, ssid="", passphrase=Secret(""))
    return replace(drawn, ssid=wanted.ssid or drawn.ssid)
