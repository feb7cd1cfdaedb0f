"""Tickets: what HQ wrote comes back, and nothing else is ever read from a photo, a file or a keyboard."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import cbor2
import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.clock import FLOOR
from appliance.core.codec import Invalid
from appliance.core.commands import check_ticket
from appliance.core.enrolment import (
    MAX_NAME,
    PREFIX,
    TicketRefused,
    check_expiry,
    clean_ticket_text,
    is_endpoint,
    is_key,
    is_name,
    open_signed,
    read_ticket,
    sign,
    sign_text,
    ticket_text,
    verify_text,
)
from appliance.core.model import Entrance, Ticket
from appliance.core.words import Refused
from tests.machines import DAY, FACTORY, HQ, NOW, TICKET, TICKET_TEXT, signing_pair


def code(text: str, pinned: str = "") -> str:
    with pytest.raises(TicketRefused) as caught:
        read_ticket(text, pinned)
    return caught.value.code


def envelope() -> bytes:
    body = TICKET_TEXT.removeprefix(PREFIX)
    return base64.b32decode(body + "=" * (-len(body) % 8))


def as_text(raw: bytes) -> str:
    return PREFIX + base64.b32encode(raw).decode().rstrip("=")


def signed(payload: Any, raw: bool = False) -> str:
    """Any payload at all under a good signature by HQ's own key."""
    octets = payload if raw else cbor2.dumps(payload)
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(HQ.signing_private.reveal()))
    return as_text(cbor2.dumps([octets, key.sign(octets)]))


def payload() -> list[Any]:
    fields: list[Any] = cbor2.loads(cbor2.loads(envelope())[0])
    return fields


# ------------------------------------------------------------------------------------- what is read


def test_a_ticket_comes_back_whole() -> None:
    assert read_ticket(TICKET_TEXT) == replace(TICKET, expires=float(int(TICKET.expires)))
    assert read_ticket(TICKET_TEXT, HQ.signing_key).site == "柿崎総合体育館"


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=MAX_NAME)


@given(NAMES, st.integers(0, 2**33))
def test_whatever_a_site_is_called_its_ticket_comes_back(site: str, expires: int) -> None:
    ticket = replace(TICKET, site=site, expires=float(expires))
    assert read_ticket(ticket_text(ticket, HQ.signing_private)) == ticket


@pytest.mark.parametrize(
    "spoilt",
    [
        TICKET_TEXT.lower(),
        f"  {TICKET_TEXT}\r\n",
        "\n".join(TICKET_TEXT[i : i + 40] for i in range(0, len(TICKET_TEXT), 40)),
        f"招待QRコード:「{TICKET_TEXT}」です",
        "\u3000".join(TICKET_TEXT[i : i + 8] for i in range(0, len(TICKET_TEXT), 8)),
    ],
)
def test_what_scanners_and_people_add_does_no_harm(spoilt: str) -> None:
    assert read_ticket(spoilt).id == TICKET.id


def test_the_qr_code_stays_small_enough_for_an_old_phone() -> None:
    """Alphanumeric mode, and at most version 25 (117 modules) even with the longest names on it."""
    longest = replace(TICKET, site="館" * MAX_NAME, hq_name="市" * MAX_NAME)
    usual = segno.make(TICKET_TEXT, error="m", boost_error=False)
    assert usual.mode == "alphanumeric" and int(usual.version) <= 16
    assert int(segno.make(ticket_text(longest, HQ.signing_private), error="m").version) <= 25


# ---------------------------------------------------------------------------------- what is refused


def test_a_ticket_cut_anywhere_is_refused() -> None:
    for length in range(len(TICKET_TEXT)):
        assert code(TICKET_TEXT[:length]) == ("format" if length < len(PREFIX) else "torn")


def test_a_ticket_with_any_bit_of_any_octet_flipped_is_refused() -> None:
    raw = envelope()
    for place in range(len(raw)):
        for bit in (0x01, 0x80):
            spoilt = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
            assert code(as_text(spoilt)) in ("torn", "altered", "format")


def test_a_ticket_with_something_behind_it_is_refused() -> None:
    assert code(as_text(envelope() + b"\x00")) == "torn"


def test_another_office_s_ticket_is_foreign_once_a_key_is_pinned() -> None:
    other, public = signing_pair(77)
    foreign = ticket_text(replace(TICKET, signing_key=public), other)
    assert read_ticket(foreign).signing_key == public
    assert code(foreign, HQ.signing_key) == "foreign"


def test_a_ticket_signed_by_somebody_else_is_altered() -> None:
    other, _ = signing_pair(77)
    assert code(ticket_text(TICKET, other)) == "altered"


