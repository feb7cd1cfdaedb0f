"""The page that lies in a box, as a printer would see it: one page, both codes readable, the PIN below the fold only."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from appliance.core.identity import drawn
from appliance.core.model import Secret
from appliance.core.paper_words import PAPER
from appliance.hub.paper import FOLD, HEIGHT, PAGE, Paper, pdf

BOX = drawn("nrs-4f2a9c", "abcdefghjkmn", "123456")
PAPERS = {
    "usual": Paper(identity=BOX, site="柿崎総合体育館", hq_name="上越市 災害対策本部", invited=True, made="2026-11-22"),
    "long": Paper(
        identity=replace(BOX, ssid='の;ろ"し\\,:柿崎', passphrase=Secret('a;b,c:d\\e"f g' * 4)),
        site="上越市立柿崎地区公民館 大ホールおよび第二会議室(旧柿崎小学校体育館併設棟)二階",
        hq_name="新潟県上越市 災害対策本部 情報政策課 現地連絡調整班",
        invited=False,
        made="2026-11-22",
    ),
    "english": Paper(identity=BOX, site="Kakizaki", hq_name="", invited=True, made="2026-11-22", language="en"),
    "no-wifi": Paper(
        identity=replace(BOX, ssid="", passphrase=Secret("")), site="", hq_name="", invited=False, made="2026-11-22"
    ),
}  # fmt: skip


def printed(paper: Paper, place: Path) -> Image.Image:
    """As a picture of 150 dots for an inch."""
    (place / "page.pdf").write_bytes(pdf(paper))
    subprocess.run(["pdftoppm", "-r", "150", "-png", "page.pdf", "page"], cwd=place, check=True, timeout=60)
    (page,) = place.glob("page*.png")
    with Image.open(page) as drawn_page:
        return drawn_page.convert("L")


def text_of(place: Path) -> str:
    done = subprocess.run(
        ["pdftotext", "-raw", "page.pdf", "-"], cwd=place, capture_output=True, text=True, check=True
    )
    return done.stdout


def codes(page: Image.Image) -> set[str]:
    return {x.text for x in zxingcpp.read_barcodes(page)}


@pytest.mark.parametrize("name", ["usual", "long", "english"])
def test_a_phone_reads_the_wi_fi_and_the_page_from_the_print(name: str, tmp_path: Path) -> None:
    found = codes(printed(PAPERS[name], tmp_path))
    identity = PAPERS[name].identity
    assert PAGE in found and len(found) == 2
    (wifi,) = found - {PAGE}
    plain = wifi.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    assert plain == f"WIFI:T:WPA;S:{identity.ssid};P:{identity.passphrase.reveal()};;"


def test_a_box_without_wi_fi_has_the_page_s_code_only(tmp_path: Path) -> None:
    assert codes(printed(PAPERS["no-wifi"], tmp_path)) == {PAGE}


@pytest.mark.parametrize("name", PAPERS)
def test_nothing_runs_over_the_edge(name: str, tmp_path: Path) -> None:
    page = printed(PAPERS[name], tmp_path)
    edge = 50  # dots: 8 mm
    for strip in ((0, 0, edge, page.height), (page.width - edge, 0, page.width, page.height)):
        rows = [
            y for y in range(page.height) if min(page.crop((strip[0], y, strip[2], y + 1)).tobytes()) < 200
        ]
        fold = page.height * (1 - FOLD / HEIGHT)
        assert all(abs(y - fold) < 4 for y in rows), "only the fold's line goes from edge to edge"


def test_the_words_stand_there_and_the_pin_is_below_the_fold_alone(tmp_path: Path) -> None:
    page = printed(PAPERS["usual"], tmp_path)
    text = text_of(tmp_path)
    for name in ("line", "laptops", "power", "wifi", "page", "fold", "invited"):
        assert PAPER[name][0] in text, name
    assert "123\n456" in text and "柿崎総合体育館" in text and BOX.passphrase.reveal() in text
    fold = int(page.height * (1 - FOLD / HEIGHT))
    upper = tmp_path / "upper"
    cut = [
        "pdftotext",
        "-raw",
        "-r",
        "150",
        "-x",
        "0",
        "-y",
        "0",
        "-W",
        str(page.width),
        "-H",
        str(fold),
        "page.pdf",
        str(upper),
    ]
    subprocess.run(cut, cwd=tmp_path, check=True)
    assert "柿崎総合体育館" in upper.read_text() and "123" not in upper.read_text()


def test_the_same_box_makes_the_same_page() -> None:
    assert pdf(PAPERS["usual"]) == pdf(PAPERS["usual"])
