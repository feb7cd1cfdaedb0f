"""The picture for the box's screen, at any size: a coloured band that is read from across a gym, below it the codes."""

from __future__ import annotations

from collections.abc import Callable

import segno
from PIL import Image, ImageDraw, ImageFont

from appliance.core.preparing_words import SCREEN
from appliance.core.screen import Look, Scene
from appliance.host import fonts

COLORS: dict[Look, tuple[str, str]] = {
    Look.GOOD: ("#0b6b3a", "#ffffff"),
    Look.WARN: ("#ffd24d", "#231a00"),
    Look.WORK: ("#0b5cad", "#ffffff"),
    Look.CALM: ("#2d4257", "#ffffff"),
    Look.ASK: ("#0b5cad", "#ffffff"),
    Look.STOP: ("#a3161b", "#ffffff"),
}
PAPER, INK, SOFT = "#ffffff", "#1a1a1a", "#555555"
NOT_FIRST = "、。,.)」』】?!ー…"  # no line begins with one of these
BAND = 0.46  # of the height
LEADING = 1.4  # of a line's size

Font = ImageFont.FreeTypeFont


def draw(scene: Scene, width: int, height: int) -> Image.Image:
    """RGB, `width` × `height`. Without a Japanese font the English words stand alone."""
    image = Image.new("RGB", (width, height), PAPER)
    _Picture(image, scene).draw()
    return image


