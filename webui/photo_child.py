"""The bounded child of photo.py: a picture on standard input, one line of JSON on standard output.

Runs alone (`python -I photo_child.py`), imports nothing of the project, and takes from itself what it does
not need before it looks at the first byte: memory, time, files, processes. Whatever happens, only it ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MEMORY = 352 * 1024 * 1024  # address space; Python, Pillow and zxing take about 100 MB of it
PROCESSOR_SECONDS = 7
ENOUGH_SECONDS = 5.0  # after this no further scale is tried
MOST_PIXELS = 260_000_000  # of a JPEG, which can be decoded at an eighth
MOST_WHOLE_PIXELS = 64_000_000  # of anything that must be decoded whole
LONG_SIDES = (1600, 2600, 900, 4200, 7500)  # pixels; most photos give their code at the first
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


def main() -> None:
    os.nice(10)  # people's desktops come first
    Path("/proc/self/oom_score_adj").write_text("1000")  # and if memory is short, this goes first
    limit(resource.RLIMIT_AS, MEMORY)
    limit(resource.RLIMIT_CPU, PROCESSOR_SECONDS)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    import zxingcpp  # noqa: F401 - loading needs files, so everything is loaded before they are gone
    from PIL import Image, MpoImagePlugin, WebPImagePlugin  # noqa: F401

    Image.preinit()  # JPEG, PNG, GIF, BMP
    limit(resource.RLIMIT_NPROC, 0)
    limit(resource.RLIMIT_NOFILE, 0)
    Image.MAX_IMAGE_PIXELS = None  # the bounds here are stricter, and say what was wrong
    try:
        answer = look()
    except MemoryError:
        answer = {"problem": "photo-too-large"}
    except Exception:  # a broken picture may raise anything
        answer = {"problem": "photo-not-a-picture"}
    os.write(1, json.dumps(answer).encode())


def limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, value))


def look() -> dict[str, object]:
    """`{"codes": […]}` of the first scale that shows any, or `{"problem": …}`.

    A code is found on its side and in a mirror too, so the camera's note of its own rotation does not matter.
    """
    import PIL.Image as Image
    import zxingcpp

    source = sys.stdin.buffer
    head = source.read(16)
    source.seek(0)
    if head[4:8] == b"ftyp":
        return {"problem": "photo-format"}  # HEIC, AVIF: what some phones keep, not what they send when asked
    with Image.open(source, formats=FORMATS) as opened:
        width, height = opened.size
        whole = opened.format not in ("JPEG", "MPO")
    if width * height > (MOST_WHOLE_PIXELS if whole else MOST_PIXELS):
        return {"problem": "photo-too-large"}
    wanted = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    for picture in scales(max(width, height), whole):
        found = zxingcpp.read_barcodes(picture, formats=wanted)
        codes = [code.text for code in found if code.valid]
        if codes:
            return {"codes": codes[:16]}
    return {"codes": []}


def scales(longest: int, whole: bool) -> Iterator[Picture]:
    """The picture in grey at several sizes, cheapest and likeliest first."""
    opened = None
    for side in LONG_SIDES:
        first = opened is None
        if not first and (side > 2 * longest or time.process_time() > ENOUGH_SECONDS):
            continue
        if opened is None or not whole:
            opened = grey(side)
        picture = opened.copy()
        picture.thumbnail((side, side))
        yield picture


def grey(side: int) -> Picture:
    """In grey, a JPEG not much larger than `side`; transparency becomes paper, not ink."""
    import PIL.Image as Image

    sys.stdin.buffer.seek(0)
    picture = Image.open(sys.stdin.buffer, formats=FORMATS)
    picture.draft("L", (side, side))
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("L")
    layer = picture.convert("LA")
    paper = Image.new("L", layer.size, 255)
    paper.paste(layer.getchannel("L"), mask=layer.getchannel("A"))
    return paper


if __name__ == "__main__":
    main()
