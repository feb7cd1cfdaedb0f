"""The box's screen and light, as far as no such hardware is needed: pictures are looked at by a reader of codes, the
light's files are files, the screen's memory is laid out by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from appliance.control import Door
from appliance.core.beacon import PATTERNS, STEADY, Blink, pattern
from appliance.core.model import Phase, Reason
from appliance.core.screen import PAGE, Scene, scene
from appliance.core.words import REASONS
from appliance.host import framebuffer, led
from appliance.host import identity as identity_file
from appliance.host.framebuffer import Screen
from appliance.host.picture import COLORS, draw
from appliance.screen import Front
from tests.core.test_screen import status

SIZES = [
    (640, 480),
    (800, 480),
    (1024, 768),
    (1280, 720),
    (1280, 800),
    (1920, 1080),
    (1080, 1920),
    (3840, 2160),
]


def shown(phase: Phase = Phase.SETUP, reason: Reason = Reason.NO_TICKET, **changes: Any) -> Scene:
    return scene(status(phase, reason, **changes), 0.0, "123456")


# ----------------------------------------------------------------------------------------- the picture


@pytest.mark.parametrize("size", SIZES)
def test_a_phone_reads_both_codes_from_a_screen_of_any_size(size: tuple[int, int]) -> None:
    picture = draw(shown(), *size)
    assert picture.size == size
    assert {x.text for x in zxingcpp.read_barcodes(picture)} == {PAGE, shown().wifi}


@pytest.mark.parametrize("phase", Phase)
def test_the_band_tells_the_phase_from_afar(phase: Phase) -> None:
    picture = draw(shown(phase), 1280, 720)
    color = COLORS[shown(phase).look][0]
    assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((3, 3))) == color  # type: ignore[misc]


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1080, 1920)])
def test_every_sentence_stays_inside_its_band(reason: Reason, size: tuple[int, int]) -> None:
    """The band's rim keeps its colour all around: no letter touches it."""
    scene_ = shown(Phase.BLOCKED, reason)
    picture = draw(scene_, *size)
    width, bottom = size[0], int(size[1] * 0.46) - 1
    color = picture.getpixel((1, 1))
    rim = [(x, y) for x in range(0, width, 2) for y in (1, bottom)]
    rim += [(x, y) for y in range(0, bottom, 2) for x in (1, width - 2)]
    assert all(picture.getpixel(x) == color for x in rim), REASONS[reason].what_ja


def test_names_of_any_length_change_nothing_else() -> None:
    long = replace(
        shown(),
        site="上越市立柿崎地区公民館" * 6,
        hq_name="本" * 60,
        ssid='の;"\\:,' * 4,
        passphrase="W" * 63,
    )
    picture = draw(long, 1280, 720)
    assert {x.text for x in zxingcpp.read_barcodes(picture)} == {PAGE, long.wifi}


def test_a_drill_is_marked() -> None:
    drill = draw(shown(Phase.PROTECTED, Reason.ALL_WELL, drill=True), 1280, 720)
    plain = draw(shown(Phase.PROTECTED, Reason.ALL_WELL), 1280, 720)
    stripes = (255, 210, 77)
    assert stripes in drill.get_flattened_data() and stripes not in plain.get_flattened_data()


# ------------------------------------------------------------------------------------------ the memory


def variable(width: int, height: int, bits: int, red: int) -> bytes:
    return struct.pack("9I", width, height, width, height, 0, 0, bits, 0, red).ljust(160, b"\0")


def fixed(line: int) -> bytes:
    return b"simple".ljust(48, b"\0") + struct.pack("I", line).ljust(32, b"\0")


def test_the_kernel_s_words_about_a_screen_are_read() -> None:
    assert framebuffer.read(variable(1280, 800, 32, 16), fixed(5120)) == Screen(
        width=1280, height=800, line=5120, mode="BGRX"
    )
    assert framebuffer.read(variable(656, 416, 16, 11), fixed(1344)) == Screen(
        width=656, height=416, line=1344, mode="565"
    )


@pytest.mark.parametrize(
    "words", [(1280, 800, 8, 0), (0, 800, 32, 16), (1280, 1 << 20, 32, 16), (1280, 800, 32, 8)]
)
def test_a_screen_that_we_cannot_write_to_is_left_alone(words: tuple[int, int, int, int]) -> None:
    assert framebuffer.read(variable(*words), fixed(5120)) is None


def test_no_screen_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "fb").write_text("")
    assert framebuffer.look(tmp_path / "none") is None and framebuffer.look(tmp_path / "fb") is None


PIXELS = {
    "BGRX": lambda r, g, b: bytes((b, g, r)),
    "RGBX": lambda r, g, b: bytes((r, g, b)),
    "BGR": lambda r, g, b: bytes((b, g, r)),
    "RGB": lambda r, g, b: bytes((r, g, b)),
    "565": lambda r, g, b: struct.pack("<H", (r >> 3) << 11 | (g >> 2) << 5 | b >> 3),
}


