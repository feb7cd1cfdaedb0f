"""The personal file: strict about what it is, and taken by a box that nobody enrolled yet, by no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import card as noun
from appliance.core.card import LARGEST, Card, is_ticket_name, read, take, written
from appliance.core.codec import Invalid, canonical, digest, dump_private
from appliance.core.identity import Identity, drawn
from appliance.core.model import Auth, Config, JoinStage, MobileNetwork, Place, Secret
from appliance.core.words import Refused
from tests.machines import (
    ASSIGNED,
    DAY,
    FACTORY,
    HQ,
    INVITED,
    NOW,
    REVOKED,
    SHELTER,
    STORED,
    TICKET,
    TICKET_TEXT,
    box_keys,
    signing_pair,
)

BOX = drawn("nrs-4f2a9c", "abcdefghjkmn", "123456")
OTHER = drawn("nrs-77777a", "nmkjhgfedcba", "654321")
CARD = Card(identity=BOX, place=Place.INDOORS, ticket=TICKET_TEXT, signing_key=HQ.signing_key)
PLAIN = Card(identity=BOX)
NETWORK = MobileNetwork(apn="office.example", user="town", password=Secret("s3cret"), auth=Auth.CHAP)
KEYS = box_keys(1)


def sealed(body: str, version: int = 1) -> bytes:
    return f"NOROSHI-CARD {version} sha256:{digest(body)}\n{body}\n".encode()


def refusal_of(octets: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read(octets)
    return caught.value.code


def changed(**changes: object) -> bytes:
    return sealed(canonical({**dump_private(CARD), **changes}))


# ------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        PLAIN,
        replace(CARD, mobile=NETWORK),
        replace(CARD, ticket=""),
        replace(PLAIN, ticket=TICKET_TEXT),
    ],
)
def test_what_is_written_is_read_again(card: Card) -> None:
    assert read(written(card).encode()) == card


def test_an_editor_s_line_ends_and_its_mark_do_no_harm() -> None:
    text = "\ufeff" + written(CARD).replace("\n", "\r\n")
    assert read(text.encode()) == CARD


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", "card-format"),
        (bytes(300), "card-format"),
        (b"NOROSHI:ABC", "card-format"),
        (TICKET_TEXT.encode(), "card-format"),
        (b"x" * (LARGEST + 1), "card-format"),
        (sealed("{}", version=2), "card-version"),
        (written(CARD).encode()[:-20], "card-torn"),
        (written(CARD).replace("123456", "123457").encode(), "card-torn"),
        (sealed("{}"), "card-value"),
        (sealed("[" * 9000), "card-value"),
        (sealed("null"), "card-value"),
        (changed(more=1), "card-value"),
        (changed(place="moon"), "card-value"),
        (changed(mobile={"apn": "a b"}), "card-value"),
        (changed(signing_key="x"), "card-value"),
        (changed(signing_key=signing_pair(99)[1]), "card-value"),
        (changed(ticket="NOROSHI:ABC"), "card-value"),
        (changed(identity={**dump_private(BOX), "ssid": "a\nwpa=0"}), "card-value"),
        (changed(identity={**dump_private(BOX), "pin": "1"}), "card-value"),
        (changed(identity={**dump_private(BOX), "country": "US"}), "card-value"),
        (changed(identity={**dump_private(BOX), "blue": [1, 1]}), "card-value"),
    ],
)
def test_a_file_that_is_not_right_is_refused_by_name(octets: bytes, code: str) -> None:
    assert refusal_of(octets) == code


@given(st.binary(max_size=2000))
def test_no_octets_do_more_than_being_refused(octets: bytes) -> None:
    refusal_of(octets)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(st.sampled_from(["identity", "ticket", "pin"]) | st.text(max_size=8), x, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_no_sealed_values_do_more_than_being_refused(body: object) -> None:
    assert refusal_of(sealed(json.dumps(body))) == "card-value"


@given(st.sampled_from(["identity", "ticket", "signing_key"]), JSON)
def test_one_foreign_value_in_a_good_card_is_refused_or_read(name: str, value: object) -> None:
    try:
        read(sealed(json.dumps({**dump_private(CARD), name: value})))
    except Refused as error:
        assert error.code == "card-value"


def test_nobody_writes_a_card_that_a_box_would_refuse() -> None:
    with pytest.raises(Refused):
        written(replace(CARD, signing_key=signing_pair(99)[1]))
    with pytest.raises((Refused, Invalid)):
        written(Card(identity=replace(BOX, pin=Secret("12"))))


def test_a_card_prints_without_its_secrets() -> None:
    assert "123456" not in repr(CARD) and "abcd-efgh" not in repr(CARD)


# ------------------------------------------------------------------------------------------ the taking


def taken(config: Config, held: Identity | None, card: Card, now: float = NOW) -> noun.Taken:
    return take(config, held, card, KEYS, now, 0.0)


def test_a_fresh_box_becomes_the_card_s_and_begins_to_join() -> None:
    found = taken(FACTORY, OTHER, CARD)
    assert found.identity == BOX and found.refusal == ""
    assert found.config.serial == BOX.serial and found.config.signing_key == HQ.signing_key
    assert found.config.air.place is Place.INDOORS
    assert found.config.keys == KEYS and found.config.joining is not None
    assert (found.config.joining.stage, found.config.joining.ticket) == (JoinStage.INVITED, TICKET)
    assert not found.config.joining.pins, "the card brought HQ's key, not the ticket"


def test_without_a_ticket_the_box_waits_for_one_of_this_hq_only() -> None:
    found = taken(FACTORY, None, replace(CARD, ticket=""))
    assert found.config.joining is None and found.config.signing_key == HQ.signing_key


@pytest.mark.parametrize("card", [CARD, PLAIN, replace(CARD, ticket="")])
def test_taken_twice_is_taken_once(card: Card) -> None:
    once = taken(FACTORY, None, card)
    twice = take(once.config, once.identity, card, box_keys(2), NOW + 60, 0.0)
    assert (twice.config, twice.identity) == (once.config, once.identity)


@pytest.mark.parametrize("config", [INVITED, ASSIGNED, SHELTER, STORED, REVOKED])
def test_a_box_with_keys_keeps_them_and_everything_else(config: Config) -> None:
    with pytest.raises(Refused) as caught:
        taken(config, OTHER, CARD)
    assert caught.value.code == "card-enrolled"


def test_a_withdrawn_box_that_started_over_stays_its_office_s() -> None:
    pinned = replace(FACTORY, signing_key=signing_pair(99)[1])
    for card in (CARD, replace(CARD, ticket=""), replace(CARD, signing_key="")):
        with pytest.raises(Refused) as caught:
            taken(pinned, OTHER, card)
        assert caught.value.code == "foreign"


def test_an_expired_ticket_leaves_the_rest_of_the_card_good() -> None:
    found = taken(FACTORY, None, CARD, now=TICKET.expires + DAY)
    assert found.refusal == "expired" and found.identity == BOX
    assert found.config.joining is None and found.config.keys is None


def test_a_clock_that_was_never_set_lets_hq_decide() -> None:
    assert taken(FACTORY, None, CARD, now=60.0).config.joining is not None


@pytest.mark.parametrize("name", ["noroshi.ticket", "Ticket.txt", "noroshi-0123456789abcdef.txt"])
def test_tickets_are_found_under_the_names_hq_gives_them(name: str) -> None:
    assert is_ticket_name(name)


@pytest.mark.parametrize(
    "name", ["noroshi.card", "noroshi-card.txt", "config.txt", "ticket.txt.exe", "../ticket.txt"]
)
def test_nothing_else_is_taken_for_a_ticket(name: str) -> None:
    assert not is_ticket_name(name)


def test_what_the_sim_needs_is_the_box_s_from_then_on() -> None:
    card = replace(CARD, mobile=NETWORK)
    assert take(FACTORY, None, card, KEYS, NOW, 0.0).config.mobile == NETWORK
    held = replace(FACTORY, mobile=NETWORK)
    assert take(held, None, PLAIN, KEYS, NOW, 0.0).config.mobile == NETWORK
    assert "s3cret" not in repr(card)
