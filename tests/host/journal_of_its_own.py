"""A journald of its own below a /run of its own, in a mount namespace that `unshare --mount` made; what `Journal` takes
from it, as JSON. Run by test_journal.py."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from appliance.core.logbook import Line
from appliance.host import journal

JOURNALD = "/lib/systemd/systemd-journald"
SOCKET = Path("/run/systemd/journal/stdout")
PATIENCE = 20.0  # seconds


def say(text: str, level: str, name: str) -> None:
    subprocess.run(("systemd-cat", "-t", name, "-p", level, "echo", text), check=True, timeout=PATIENCE)


def look(found: journal.Journal, done: Callable[[list[Line]], bool]) -> list[Line]:
    lines: list[Line] = []
    deadline = time.monotonic() + PATIENCE
    while not done(lines) and time.monotonic() < deadline:
        lines += found.take()
        time.sleep(0.05)
    return lines


def main() -> None:
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", "/run"), check=True)
    for name in ("log/journal", "systemd/journal"):
        Path("/run", name).mkdir(parents=True)
    journal.APART = 0.0
    with subprocess.Popen((JOURNALD,), stderr=subprocess.DEVNULL) as journald:
        try:
            deadline = time.monotonic() + PATIENCE
            while not SOCKET.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            say("calm", "info", "somebody")
            say("noroshi: the first", "info", "noroshi")
            say("bad", "err", "somebody")
            cursor = Path("/run/cursor")
            first = look(journal.Journal(cursor), lambda x: any(y.text == "bad" for y in x))
            say("noroshi: the second", "info", "noroshi")
            second = look(journal.Journal(cursor), lambda x: any("second" in y.text for y in x))
        finally:
            journald.terminate()
    sys.stdout.write(json.dumps([[x.as_data() for x in lines] for lines in (first, second)]))


if __name__ == "__main__":
    main()
