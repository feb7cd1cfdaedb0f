"""HQ's catalogue is whole, and the timeline's picture is computed, not drawn by luck."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from webui import TRANSLATIONS
from webui.hq.timeline import spans, steps

WEBUI = Path(TRANSLATIONS).parent
METHODS = [("hq/**.py", "python"), ("templates/hq/**.html", "jinja2.ext:babel_extract")]


def test_every_text_of_hqs_pages_has_an_english_one_with_the_same_places() -> None:
    found = {str(m[2]) for m in extract_from_dir(WEBUI, METHODS, keywords={"_": None, "gettext": None})}
    with (Path(TRANSLATIONS) / "en/LC_MESSAGES/hq.po").open("rb") as file:
        english = {str(message.id): str(message.string) for message in read_po(file) if message.id}
    assert found - {name for name, text in english.items() if text} == set()
    assert set(english) - found == set(), "no page says these any more"
    places = re.compile(r"%\(\w+\)[.\d]*[a-z]")
    for japanese, text in english.items():
        assert sorted(places.findall(japanese)) == sorted(places.findall(text)), japanese


def flip(at: float, before: str, after: str) -> dict[str, Any]:
    return {"at": at, "before": before, "after": after}


LOOKS = {"up": "good", "down": "stop"}


def test_the_picture_is_drawn_backwards_from_now() -> None:
    drawn = spans(
        [flip(600, "down", "up"), flip(200, "up", "down"), flip(100, "never", "up")], LOOKS, "up", 0, 1000
    )
    assert [(s.left, s.width, s.look) for s in drawn] == [
        (100, 100, "good"),
        (200, 400, "stop"),
        (600, 400, "good"),
    ]


def test_what_began_before_the_picture_is_cut_at_its_edge() -> None:
    drawn = spans([flip(-500, "never", "up")], LOOKS, "up", 0, 1000)
    assert [(s.left, s.width) for s in drawn] == [(0, 1000)]


def test_a_flip_of_seconds_can_still_be_seen_in_a_day() -> None:
    drawn = spans([flip(5010, "down", "up"), flip(5000, "up", "down")], LOOKS, "up", 0, 86400)
    assert drawn[1].look == "stop" and drawn[1].width >= 1.5


def test_steps_are_counted_from_the_first() -> None:
    assert steps({"tunnel": 14.5, "power-on": 10.0}) == [("power-on", 0.0), ("tunnel", 4.5)]
    assert steps({}) == []