@pytest.mark.parametrize(
    "text", ["", "NOROSHI", "https://example.jp/", "WIFI:T:WPA;S:a;P:b;;", "NOROSH1:AAAA", "\ud800"]
)
def test_what_is_no_ticket_at_all_says_so(text: str) -> None:
    assert code(text) == "format"


@pytest.mark.parametrize("text", [PREFIX, PREFIX + "A", PREFIX + "A" * 4097, PREFIX + "A" * 100_000])
def test_a_ticket_without_sense_is_torn(text: str) -> None:
    assert code(text) == "torn"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2),
        (0, "1"),
        (1, b"short"),
        (1, 0.1),
        (2, ""),
        (2, "x" * 61),
        (2, "上越市\n"),
        (3, "site\u202etxt"),
        (3, 5),
        (4, []),
        (4, ["203.0.113.10"]),
        (4, ["hq.example.jp:51820"]),
        (4, ["203.0.113.10:0"]),
        (4, ["203.0.113.10:51820\nPostUp = x"]),
        (4, "203.0.113.10:51820"),
        (4, ["203.0.113.10:51820"] * 9),
        (5, b"k" * 31),
        (5, "k" * 32),
        (6, "10.210.0.1/32"),
        (6, "::1"),
        (8, b""),
        (9, "10.210.0.1; drop"),
        (10, float("nan")),
        (10, float("inf")),
        (10, -1),
        (10, 2**60),
        (10, True),
        (10, "2027"),
    ],
)
def test_a_well_signed_ticket_with_an_unsound_value_is_refused(place: int, value: Any) -> None:
    fields = payload()
    assert read_ticket(signed(fields)).id == TICKET.id  # the guard: unchanged, it is read
    fields[place] = value
    assert code(signed(fields)) in ("altered", "format")


@given(st.text(max_size=300) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=300).map(PREFIX.__add__))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    assert code(text) in ("format", "torn", "altered")


@given(st.binary(max_size=400))
def test_any_octets_behind_the_prefix_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    assert code(as_text(raw)) in ("torn", "altered", "format")


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=34),
    lambda x: st.lists(x, max_size=12) | st.dictionaries(st.text(max_size=3), x, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(CBOR | st.lists(CBOR, min_size=11, max_size=11))
def test_any_well_signed_data_are_refused_and_nothing_else_happens(data: Any) -> None:
    assert code(signed(data)) in ("altered", "format", "torn")


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_well_signed_octets_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    assert code(signed(raw, raw=True)) in ("altered", "format")


@settings(max_examples=300)
@given(st.integers(0, 10), CBOR)
def test_one_foreign_value_in_a_well_signed_ticket_is_read_soundly_or_refused(place: int, value: Any) -> None:
    fields = payload()
    fields[place] = value
    try:
        ticket = read_ticket(signed(fields))
    except TicketRefused:
        return
    assert is_name(ticket.site) and is_name(ticket.hq_name) and is_key(ticket.hub_key)
    assert all(is_endpoint(x) for x in ticket.endpoints)
    assert ticket_text(ticket, HQ.signing_private)


@pytest.mark.parametrize(
    "raw",
    [
        bytes.fromhex("9bffffffffffffffff"),  # a list of 2^64-1 entries
        bytes.fromhex("5bffffffffffffffff"),  # octets without end
        bytes.fromhex("bbffffffffffffffff"),
        b"\x9f" * 2000,  # lists in lists
        bytes.fromhex("d81e820100"),  # a fraction of one by zero
        bytes.fromhex("d8236128"),  # a broken pattern
        bytes.fromhex("c5821b7fffffffffffffff01"),  # a binary fraction as large as it gets
        bytes.fromhex("c1fb7ff0000000000000"),  # a time at infinity
        bytes.fromhex("d81cd81d00"),
        bytes.fromhex("a1a10101"),
    ],
)
def test_hostile_cbor_is_refused_at_once(raw: bytes) -> None:
    assert code(as_text(raw)) == "torn"
    assert code(signed(raw, raw=True)) in ("altered", "format")


# ------------------------------------------------------------------------------------------- expiry


def test_a_ticket_expires_after_its_last_second() -> None:
    check_expiry(TICKET, TICKET.expires, clock_trusted=True)
    with pytest.raises(TicketRefused, match="expired"):
        check_expiry(TICKET, TICKET.expires + 1, clock_trusted=True)


@pytest.mark.parametrize("now", [0.0, 86400.0, FLOOR])
def test_a_clock_that_was_never_set_proves_no_expiry(now: float) -> None:
    old = ticket_text(replace(TICKET, expires=now - 1 if now else 0.0), HQ.signing_private)
    assert check_ticket(FACTORY, old, now).site == TICKET.site


def test_a_clock_that_was_set_does() -> None:
    with pytest.raises(Refused) as caught:
        check_ticket(FACTORY, TICKET_TEXT, NOW + 8 * DAY)
    assert caught.value.code == "expired"


# ------------------------------------------------------------------------------------ signed papers


def test_a_signed_paper_opens_with_its_own_key_only() -> None:
    paper = sign({"site": "柿崎"}, HQ.signing_private)
    assert open_signed(paper, HQ.signing_key) == {"site": "柿崎"}
    for key in (signing_pair(77)[1], "", "x", "A" * 44):
        with pytest.raises(Invalid):
            open_signed(paper, key)


@pytest.mark.parametrize(
    "paper", ["", "{}", "[]", '{"body": 1, "signature": ""}', '{"body": "1", "signature": 2}']
)
def test_what_is_no_signed_paper_is_invalid(paper: str) -> None:
    with pytest.raises(Invalid):
        open_signed(paper, HQ.signing_key)


@given(st.text(max_size=60), st.text(max_size=100))
def test_no_text_and_no_signature_make_verifying_fail_in_another_way(text: str, signature: str) -> None:
    assert verify_text(text, signature, HQ.signing_key) is False


def test_a_report_s_signature_is_checked() -> None:
    signature = sign_text("電波", HQ.signing_private)
    assert verify_text("電波", signature, HQ.signing_key)
    assert not verify_text("電波 ", signature, HQ.signing_key)


# ------------------------------------------------------------------------------------------- grammar


@pytest.mark.parametrize("text", ["203.0.113.10:51820", "[2001:db8::1]:1"])
def test_endpoints_are_addresses_with_a_port(text: str) -> None:
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:٣",
        "2001:db8::1:1",
        "[1.2.3.4]:1",
        "a:1",
        "1.2.3.4:1 ",
    ],
)
def test_everything_else_is_no_endpoint(text: str) -> None:
    assert not is_endpoint(text)


