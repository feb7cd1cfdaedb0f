"""A box's identity: what may stand in it, and that no value of it reaches a line of anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.codec import Invalid, dump_masked, dump_private
from appliance.core.identity import Identity, drawn, read
from appliance.core.model import Secret, Security

GOOD: dict[str, Any] = {
    "serial": "10000000abcd",
    "ssid": "のろし-柿崎",
    "passphrase": "kaki-zaki-2027",
    "pin": "481216",
    "security": "mixed",
    "blue": [1],
}


def test_what_was_dumped_is_read_again() -> None:
    assert dump_private(read(GOOD)) == GOOD


def test_what_nobody_named_has_a_careful_default() -> None:
    short = {k: GOOD[k] for k in ("serial", "ssid", "passphrase", "pin")}
    assert read(short) == read(GOOD) and read(short).security is Security.MIXED


def test_a_box_without_wi_fi_has_neither_name_nor_key() -> None:
    assert read({**GOOD, "ssid": "", "passphrase": ""}).ssid == ""


def test_a_key_without_a_name_is_refused() -> None:
    with pytest.raises(Invalid, match="passphrase"):
        read({**GOOD, "ssid": ""})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("serial", ""),
        ("serial", "abc"),
        ("serial", "-abcdef"),
        ("serial", "箱0001"),
        ("serial", "a" * 33),
        ("serial", "a/../b"),
        ("ssid", "x" * 33),
        ("ssid", "のろし" * 4),
        ("ssid", "a\nb"),
        ("ssid", " a"),
        ("ssid", "a\u202eb"),
        ("passphrase", ""),
        ("passphrase", "1234567"),
        ("passphrase", "x" * 64),
        ("passphrase", "12345678\n"),
        ("passphrase", "あいうえおかきく"),
        ("pin", "12345"),
        ("pin", "12345a"),
        ("pin", "１２３４５６"),
        ("pin", "1" * 13),
        ("security", "open"),
        ("security", "wep"),
        ("blue", [0]),
        ("blue", [1, 1]),
        ("blue", [17]),
        ("blue", ["eth0"]),
        ("colour", "red"),
    ],
)
def test_what_is_no_value_is_refused_by_name_and_not_told(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        read({**GOOD, field: value})
    assert field in str(refused.value)
    assert field != "passphrase" or not value or str(value) not in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))  # fmt: skip
def test_whatever_is_handed_in_is_an_identity_or_refused(data: object) -> None:
    with pytest.raises(Invalid):
        read(data)


@given(st.text(min_size=1, max_size=40))
def test_whatever_the_name_it_survives_the_disk_or_is_refused(ssid: str) -> None:
    try:
        made = read({**GOOD, "ssid": ssid})
    except Invalid:
        return
    assert read(json.loads(json.dumps(dump_private(made)))).ssid == ssid and len(ssid.encode()) <= 32


def test_masked_it_tells_neither_key_nor_pin() -> None:
    told = json.dumps(dump_masked(read(GOOD)), ensure_ascii=False) + repr(read(GOOD))
    assert "kaki-zaki-2027" not in told and "481216" not in told and "のろし-柿崎" in told


def test_a_drawn_identity_is_made_of_what_was_drawn() -> None:
    made = drawn("10000000abcd", "abcdefghjkmn", "004217")
    assert made == Identity(
        serial="10000000abcd",
        ssid="noroshi-abcd",
        passphrase=Secret("abcd-efgh-jkmn"),
        pin=Secret("004217"),
    )
