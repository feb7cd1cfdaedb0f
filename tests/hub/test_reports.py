"""What a box may say, and that nothing else gets in."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.reports import Malformed, clean, read_envelope, read_report
from tests.hub.sender import Sender

LINE = {"at": 1.0, "source": "noroshi", "level": 3, "text": "the disk is full", "times": 1}
GOOD = Sender("box-0001", "10.210.0.3").body(log=[LINE])


def read(**changes: Any) -> Any:
    return read_report(json.dumps(GOOD | changes))


def test_a_whole_report_is_read_and_unknown_fields_are_ignored() -> None:
    report = read(colour="green")
    assert (report.box, report.seq, report.uplink_kind, report.round_trip) == (
        "box-0001",
        1,
        "ethernet",
        0.03,
    )


def test_what_may_be_missing_may_be_null() -> None:
    report = read(uplink=None, round_trip=None, handshake_age=None, temperature=None, proof=None)
    assert (report.uplink, report.round_trip) == ("", None)


@pytest.mark.parametrize(
    "change",
    [
        {"box": 1}, {"box": "../etc"}, {"box": ""}, {"seq": "1"}, {"seq": -1}, {"seq": True}, {"seq": 2**60},
        {"boot_id": None}, {"boot_id": "a\nb"}, {"uptime": "long"}, {"uptime": -1}, {"made_at": None},
        {"phase": "<b>"}, {"phase": []}, {"reason": "ALL WELL"}, {"uplink": "eth0"}, {"loss": 2},
        {"round_trip": -1}, {"laptops": 1.5}, {"memory": 5}, {"temperature": "hot"}, {"version": 1},
        {"desktops": []}, {"desktops": {"desk": 1}}, {"desktops": {f"d{i}": "answers" for i in range(100)}},
        {"milestones": {"<script>": 1}}, {"milestones": {"x": "y"}}, {"proof": {"at": 1, "ok": 1, "rows": []}},
        {"proof": {"at": 1, "ok": True, "rows": [1]}}, {"policy": None}, {"log": {}}, {"log": [1]},
        {"log": [LINE | {"at": -1}]}, {"log": [LINE | {"times": 0}]}, {"log": [LINE] * 65},
    ],
)  # fmt: skip
def test_a_wrong_type_is_refused_with_the_reports_number(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        read(**change)
    assert caught.value.seq == (None if "seq" in change else 1)


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"seq": NaN}', "{" * 3000, "[" * 100_000, '{"seq": 1e999}', "9" * 9000]
)
def test_what_is_not_a_report_at_all_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_report(text)


def test_texts_from_boxes_lose_control_and_direction_characters_and_their_excess() -> None:
    assert clean("a\x00b\r\n\x1b[31mc\u202ed\u2028", 64) == "ab[31mcd"
    assert read(version="v" * 1000).version == "v" * 64
    (line,) = read(log=[LINE | {"text": "\x1b]0;x\x07" + "t" * 1000, "source": "a\nb"}]).log
    assert (line.text, line.source) == ("]0;x" + "t" * 396, "ab")


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner, max_size=4),
    max_leaves=8,
), st.sampled_from(sorted(GOOD)))  # fmt: skip
def test_whatever_stands_in_a_field_a_report_is_read_or_refused(value: Any, name: str) -> None:
    for text in (json.dumps(value), json.dumps(GOOD | {name: value})):
        with contextlib.suppress(Malformed):
            read_report(text)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[]", b'{"reports": 1}', b'{"reports": []}',
                                 b'{"boot_id": "a", "uptime": [], "reports": []}'])  # fmt: skip
def test_an_envelope_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_envelope(raw, limit=200)


def test_an_unreadable_report_does_not_take_its_neighbours_with_it() -> None:
    raw = json.dumps(
        {"boot_id": "a", "uptime": 1, "reports": [5, {"body": "x", "signature": "y"}, {"body": 1}]}
    )
    envelope = read_envelope(raw.encode(), limit=200)
    assert (len(envelope.reports), len(envelope.malformed)) == (1, 2)