@pytest.mark.parametrize("mode", PIXELS)
def test_each_pixel_lies_where_the_screen_looks_for_it(mode: str) -> None:
    width, height = 37, 11
    picture = draw(shown(), 640, 480).resize((width, height))
    octets_each = {"565": 2, "BGR": 3, "RGB": 3}.get(mode, 4)
    line = width * octets_each + 13
    found = framebuffer.octets(picture, Screen(width=width, height=height, line=line, mode=mode))
    assert len(found) == line * height
    for x in range(width):
        for y in range(height):
            pixel = picture.getpixel((x, y))
            assert isinstance(pixel, tuple)
            wanted = PIXELS[mode](*pixel)
            at = y * line + x * octets_each
            assert found[at : at + len(wanted)] == wanted


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    screen, picture = (
        Screen(width=64, height=32, line=256, mode="BGRX"),
        Image.new("RGB", (64, 32), "#010203"),
    )
    (tmp_path / "fb").write_bytes(bytes(256 * 32))
    framebuffer.put(picture, screen, tmp_path / "fb")
    assert (tmp_path / "fb").read_bytes()[:3] == b"\3\2\1" and (tmp_path / "fb").stat().st_size == 256 * 32


# ------------------------------------------------------------------------------------------- the light


def a_light(leds: Path, name: str = "ACT", triggers: str = "none [mmc0] timer pattern heartbeat\n") -> Path:
    light = leds / name
    light.mkdir(parents=True)
    (light / "trigger").write_text(triggers)
    (light / "max_brightness").write_text("255\n")
    return light


def said(light: Path) -> dict[str, str]:
    return {x.name: x.read_text() for x in light.iterdir() if x.name != "max_brightness"}


def test_an_even_blink_is_the_kernel_s_timer(tmp_path: Path) -> None:
    led.show(light := a_light(tmp_path), PATTERNS[Phase.SETUP])
    assert said(light) == {"trigger": "timer", "delay_on": "1000", "delay_off": "1000"}


def test_a_group_of_flashes_is_a_pattern(tmp_path: Path) -> None:
    led.show(light := a_light(tmp_path), PATTERNS[Phase.BLOCKED])
    assert said(light) == {"trigger": "pattern", "pattern": pattern(PATTERNS[Phase.BLOCKED])}


@pytest.mark.parametrize(
    ("blink", "triggers"), [(STEADY, "none timer pattern"), (Blink((200, 200, 200, 900)), "none timer")]
)
def test_else_the_light_is_steady(tmp_path: Path, blink: Blink, triggers: str) -> None:
    led.show(light := a_light(tmp_path, triggers=triggers), blink)
    assert said(light) == {"trigger": "none", "brightness": "255"}


def test_only_a_light_that_is_ours_is_touched(tmp_path: Path) -> None:
    a_light(tmp_path, "input0::capslock")
    assert led.find(tmp_path) is None and led.find(tmp_path / "none") is None
    assert led.find(a_light(tmp_path).parent) == tmp_path / "ACT"


# --------------------------------------------------------------------------------------------- both


class Stage:
    """A door that answers with `status`, a light, and no screen."""

    def __init__(self, place: Path) -> None:
        self.run, self.state, self.leds = place / "run", place / "state", place / "leds"
        self.run.mkdir()
        self.state.mkdir()
        self.light = a_light(self.leds)
        self.status = status(Phase.PROTECTED, Reason.ALL_WELL)
        self.door = Door(self.run / "door", frozenset({0}), lambda request, uid: self.status)
        self.front = Front(self.run, self.state, self.run / "no-screen", self.leds)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.door.close()


def test_the_light_follows_the_door_and_tells_its_silence(stage: Stage) -> None:
    stage.front.look()
    assert said(stage.light)["delay_on"] == "150", "nobody answers yet"
    (stage.light / "trigger").write_text("none [timer] pattern")
    stage.door.start()
    stage.front.look()
    assert said(stage.light)["trigger"] == "none"
    (stage.light / "trigger").write_text("[none] timer pattern")  # the kernel's file lists them all
    stage.status = status(Phase.BLOCKED, Reason.STEP_FAILED)
    stage.front.look()
    assert said(stage.light)["trigger"] == "pattern"


def test_a_light_that_shows_the_phase_already_is_left_to_blink(stage: Stage) -> None:
    stage.door.start()
    stage.front.look()
    (stage.light / "trigger").write_text("untouched")
    stage.front.look()
    assert said(stage.light)["trigger"] == "untouched"


def test_the_pin_comes_from_the_box_s_identity_unless_paper_tells_it(stage: Stage) -> None:
    assert stage.front.scene(status()).pin == ""
    made = identity_file.ensure(stage.state, "serial0001")
    assert stage.front.scene(status()).pin == made.pin.reveal()
    (stage.state / identity_file.PREPARED).write_text("")
    assert stage.front.scene(status()).pin == ""