class _Picture:
    def __init__(self, image: Image.Image, scene: Scene) -> None:
        self._image, self._scene = image, scene
        self._draw = ImageDraw.Draw(image)
        self._width, self._height = image.size
        self._unit = min(self._width * 9 / 16, self._height) / 100
        font = fonts.find()
        self._font: Callable[[float], Font] = (
            (lambda size: ImageFont.truetype(str(font), max(8, int(size))))
            if font
            else (lambda size: ImageFont.load_default(max(8, int(size))))  # type: ignore[assignment,return-value]
        )
        self._main = 0 if font else 1  # which of the two languages is written large

    def draw(self) -> None:
        bottom = int(self._height * BAND)
        self._band(bottom)
        if self._scene.drill:
            bottom = self._drill(bottom)
        self._below(bottom)

    # ------------------------------------------------------------------------------------------ the band

    def _band(self, bottom: int) -> None:
        scene, unit = self._scene, self._unit
        color, on = COLORS[scene.look]
        self._draw.rectangle((0, 0, self._width, bottom), fill=color)
        radius, margin = 11 * unit, 6 * unit
        middle = margin + radius
        self._sign(middle, bottom / 2, radius, color, on)
        left = middle + radius + margin
        room = self._width - left - margin
        lines = self._band_lines(room, 1.0)
        scale = 1.0
        while sum(size * LEADING for _, size in lines) > 0.9 * bottom and scale > 0.4:
            scale *= 0.95
            lines = self._band_lines(room, scale)
        y = (bottom - sum(size * LEADING for _, size in lines)) / 2
        for text, size in lines:
            self._text(left, y, text, size, on)
            y += size * LEADING

    def _band_lines(self, room: float, scale: float) -> list[tuple[str, float]]:
        scene, unit = self._scene, self._unit * scale
        lines = [
            *self._wrapped(scene.what[self._main], 8 * unit, room, 2),
            *self._wrapped(scene.do[self._main], 5 * unit, room, 3),
        ]
        if not self._main:
            lines += self._wrapped(f"{scene.what[1]}. {scene.do[1]}.", 2.9 * unit, room, 2)
        return lines

    def _sign(self, x: float, y: float, radius: float, color: str, on: str) -> None:
        """One sign for each look, so that no colour has to be told from another."""
        draw, r, thick = self._draw, radius, max(2, int(radius / 5))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=on)
        match self._scene.look:
            case Look.GOOD:
                points = ((x - r * 0.5, y), (x - r * 0.12, y + r * 0.4), (x + r * 0.52, y - r * 0.38))
                draw.line(points, fill=color, width=thick, joint="curve")
            case Look.WARN:
                draw.polygon(
                    ((x, y - r * 0.62), (x - r * 0.62, y + r * 0.45), (x + r * 0.62, y + r * 0.45)),
                    fill=color,
                )
                draw.rectangle((x - r * 0.07, y - r * 0.25, x + r * 0.07, y + r * 0.15), fill=on)
                draw.rectangle((x - r * 0.07, y + r * 0.23, x + r * 0.07, y + r * 0.36), fill=on)
            case Look.STOP:
                draw.rectangle((x - r * 0.6, y - r * 0.16, x + r * 0.6, y + r * 0.16), fill=color)
            case Look.CALM:
                for side in (-0.36, 0.12):
                    draw.rectangle(
                        (x + r * side, y - r * 0.45, x + r * (side + 0.24), y + r * 0.45), fill=color
                    )
            case Look.WORK:
                for step in (-0.5, 0.0, 0.5):
                    dot = r * 0.15
                    draw.ellipse((x + r * step - dot, y - dot, x + r * step + dot, y + dot), fill=color)
            case Look.ASK:
                draw.rounded_rectangle(
                    (x - r * 0.34, y - r * 0.6, x + r * 0.34, y + r * 0.6), r * 0.1, fill=color
                )
                draw.rectangle((x - r * 0.24, y - r * 0.46, x + r * 0.24, y + r * 0.34), fill=on)
                draw.ellipse((x - r * 0.06, y + r * 0.41, x + r * 0.06, y + r * 0.53), fill=on)

    def _drill(self, top: int) -> int:
        height = int(6 * self._unit)
        step = 2 * height
        for x in range(-height, self._width + step, step):
            self._draw.polygon(
                ((x, top + height), (x + height, top), (x + step, top), (x + height, top + height)),
                fill="#ffd24d",
            )
        said = SCREEN["drill"][self._main]
        self._draw.rectangle(
            (0, top, self._font(0.66 * height).getlength(said) + 4 * self._unit, top + height), fill=PAPER
        )
        self._text(2 * self._unit, top + 0.1 * height, said, 0.66 * height, "#a3161b")
        return top + height

    # ----------------------------------------------------------------------------------------- below it

    def _below(self, top: int) -> None:
        scene, unit = self._scene, self._unit
        margin = 4 * unit
        side = min(self._height - top - 3 * margin - 6 * unit, self._width * 0.27)
        x, y = margin, top + margin * 0.7
        key = f"{SCREEN['key'][self._main]}: {scene.passphrase}" if scene.passphrase else ""
        codes = [("wifi", scene.wifi, (scene.ssid, key)), ("page", scene.page, (scene.page, ""))]
        for name, text, lines in codes:
            if text:
                self._code(x, y, side, name, text, lines)
                x += max(side, self._width * 0.29) + margin
        self._facts(x, y, self._width - x - margin)

    def _code(self, x: float, y: float, side: float, name: str, text: str, lines: tuple[str, str]) -> None:
        unit = self._unit
        self._text(x, y, SCREEN[name][self._main], 3.6 * unit, INK)
        top = y + 5.4 * unit
        rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
        module = max(1, int(side // len(rows)))
        picture = Image.new("1", (len(rows), len(rows)))
        picture.putdata([0 if dark else 255 for row in rows for dark in row])
        size = len(rows) * module
        self._image.paste(picture.resize((size, size), Image.Resampling.NEAREST), (int(x), int(top)))
        below = top + size
        for line in lines:
            if line:
                self._text(
                    x + 1.5 * module, below - unit, line, self._fit(line, 3 * unit, self._width * 0.28), INK
                )
                below += 3.9 * unit

    def _facts(self, x: float, y: float, room: float) -> None:
        scene, unit, main = self._scene, self._unit, self._main
        if scene.site:
            for text, size in self._wrapped(scene.site, 4.6 * unit, room, 2):
                self._text(x, y, text, size, INK)
                y += size * 1.35
        if scene.hq_name:
            self._text(x, y, scene.hq_name, self._fit(scene.hq_name, 2.8 * unit, room), SOFT)
            y += 5 * unit
        rows = [("number", scene.number, 6.5), ("pin", scene.pin, 6.5), ("serial", scene.serial, 3.2)]
        for name, value, size in rows:
            if value:
                self._text(x, y, SCREEN[name][main], 2.6 * unit, SOFT)
                self._text(x, y + 3 * unit, value, self._fit(value, size * unit, room), INK)
                y += (size + 5) * unit

    # --------------------------------------------------------------------------------------------- text

    def _text(self, x: float, y: float, text: str, size: float, color: str) -> None:
        self._draw.text((x, y), text, font=self._font(size), fill=color)

    def _fit(self, text: str, size: float, room: float) -> float:
        needed = self._font(size).getlength(text)
        return size if needed <= room else size * room / needed

    def _wrapped(self, text: str, size: float, room: float, most: int) -> list[tuple[str, float]]:
        """Lines and their size, smaller where it would take more than `most` lines."""
        while True:
            lines = self._lines(text, self._font(size), room)
            if len(lines) <= most or size < 2 * self._unit:
                return [(x, size) for x in lines[:most]]
            size *= 0.92

    def _lines(self, text: str, font: Font, room: float) -> list[str]:
        lines = [""]
        for word in _words(text):
            if lines[-1] and font.getlength(lines[-1] + word.rstrip()) > room and word not in NOT_FIRST:
                lines.append("")
            lines[-1] += word if lines[-1] else word.lstrip()
        return [x.rstrip() for x in lines]


def _words(text: str) -> list[str]:
    """What may not be torn apart: a Latin word with the space after it, a single character of Japanese."""
    found: list[str] = []
    for character in text:
        latin = character.isascii()
        if found and latin and found[-1][-1].isascii() and not found[-1].endswith(" "):
            found[-1] += character
        else:
            found.append(character)
    return found
