"""The one page that lies in a prepared box (A4, PDF): what goes where, the Wi-Fi and the page as QR codes, and below
the fold the PIN, upside down, so that it reads right on the back. Needs reportlab and a Japanese TrueType font."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from appliance.core.access_point import WIZARD_ADDRESS
from appliance.core.identity import Identity
from appliance.core.paper_words import paper_words
from appliance.core.wifi_code import wifi_code
from appliance.core.words import Refused
from appliance.host import fonts

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

PAGE = f"http://{WIZARD_ADDRESS}/"
MM = 72 / 25.4
WIDTH, HEIGHT = 210 * MM, 297 * MM
MARGIN = 16 * MM
FOLD = 58 * MM  # from the lower edge
BLUE, YELLOW, INK, SOFT, LINE = "#0b5cad", "#f2c200", "#1a1a1a", "#5a5a5a", "#b5b5b5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """`site` and `hq_name` may be empty; `invited`: a ticket is on the card already; `made`: the day, for people."""

    identity: Identity
    site: str
    hq_name: str
    invited: bool
    made: str
    language: str = "ja"


def check_font() -> Path:
    """Raises Refused where none is installed."""
    found = fonts.find()
    if found is None:
        raise Refused("paper-font")
    return found


def pdf(paper: Paper) -> bytes:
    """Raises Refused where the font is missing."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(TTFont("ja", str(check_font())))
    out = BytesIO()
    canvas = Canvas(out, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1)
    canvas.setTitle(f"Noroshi {paper.identity.serial}")
    canvas.setAuthor(paper.hq_name)
    sheet = _Sheet(canvas, paper)
    sheet.head()
    sheet.sockets(HEIGHT - 112 * MM)
    sheet.codes(HEIGHT - 118 * MM)
    sheet.foot()
    sheet.back()
    canvas.showPage()
    canvas.save()
    return out.getvalue()


