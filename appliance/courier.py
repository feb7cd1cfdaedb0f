"""The courier: unprivileged, in the field namespace, carries what lies in the outbox to the hub and lays the
answers into the inbox. Everything it carries is signed by others; it can lose a letter, never forge one.

Only the standard library, and only what a small process needs.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import sys
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from appliance.fetching import bring

BATCH = 100  # reports a post
MOST_OCTETS = 180_000  # of one post; the intake takes 256 KiB
TIMEOUT = 5.0  # seconds for one post
MAX_ANSWER = 4 << 20  # octets, unpacked
MAX_PACKED = 1 << 20
ANSWER_WITHIN = 60.0  # seconds for all of it: an assignment over a very slow line
PORT = 8470
RETRY_FIRST, RETRY_MOST = 0.2, 10.0  # seconds between attempts while the hub does not answer
IDLE = 60.0  # seconds after which it looks around although nobody called


def letters(outboxes: Iterable[Path], pattern: str) -> list[Path]:
    """Oldest first: names begin with a running number."""
    found = [x for box in outboxes for x in box.glob(pattern)]
    return sorted(found, key=lambda x: x.name)


def post(hub: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(hub, PORT, timeout=TIMEOUT)
    try:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        packed = answer.headers.get("Content-Encoding", "") == "gzip"
        content = _read(answer, MAX_PACKED if packed else MAX_ANSWER)
        return answer.status, unpacked(content) if packed else content
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    """All of it, or nothing where it is larger than anything HQ has to say. Raises TimeoutError."""
    deadline = time.monotonic() + ANSWER_WITHIN
    content = b""
    while len(content) <= most:
        part = answer.read1(65536)
        if not part:
            return content
        content += part
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
    sys.stderr.write("courier: the answer is too large\n")
    return b""


def unpacked(content: bytes, most: int = MAX_ANSWER) -> bytes:
    """What gzip packed; nothing where it is torn, or would grow beyond `most`: never more than that is unpacked."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = unpacker.decompress(content, most)
    except zlib.error:
        found = b""
    if unpacker.eof:
        return found
    sys.stderr.write("courier: the answer is torn, or too large unpacked\n")
    return b""


def lay(inbox: Path, name: str, content: dict[str, Any]) -> None:
    """Into the inbox, whole or not at all."""
    scratch = inbox / f".{name}"
    scratch.write_text(json.dumps(content))
    scratch.replace(inbox / f"{name}.json")


def carry_enrolment(run: Path, hub: str) -> bool:
    """True when something was carried."""
    carried = False
    for letter in letters([run / "outbox"], "enrol-*.json"):
        status, answer = post(hub, "/enrol", letter.read_bytes())
        lay(run / "inbox", letter.stem, {"status": status, "answer": _data(answer)})
        letter.unlink(missing_ok=True)
        carried = True
    return carried


def carry_reports(run: Path, state: Path, hub: str, boot: str) -> bool:
    found: list[Path] = []
    reports: list[Any] = []
    size = 0
    for letter in letters([state / "outbox", run / "outbox"], "report-*.json")[:BATCH]:
        try:
            content = letter.read_bytes()
            report = json.loads(content)
        except (OSError, ValueError):
            letter.unlink(missing_ok=True)  # a hundred of these would block all others for ever
            continue
        size += len(content)
        if reports and size > MOST_OCTETS:
            break
        found.append(letter)
        reports.append(report)
    if not reports:
        return False
    envelope = {"boot_id": boot, "uptime": time.monotonic(), "reports": reports}
    status, answer = post(hub, "/reports", json.dumps(envelope).encode())
    if status != 200:
        raise OSError(f"the hub answered {status}")
    lay(run / "inbox", "reports", {"status": status, "answer": _data(answer)})
    # What the hub has judged is done with, accepted or not: an unreadable report must not block the others.
    for letter in found:
        letter.unlink(missing_ok=True)
    return True


def _data(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def main() -> None:
    run = Path(os.environ["NOROSHI_RUN_DIR"])
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = run / "courier" / "bell"
    path.unlink(missing_ok=True)
    bell.bind(str(path))
    path.chmod(0o600)
    bell.setblocking(False)
    pause = 0.0
    while True:
        try:
            where = json.loads((run / "courier.json").read_text())
            busy = carry_enrolment(run, where["hub"]) if where["hub"] else False
            if where["hub"] and where["reports"]:
                busy = carry_reports(run, Path(where["state"]), where["hub"], where["boot_id"]) or busy
            if busy:
                _ring(run)
            wanted, folder = where["fetch"], Path(where["state"]) / "update"
            more = bring(run, folder, where["hub"], wanted) if where["hub"] or not wanted else None
            pause = 0.0 if busy else IDLE if more is None else more
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            sys.stderr.write(f"courier: {error}\n")
            pause = min(max(pause if pause <= RETRY_MOST else 0.0, RETRY_FIRST / 2) * 2, RETRY_MOST)
        if pause:
            select.select([bell], [], [], pause)
        with contextlib.suppress(BlockingIOError):
            while bell.recv(1):
                pass


def _ring(run: Path) -> None:
    """Tell the daemon that there is an answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell, contextlib.suppress(OSError):
        bell.sendto(b"!", str(run / "wake"))


if __name__ == "__main__":
    main()
