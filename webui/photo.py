"""Reads the invitation out of what a phone sends: a photo of the QR code, a picture file or a text file.

Pictures come from strangers and can be huge, so they are decoded in a child process of their own
(`photo_child.py`) with limits on memory, processor time, wall clock and files; here only its answer is read.
One picture at a time: a box has little memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

CHILD = Path(__file__).with_name("photo_child.py")
WALL_SECONDS = 8.0  # more than the child's processor time, so at this limit others had the processor
QUEUE_SECONDS = 10.0
LARGEST_UPLOAD = 20 * 1024 * 1024
LARGEST_TEXT = 64 * 1024
LONGEST_INVITATION = 4096
PREFIX = "NOROSHI:"

_one_at_a_time = threading.Semaphore(1)


class Problem(StrEnum):
    """Why no invitation came out; the field web has a sentence for each."""

    NO_CODE = "photo-no-code"
    SEVERAL = "photo-several"
    TOO_LARGE = "photo-too-large"
    NOT_A_PICTURE = "photo-not-a-picture"
    FORMAT = "photo-format"  # a picture, but of a kind we do not decode (HEIC)
    BUSY = "photo-busy"


@dataclass(frozen=True, slots=True)
class Found:
    text: str


def read(upload: BinaryIO) -> Found | Problem:
    """The text in `upload` (seekable), whatever it is; the text is not checked beyond its beginning."""
    size = upload.seek(0, 2)
    upload.seek(0)
    if size > LARGEST_UPLOAD:
        return Problem.TOO_LARGE
    if size <= LARGEST_TEXT:
        text = _as_text(upload.read())
        upload.seek(0)
        if text is not None:
            return Found(text.strip()) if PREFIX in text.upper() else Problem.NOT_A_PICTURE
    if not _one_at_a_time.acquire(timeout=QUEUE_SECONDS):
        return Problem.BUSY
    try:
        return judge(_decode(upload))
    finally:
        _one_at_a_time.release()


def judge(answer: dict[str, object]) -> Found | Problem:
    """What the child's answer means: exactly one invitation, whatever other codes are in the picture."""
    problem = answer.get("problem")
    if problem is not None:
        known = {str(p) for p in Problem}
        return Problem(str(problem)) if problem in known else Problem.NOT_A_PICTURE
    codes = answer.get("codes")
    texts = {code.strip() for code in codes if isinstance(code, str)} if isinstance(codes, list) else set()
    invitations = {text for text in texts if text.upper().startswith(PREFIX)}
    if len(invitations) > 1:
        return Problem.SEVERAL
    chosen = invitations or texts  # no invitation: hand over what was there, the door says what it is not
    return Found(min(chosen)) if chosen else Problem.NO_CODE


def _decode(upload: BinaryIO) -> dict[str, object]:
    with tempfile.TemporaryFile() as picture:  # the child reads it as its standard input, at its own pace
        while chunk := upload.read(256 * 1024):
            picture.write(chunk)
        picture.seek(0)
        try:
            done = subprocess.run(
                (sys.executable, "-I", "-B", str(CHILD)),
                stdin=picture,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                timeout=WALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"problem": Problem.BUSY}  # a child that may work is stopped by its own limit before this
        except OSError:
            return {"problem": Problem.BUSY}  # no memory or no process to be had just now
    try:
        answer = json.loads(done.stdout[:LARGEST_TEXT])
    except ValueError:
        answer = None
    # A child without an answer hit one of its own limits: the picture was more than this box can take.
    return answer if isinstance(answer, dict) else {"problem": Problem.TOO_LARGE}


def _as_text(raw: bytes) -> str | None:
    """`raw` as text if it is text: UTF-8 with or without a mark, or UTF-16 as Windows' notepad writes it."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c.isspace() for c in text) else None
