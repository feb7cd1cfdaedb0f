"""The machine's journal, by journalctl: read now and then, aside from the loop, and only what came since."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from appliance.core.logbook import Line, Told, choose, entry_of
from appliance.host.run import Failed, run

APART = 30.0  # seconds between two looks
ANSWER_WITHIN = 30.0  # seconds; a card may be slow
MOST = 400  # lines of one look, the newest
FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_TRANSPORT"


class Journal:
    """`cursor` remembers how far it was read, so that a new daemon does not tell it again."""

    def __init__(self, cursor: Path) -> None:
        self._cursor = cursor
        self._memory: dict[str, Told] = {}
        self._lines: tuple[Line, ...] = ()
        self._looked = -APART
        self._reader: threading.Thread | None = None
        self._complained = False

    def take(self) -> tuple[Line, ...]:
        """What is to be told, each line once; begins the next look where it is time."""
        if self._reader is not None and self._reader.is_alive():
            return ()
        lines, self._lines = self._lines, ()
        if time.monotonic() - self._looked >= APART:
            self._looked = time.monotonic()
            self._reader = threading.Thread(target=self._read, name="journal", daemon=True)
            self._reader.start()
        return lines

    def _read(self) -> None:
        asked = ["journalctl", "--quiet", "--no-pager", "--output=json", f"--output-fields={FIELDS}"]
        try:
            told = run([*asked, f"--cursor-file={self._cursor}", f"--lines={MOST}"], timeout=ANSWER_WITHIN)
        except (Failed, OSError, UnicodeDecodeError) as error:
            if not self._complained:
                sys.stderr.write(f"noroshi: the journal cannot be read: {error}\n")
            self._complained = True
            return
        entries = [x for x in map(entry_of, told.splitlines()) if x is not None]
        self._memory, lines = choose(self._memory, entries, time.monotonic())
        self._lines = (*self._lines, *lines)