class _Sheet:
    """Draws the parts of the page, from the top."""

    def __init__(self, canvas: Canvas, paper: Paper) -> None:
        self._canvas, self._paper = canvas, paper

    def _say(self, name: str) -> str:
        return paper_words(name, self._paper.language)

    def _text(
        self, x: float, y: float, text: str, size: float, color: str = INK, middle: bool = False
    ) -> None:
        self._canvas.setFillColor(color)
        self._canvas.setFont("ja", size)
        (self._canvas.drawCentredString if middle else self._canvas.drawString)(x, y, text)

    def _fitting(self, text: str, size: float, width: float) -> float:
        """The largest size up to `size` at which the text is not wider than that."""
        needed = self._canvas.stringWidth(text, "ja", size)
        return size if needed <= width else size * width / needed

    def head(self) -> None:
        paper, top = self._paper, HEIGHT - 20 * MM
        self._text(MARGIN, top, self._say("title"), 12, SOFT)
        name = paper.site or paper.identity.serial
        self._text(MARGIN, top - 15 * MM, name, self._fitting(name, 34, WIDTH - 2 * MARGIN))
        below = " · ".join(x for x in (paper.hq_name, f"{self._say('serial')} {paper.identity.serial}") if x)
        self._text(MARGIN, top - 23 * MM, below, self._fitting(below, 11, WIDTH - 2 * MARGIN), SOFT)
        self._canvas.setStrokeColor(LINE)
        self._canvas.line(MARGIN, top - 27 * MM, WIDTH - MARGIN, top - 27 * MM)

    def sockets(self, bottom: float) -> None:
        """The box from behind, with what goes into it in the order of 1, 2, 3."""
        canvas, left, width = self._canvas, MARGIN, WIDTH - 2 * MARGIN
        canvas.setFillColor("#eef1f4")
        canvas.setStrokeColor(INK)
        canvas.setLineWidth(1.5)
        canvas.roundRect(left, bottom + 26 * MM, width, 30 * MM, 4 * MM, fill=1)
        third = width / 3
        steps = (("line", BLUE, "#ffffff"), ("laptops", YELLOW, INK), ("power", INK, "#ffffff"))
        for number, (name, color, on) in enumerate(steps, 1):
            x = left + (number - 0.5) * third
            self._socket(x, bottom + 41 * MM, name, color, on)
            canvas.setFillColor(color)
            canvas.circle(x, bottom + 18 * MM, 5 * MM, stroke=0, fill=1)
            self._text(x, bottom + 16.1 * MM, str(number), 16, on, middle=True)
            text = self._say(name)
            self._text(x, bottom + 7 * MM, text, self._fitting(text, 11.5, third - 5 * MM), middle=True)
        canvas.setLineWidth(0.7)

    def _socket(self, x: float, y: float, name: str, color: str, on: str) -> None:
        canvas = self._canvas
        canvas.setFillColor(color)
        canvas.setStrokeColor(INK)
        if name == "power":
            canvas.circle(x, y, 7 * MM, fill=1)
        else:
            sockets = (0.0,) if name == "line" else (-9 * MM, 9 * MM)
            for beside in sockets:
                canvas.roundRect(x + beside - 8 * MM, y - 6.5 * MM, 16 * MM, 13 * MM, 1 * MM, fill=1)
                canvas.rect(x + beside - 4 * MM, y - 6.5 * MM, 8 * MM, 3 * MM, stroke=0, fill=0)
        label = self._say(f"{name}-short")
        if name == "laptops":
            for beside in (-9 * MM, 9 * MM):
                self._text(x + beside, y - 1.2 * MM, label, self._fitting(label, 9, 14 * MM), on, middle=True)
        else:
            self._text(x, y - 1.2 * MM, label, self._fitting(label, 10, 12 * MM), on, middle=True)

    def codes(self, top: float) -> None:
        """Left the Wi-Fi, right the page."""
        identity, half = self._paper.identity, (WIDTH - 2 * MARGIN) / 2
        side = 54 * MM
        for place, number in ((0, 4), (1, 5)):
            x = MARGIN + place * half
            self._canvas.setFillColor(INK)
            self._canvas.circle(x + 5 * MM, top - 5 * MM, 5 * MM, stroke=0, fill=1)
            self._text(x + 5 * MM, top - 6.9 * MM, str(number), 16, "#ffffff", middle=True)
            name = "page" if place else "wifi" if identity.ssid else "wired"
            text = self._say(name)
            self._text(x + 12 * MM, top - 7 * MM, text, self._fitting(text, 14, half - 16 * MM))
        right = MARGIN + half
        if identity.ssid:
            self._code(
                MARGIN, top - 12 * MM - side, side, wifi_code(identity.ssid, identity.passphrase.reveal())
            )
            self._pair(MARGIN, top - 74 * MM, self._say("wifi-name"), identity.ssid)
            self._pair(MARGIN, top - 84 * MM, self._say("wifi-key"), identity.passphrase.reveal())
        else:
            text = self._say("no-wifi")
            self._text(MARGIN, top - 40 * MM, text, self._fitting(text, 12, half - 6 * MM))
        self._code(right, top - 12 * MM - side, side, PAGE)
        self._text(right, top - 75 * MM, PAGE, 15)
        text = self._say("page-more")
        self._text(right, top - 83 * MM, text, self._fitting(text, 10, half), SOFT)

    def _pair(self, x: float, y: float, name: str, value: str) -> None:
        self._text(x, y, name, 9, SOFT)
        self._text(x + 20 * MM, y, value, self._fitting(value, 15, 62 * MM))

    def _code(self, x: float, y: float, side: float, text: str) -> None:
        """As squares, so that it prints sharp at any size; a quiet zone of four modules is inside."""
        rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
        module = side / len(rows)
        path = self._canvas.beginPath()
        for down, row in enumerate(rows, 1):
            for across, dark in enumerate(row):
                if dark:
                    path.rect(x + across * module, y + side - down * module, module, module)
        self._canvas.setFillColor("#000000")
        self._canvas.drawPath(path, stroke=0, fill=1)

    def foot(self) -> None:
        text = self._say("invited" if self._paper.invited else "not-invited")
        y = FOLD + 22 * MM
        self._text(MARGIN, y, text, self._fitting(text, 13, WIDTH - 2 * MARGIN))
        text = self._say("green")
        self._canvas.setFillColor("#1b7f3b")
        self._canvas.circle(MARGIN + 2.5 * MM, y - 8.4 * MM, 2.5 * MM, stroke=0, fill=1)
        self._text(MARGIN + 8 * MM, y - 10 * MM, text, self._fitting(text, 13, WIDTH - 2 * MARGIN - 8 * MM))

    def back(self) -> None:
        canvas, paper = self._canvas, self._paper
        canvas.setStrokeColor(SOFT)
        canvas.setDash(4, 3)
        canvas.line(0, FOLD, WIDTH, FOLD)
        canvas.setDash()
        self._text(WIDTH / 2, FOLD + 2 * MM, f"▼ {self._say('fold')} ▼", 9, SOFT, middle=True)
        canvas.saveState()
        canvas.translate(WIDTH, FOLD)
        canvas.rotate(180)
        self._text(MARGIN, FOLD - 17 * MM, self._say("staff"), 12)
        self._text(MARGIN, FOLD - 29 * MM, self._say("pin"), 10, SOFT)
        self._text(MARGIN + 45 * MM, FOLD - 30 * MM, " ".join(_pairs(paper.identity.pin.reveal())), 24)
        rows = ((self._say("serial"), paper.identity.serial), (self._say("made"), paper.made))
        for number, (name, value) in enumerate(rows):
            self._text(MARGIN + 105 * MM, FOLD - (25 + 7 * number) * MM, name, 9, SOFT)
            self._text(MARGIN + 125 * MM, FOLD - (25 + 7 * number) * MM, value, 11)
        self._text(MARGIN, FOLD - 42 * MM, self._say("keep"), 10, SOFT)
        canvas.restoreState()


def _pairs(digits: str) -> list[str]:
    """Read aloud and typed three at a time."""
    return [digits[x : x + 3] for x in range(0, len(digits), 3)]
