"""The invitation out of real pictures, and nothing but a sentence out of the others. The child is the real one."""

from __future__ import annotations

import base64
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path

import pytest
import segno
from PIL import Image, ImageFilter, ImageOps

from tests.webui.door import RecordedDoor
from tests.webui.visitor import Visitor
from webui import photo
from webui.photo import Found, Problem

# As long as a real one: about four hundred bytes, a QR code of 85 by 85 modules.
INVITATION = "NOROSHI:" + base64.b32encode(random.Random(7).randbytes(420)).decode().rstrip("=")
OTHER = INVITATION[:-8] + "AAAAAAAA"


def code(text: str = INVITATION, side: int = 900) -> Image.Image:
    out = BytesIO()
    segno.make_qr(text, error="m").save(out, kind="png", scale=8, border=4)
    return Image.open(out).convert("L").resize((side, side))


def scene(width: int, height: int, *codes: Image.Image, turned: float = 0, blurred: float = 0) -> Image.Image:
    """A wall with papers on it, as a hand-held phone sees it."""
    wall = Image.effect_noise((width // 8, height // 8), 60).resize((width, height)).convert("L")
    for place, paper in enumerate(codes):
        sheet = ImageOps.expand(paper, 60, 250).rotate(turned, expand=True, fillcolor=140)
        middle = (2 * place + 1) * width // (2 * len(codes))
        wall.paste(sheet, (middle - sheet.width // 2, (height - sheet.height) // 2))
    return wall.filter(ImageFilter.GaussianBlur(blurred)) if blurred else wall


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> BytesIO:
    out = BytesIO()
    picture.save(out, kind, **options)
    out.seek(0)
    return out


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run on a machine with no processor to spare, and the child steps behind everybody there.

    So the wall clock is given time; the child's own limits, processor time among them, are the real ones.
    """
    monkeypatch.setattr(photo, "WALL_SECONDS", 90.0)


def processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def large() -> bytes:
    """Forty megapixels."""
    return saved(scene(7300, 5480, code(side=2200), turned=-9, blurred=2).convert("RGB")).getvalue()


def test_a_photo_taken_askew_is_read() -> None:
    assert photo.read(saved(scene(2000, 1500, code(), turned=17, blurred=1))) == Found(INVITATION)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_however_the_phone_was_held(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = scene(1400, 1100, code()).transpose(Image.Transpose(orientation % 7))
    assert photo.read(saved(picture, exif=exif)) == Found(INVITATION)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "L")],
)
def test_other_kinds_of_picture_are_read(kind: str, mode: str) -> None:
    assert photo.read(saved(scene(1200, 1000, code()).convert(mode), kind)) == Found(INVITATION)


def test_a_code_drawn_on_transparent_ground_is_read() -> None:
    drawn = BytesIO()
    segno.make_qr(INVITATION).save(drawn, kind="png", scale=6, light=None)
    drawn.seek(0)
    assert photo.read(drawn) == Found(INVITATION)


def test_a_photo_of_forty_megapixels_is_read_quickly_and_in_little_memory(large: bytes) -> None:
    before = processor_seconds()
    assert photo.read(BytesIO(large)) == Found(INVITATION)
    assert processor_seconds() - before < 4


def test_a_progressive_photo_of_forty_megapixels_is_read(large: bytes) -> None:
    progressive = saved(Image.open(BytesIO(large)), progressive=True)
    assert photo.read(progressive) == Found(INVITATION)


def test_a_child_that_gets_no_processor_is_ended_and_the_photo_is_not_blamed(
    large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo, "WALL_SECONDS", 0.01)
    assert photo.read(BytesIO(large)) is Problem.BUSY
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_photo_without_a_code_is_told_so() -> None:
    assert photo.read(saved(scene(2400, 1800))) is Problem.NO_CODE


def test_two_invitations_are_one_too_many_and_the_same_one_twice_is_not() -> None:
    assert photo.read(saved(scene(2600, 1300, code(), code(OTHER)))) is Problem.SEVERAL
    assert photo.read(saved(scene(2600, 1300, code(), code()))) == Found(INVITATION)


def test_a_label_with_another_code_beside_the_invitation_does_not_matter() -> None:
    label = code("WIFI:T:WPA;S:router;P:secret;;", side=500)
    assert photo.read(saved(scene(2600, 1300, label, code()))) == Found(INVITATION)
    assert photo.read(saved(scene(1600, 1300, label))) == Found("WIFI:T:WPA;S:router;P:secret;;")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 5000,
        b"\xff\xd8\xff\xe0" + b"torn" * 99,
        b"%PDF-1.7\n" + bytes(range(256)) * 9,
        b"hello",
        b"MZ\x90\x00",
    ],
)
def test_what_is_no_picture_is_told_so(content: bytes) -> None:
    assert photo.read(BytesIO(content)) is Problem.NOT_A_PICTURE


def test_a_photo_cut_in_half_is_no_picture(large: bytes) -> None:
    assert photo.read(BytesIO(large[: len(large) // 8])) in (Problem.NOT_A_PICTURE, Problem.NO_CODE)


def test_a_picture_as_some_phones_keep_them_is_told_apart() -> None:
    assert photo.read(BytesIO(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 4000)) is Problem.FORMAT


def test_a_file_that_is_too_large_is_not_even_looked_at() -> None:
    before = time.monotonic()
    assert photo.read(BytesIO(bytes(photo.LARGEST_UPLOAD + 1))) is Problem.TOO_LARGE
    assert time.monotonic() - before < 1


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge and packs into next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x06\x00\x00\x00"
    body = zlib.compress(bytes(64 * 1024 * 1024), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (8000, 8000), (7900, 8000)])
def test_a_decompression_bomb_hurts_only_the_child(size: tuple[int, int]) -> None:
    assert photo.read(BytesIO(bomb(*size))) in (Problem.TOO_LARGE, Problem.NOT_A_PICTURE)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_invitation_as_a_text_file_is_read(encoding: str) -> None:
    text = f"本部から:\r\n{INVITATION[:40]}\r\n{INVITATION[40:]}\r\n"
    assert photo.read(BytesIO(text.encode(encoding))) == Found(text.strip())


def test_the_child_can_open_nothing_and_start_nothing() -> None:
    """The same limits, and then the attempt: files, sockets and processes are all refused."""
    attempt = """
import sys, os, json
sys.path.insert(0, sys.argv[1])
import photo_child, resource, socket
photo_child.limit(resource.RLIMIT_FSIZE, 0)
photo_child.limit(resource.RLIMIT_NPROC, 0)
photo_child.limit(resource.RLIMIT_NOFILE, 0)
refused = []
for name, act in (
    ("file", lambda: open("/etc/passwd")),
    ("socket", lambda: socket.socket()),
    ("pipe", lambda: os.pipe()),
):
    try:
        act()
    except OSError:
        refused.append(name)
os.write(1, json.dumps(refused).encode())
"""
    done = subprocess.run(
        (sys.executable, "-c", attempt, str(photo.CHILD.parent)), capture_output=True, check=True, timeout=20
    )
    assert json.loads(done.stdout) == ["file", "socket", "pipe"]


def test_a_child_that_says_nothing_means_too_large() -> None:
    assert photo.judge({"problem": "photo-too-large"}) is Problem.TOO_LARGE
    assert photo.judge({"problem": "never heard of"}) is Problem.NOT_A_PICTURE
    assert photo.judge({"codes": "not a list"}) is Problem.NO_CODE
    assert photo.judge({"codes": [1, None]}) is Problem.NO_CODE
    assert photo.judge({}) is Problem.NO_CODE


def test_no_file_and_no_child_is_left_behind(large: bytes) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    photo.read(BytesIO(large))
    before = open_files()
    photo.read(BytesIO(large))
    photo.read(BytesIO(b"\x00" * 90_000))
    assert open_files() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# ---------------------------------------------------------------------------------- through the page


@pytest.mark.parametrize("field", ["photo", "file"])
def test_the_page_takes_the_photo_by_either_field(phone: Visitor, box: RecordedDoor, field: str) -> None:
    page = phone.upload(field, saved(scene(1500, 1200, code())).getvalue())
    assert page.step == "site"
    assert box.questions("read-ticket") == [{"ask": "read-ticket", "ticket": INVITATION}]


def test_a_photo_wins_over_the_text_of_the_last_attempt(phone: Visitor, box: RecordedDoor) -> None:
    page = phone.upload("photo", saved(scene(1500, 1200, code())).getvalue(), ticket="something torn")
    assert page.step == "site"
    assert box.questions("read-ticket")[0]["ticket"] == INVITATION


def test_a_photo_without_a_code_keeps_the_text_and_says_what_to_do(phone: Visitor) -> None:
    page = phone.upload("photo", saved(scene(900, 700)).getvalue(), ticket="typed before")
    assert (page.code, page.step) == (422, "ticket")
    assert "写真の中にQRコードが見つかりません" in page.text
    assert "もっと近くから" in page.text
    assert "typed before" in page.html


def test_an_upload_over_the_limit_is_a_sentence(phone: Visitor) -> None:
    page = phone.upload("photo", bytes(photo.LARGEST_UPLOAD + 300_000))
    assert (page.code, page.step) == (413, "ticket")
    assert "写真が大きすぎて読み取れません" in page.text


def test_the_pages_answer_while_a_large_photo_is_read(phone: Visitor, large: bytes) -> None:
    slowest, start = 0.0, time.monotonic()
    reading = threading.Thread(target=lambda: photo.read(BytesIO(large)))
    phone.get()
    reading.start()
    while reading.is_alive():
        before = time.monotonic()
        assert phone.get("/live").code == 200
        slowest = max(slowest, time.monotonic() - before)
    reading.join()
    assert slowest < max(1.0, (time.monotonic() - start) / 2)
