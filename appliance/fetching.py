"""The courier brings an update: piece by piece, each asked for by number, so that a cut costs one piece. What came is
HQ's, whole, or it is thrown away; whether it is to be believed is not for the courier to say."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

PIECE = 256 * 1024  # octets; HQ's intake hands them out by number
PORT = 8470
TIMEOUT = 10.0  # seconds without an octet
GENTLE = 3.0  # pauses as long as so many pieces, while laptops use the line


def bring(run: Path, folder: Path, hub: str, wanted: dict[str, Any] | None) -> float | None:
    """One piece more of what is wanted. Seconds until the next one; None where there is nothing more to bring.
    Raises OSError or http.client.HTTPException."""
    sha256 = str(wanted["sha256"]) if wanted else ""
    _leave_only(folder, sha256)
    if wanted is None or (folder / sha256).exists():
        return None
    begun, size = time.monotonic(), int(wanted["size"])
    path = folder / f"{sha256}.part"
    with path.open("ab") as file:
        held = file.tell() - file.tell() % PIECE if file.tell() != size else size
        file.truncate(held)  # a piece that was cut short is asked for again
        if held < size:
            piece = _piece(hub, sha256, held // PIECE, min(PIECE, size - held))
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            held += len(piece)
    if held >= size:
        _judge(run, path, sha256)
        return 0.0
    return (time.monotonic() - begun) * GENTLE if wanted.get("gently") else 0.0


def _piece(hub: str, sha256: str, number: int, length: int) -> bytes:
    connection = http.client.HTTPConnection(hub, PORT, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/software/{sha256}/{number}")
        answer = connection.getresponse()
        content = answer.read(length + 1)
        if answer.status != 200 or len(content) != length:
            raise OSError(f"piece {number} of the update: HQ answered {answer.status}, {len(content)} octets")
        return content
    finally:
        connection.close()


def _judge(run: Path, path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == sha256:
        path.replace(path.with_name(sha256))
        return
    path.unlink()
    letter = run / "inbox" / ".update"
    letter.write_text(json.dumps({"answer": {"damaged": sha256}}))
    letter.replace(run / "inbox" / "update.json")


def _leave_only(folder: Path, sha256: str) -> None:
    """What nobody wants any more makes room."""
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.name not in (sha256, f"{sha256}.part"):
                path.unlink()
