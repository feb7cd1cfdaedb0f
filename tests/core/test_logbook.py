"""What HQ reads of a box's journal: what matters, once, printable, and never more than a line can carry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.logbook import MOST_KINDS, MOST_LINES, MOST_TEXT, QUIET, Entry, Line, choose, entry_of

SAID: dict[str, Any] = {
    "__CURSOR": "s=1;i=2",
    "__REALTIME_TIMESTAMP": "1764000000000000",
    "__MONOTONIC_TIMESTAMP": "12500000",
    "_SYSTEMD_UNIT": "noroshi.service",
    "SYSLOG_IDENTIFIER": "noroshi",
    "_TRANSPORT": "stdout",
    "PRIORITY": "6",
    "MESSAGE": "noroshi: the disk is full",
}


def entry(text: str, *, source: str = "noroshi", level: int = 6, at: float = 1.0) -> Entry:
    return Entry(at=at, source=source, level=level, text=text)


def told(entries: list[Entry], now: float = 10.0) -> list[str]:
    return [x.text for x in choose({}, entries, now)[1]]


def test_a_line_of_the_journal_is_read() -> None:
    assert entry_of(json.dumps(SAID)) == entry("noroshi: the disk is full", at=12.5)


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ({"_TRANSPORT": "kernel", "_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": "kernel"}, "kernel"),
        ({"_SYSTEMD_UNIT": "noroshi-web.service"}, "noroshi-web"),
        ({"_SYSTEMD_UNIT": "", "SYSLOG_IDENTIFIER": "systemd"}, "systemd"),
        ({"_SYSTEMD_UNIT": "", "SYSLOG_IDENTIFIER": ""}, "?"),
    ],
)
def test_who_said_it_is_its_unit_or_the_kernel(change: dict[str, Any], source: str) -> None:
    found = entry_of(json.dumps({k: v for k, v in (SAID | change).items() if v is not None}))
    assert found is not None and found.source == source


def test_a_message_that_is_no_text_is_read_all_the_same_and_one_that_is_too_long_is_passed_over() -> None:
    octets = entry_of(json.dumps(SAID | {"MESSAGE": [104, 105, 255, 27]}))
    assert octets is not None and octets.text == "hi\ufffd"
    assert entry_of(json.dumps(SAID | {"MESSAGE": None})) is None
    long = entry_of(json.dumps(SAID | {"MESSAGE": "x" * 5000}))
    assert long is not None and len(long.text) == MOST_TEXT


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(sorted(SAID)),
)
def test_whatever_stands_in_a_field_nothing_is_raised_and_what_comes_is_printable(
    value: Any, name: str
) -> None:
    for text in (json.dumps(value), json.dumps(SAID | {name: value})):
        found = entry_of(text)
        assert found is None or (found.text.isprintable() and found.source.isprintable())


@pytest.mark.parametrize(
    ("source", "level", "worth"),
    [
        ("noroshi", 6, True),
        ("noroshi-web", 6, False),
        ("noroshi-web", 4, True),
        ("init", 4, True),
        ("kernel", 4, False),
        ("kernel", 3, True),
    ],
)
def test_what_matters_is_what_the_daemon_says_and_what_is_bad(source: str, level: int, worth: bool) -> None:
    assert bool(told([entry("it", source=source, level=level)])) is worth


def test_what_says_the_same_is_told_once_with_how_often_and_again_after_an_hour() -> None:
    memory, lines = choose({}, [entry("pid 17 died"), entry("pid 18 died", at=2.0)], 10.0)
    assert lines == (Line(at=2.0, source="noroshi", level=6, text="pid 18 died", times=2),)
    memory, lines = choose(memory, [entry("pid 19 died", at=20.0)] * 3, 20.0)
    assert lines == ()
    memory, lines = choose(memory, [entry("pid 20 died", at=4000.0)], 10.0 + QUIET)
    assert [x.times for x in lines] == [4]


def test_of_too_many_lines_the_worst_are_told_in_their_order() -> None:
    names = [chr(97 + x // 26) + chr(97 + x % 26) for x in range(100)]
    calm = [entry(f"calm {x}", at=float(n)) for n, x in enumerate(names)]
    bad = entry("bad", level=2, at=0.5)
    lines = choose({}, [*calm[:50], bad, *calm[50:]], 200.0)[1]
    assert len(lines) == MOST_LINES and lines[0].text == "bad"
    assert [x.at for x in lines] == sorted(x.at for x in lines)
    assert lines[-1].text == calm[-1].text


def test_what_is_remembered_has_a_bound() -> None:
    memory: dict[str, Any] = {}
    letters = "abcdefghijklmnopqrstuvwxyz"
    for number in range(MOST_KINDS * 2):
        text = letters[number % 26] + letters[number // 26 % 26] + letters[number // 676]
        memory, _lines = choose(memory, [entry(text)], float(number))
    assert len(memory) == MOST_KINDS