@pytest.mark.parametrize("text", ["", " a", "a ", "a\nb", "a\u200bb", "\u202ea", "a\x7f", "\ud800", "x" * 61])
def test_a_name_has_no_invisible_parts(text: str) -> None:
    assert not is_name(text)


@given(st.text(max_size=100))
def test_a_cleaned_ticket_is_plain(text: str) -> None:
    cleaned = clean_ticket_text("noroshi: " + text)
    assert cleaned.isascii() and set(cleaned) <= set("NOROSHI:ABCDEFGHIJKLMNPQRTUVWXYZ234567")


def test_the_invitation_s_key_is_masked_in_the_ticket_s_own_text() -> None:
    ticket: Ticket = read_ticket(TICKET_TEXT)
    assert ticket.invitation_key.reveal() not in repr(ticket)


# ----------------------------------------------------------------------------------------- further doors


DOORS = Entrance(
    ports=(443, 4500, 53),
    relay_port=443,
    relay_pin="ab" * 32,
    relay_name="hq.example",
    names=("hq.example",),
)


def test_a_ticket_carries_hq_s_further_doors_and_stays_small() -> None:
    ticket = replace(TICKET, entrance=DOORS)
    text = ticket_text(ticket, HQ.signing_private)
    assert read_ticket(text).entrance == DOORS
    assert len(text) - len(TICKET_TEXT) < 120
    assert int(str(segno.make(text, error="m", boost_error=False).version)) <= 17


@pytest.mark.parametrize(
    "doors",
    [
        [],
        [[443], 443, b"", "", []],  # a relay without a pin could be anybody
        [[0], 0, b"", "", []],
        [[True], 0, b"", "", []],
        [[70000], 0, b"", "", []],
        [["443"], 0, b"", "", []],
        [[443] * 9, 0, b"", "", []],
        [[443], 443, b"short", "", []],
        [[443], 443, bytes(32), "no dots", []],
        [[443], 443, bytes(32), "", ["203.0.113.10"]],
        [[443], 443, bytes(32), "", ["-hq.example"]],
        [[443], 443, bytes(32), "", ["hq.example\n"]],
        [[443], 443, bytes(32), "", [7]],
        [[443], 443, "ab", "", []],
    ],
)
def test_doors_that_are_none_are_refused(doors: list[Any]) -> None:
    payload = [*cbor2.loads(cbor2.loads(envelope())[0]), doors]
    assert code(signed(payload)) == "altered"


def test_two_sets_of_doors_are_one_too_many() -> None:
    doors = [[443], 0, b"", "", []]
    payload = cbor2.loads(cbor2.loads(envelope())[0])
    assert read_ticket(signed([*payload, doors])).entrance == Entrance(ports=(443,))
    assert code(signed([*payload, doors, doors])) == "altered"
