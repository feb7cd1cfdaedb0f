"""What the exercise tells: the timeline and its report, and what counts as a desktop on a screen. Pure."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from scripts.exercise import dhcp_inside, screen
from scripts.exercise.desk import BACKGROUND
from scripts.exercise.timeline import EVENTS, ZERO_TOUCH, Timeline, report, table

ALL = {name: 1000.0 + number for number, name in enumerate(EVENTS)}


def timeline(moments: dict[str, float], colours: int = 99) -> Timeline:
    return Timeline(moments=moments, screenshot="/shots/desktop.png", colours=colours)


def test_the_report_holds_every_event_in_seconds_after_power_on() -> None:
    assert report(timeline(ALL)) == {
        "events": [
            {"name": "power-on", "seconds": 0.0},
            {"name": "uplink", "seconds": 1.0},
            {"name": "ticket-accepted", "seconds": 2.0},
            {"name": "tunnel", "seconds": 3.0},
            {"name": "first-ping", "seconds": 4.0},
            {"name": "laptop-address", "seconds": 5.0},
            {"name": "first-pixels", "seconds": 6.0},
        ],
        "desktop": {"screenshot": "/shots/desktop.png", "colours": 99},
        "ok": True,
    }


@pytest.mark.parametrize("missing", EVENTS)
def test_a_missing_event_is_named(missing: str) -> None:
    told = timeline({name: at for name, at in ALL.items() if name != missing})
    assert not told.ok
    assert missing in told.complaint
    assert f"{missing:<16}      –   did not happen" in table(told, "")


def test_an_event_before_power_on_is_not_believed() -> None:
    told = timeline({**ALL, "tunnel": 900.0})
    assert not told.ok
    assert "before power-on: tunnel" in told.complaint


def test_a_desktop_of_one_colour_is_none() -> None:
    assert not timeline(ALL, colours=1).ok
    assert "one single colour" in timeline(ALL, colours=1).complaint


def test_a_box_prepared_in_peacetime_needs_no_ticket() -> None:
    moments = {name: at for name, at in ALL.items() if name != "ticket-accepted"}
    assert Timeline(moments=moments, expected=ZERO_TOUCH, screenshot="x", colours=9).ok


def dump(image: Image.Image) -> bytes:
    """As `Xvfb -fbdir` writes it."""
    head = [100, 7, 2, 24, image.width, image.height, 0, 0, 32, 0, 32, 32, image.width * 4, *[0] * 12]
    pixels = image.convert("RGBA").tobytes("raw", "BGRA")
    return struct.pack(">25I", *head) + pixels


def painted(*windows: tuple[int, int, int], ground: tuple[int, int, int] = BACKGROUND) -> Image.Image:
    image = Image.new("RGB", (64, 48), ground)
    for number, colour in enumerate(windows):
        image.paste(colour, (number * 4, 4, number * 4 + 4, 20))
    return image


NEARLY = (BACKGROUND[0] + 4, BACKGROUND[1] - 4, BACKGROUND[2] + 4)
RAINBOW = tuple((number * 20, 10, 200 - number * 20) for number in range(9))


def test_a_dump_gives_back_the_picture_that_was_on_the_screen() -> None:
    image = painted(*RAINBOW)
    assert screen.picture(dump(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize("length", [0, 50, 100, 5000])
def test_half_a_dump_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="dump"):
        screen.picture(dump(painted())[:length])


@pytest.mark.parametrize(
    ("image", "is_desktop"),
    [
        (painted(*RAINBOW), True),
        (painted(*RAINBOW, ground=NEARLY), True),
        (painted(), False),
        (painted(ground=(0, 0, 0)), False),
        (painted(*RAINBOW, ground=(0, 156, 181)), False),
    ],
    ids=["windows", "a-codec-moved-the-colours", "one-colour", "black", "the-login-dialog"],
)
def test_only_windows_on_the_sessions_own_background_are_a_desktop(
    image: Image.Image, is_desktop: bool
) -> None:
    assert screen.view(image, BACKGROUND).is_desktop is is_desktop


def link_message(index: int, flags: int) -> bytes:
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 0, 0) + body


def test_a_link_event_says_whether_somebody_is_at_the_other_end() -> None:
    packet = link_message(5, 0x1003) + link_message(7, 0x11043) + link_message(5, 0x11043)
    assert dhcp_inside.link_states(packet, 5) == [False, True]


def test_a_torn_link_event_says_nothing() -> None:
    assert dhcp_inside.link_states(link_message(5, 0x11043)[:20], 5) == []
    assert dhcp_inside.link_states(b"\0" * 64, 5) == []
