"""The box's letters to and from HQ: written whole, kept on the disk while HQ is out of reach, believed only when signed.

The courier carries them; this file knows folders and content, and decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from appliance.core import health
from appliance.core.enrolment import sign_text
from appliance.core.model import Config
from appliance.host import files

MAX_LETTER = 4 << 20


class Letters:
    """`run` is gone with the power, `state` lasts; `ring` wakes the courier."""

    def __init__(self, run: Path, state: Path, boot_id: str, ring: Callable[[], None]) -> None:
        self._run, self._state, self._boot_id, self._ring = run, state, boot_id, ring
        self._where = ""

    def tell_courier(self, *, hub: str, reports: bool, fetch: dict[str, Any] | None = None) -> None:
        """Where HQ answers, "" while nobody can be reached, and what to bring from there. Raises OSError."""
        where = json.dumps(
            {
                "hub": hub,
                "reports": reports,
                "boot_id": self._boot_id,
                "state": str(self._state),
                "fetch": fetch,
            }
        )
        if where != self._where:
            files.write_atomically(self._run / "courier.json", where)
            self._where = where
            self._ring()

    def write_enrolment(self, config: Config, model: str) -> None:
        """Asks HQ for a place, with the public halves of this box's keys. Raises OSError."""
        if config.joining is None or config.keys is None:
            return
        letter = {
            "ticket": config.joining.ticket.id,
            "tunnel_public": config.keys.tunnel_public,
            "report_public": config.keys.report_public,
            "serial": config.serial,
            "model": model,
        }
        path = self._run / "outbox" / f"enrol-{config.joining.ticket.id}.json"
        files.write_atomically(path, json.dumps(letter))
        self._ring()

    def write_report(self, config: Config, report: dict[str, Any], now: float, *, lasting: bool) -> None:
        """`lasting` keeps it over a power cut: HQ has not answered for a while. A full disk costs the report only."""
        if config.keys is None:
            return
        body = json.dumps(report, ensure_ascii=False)
        letter = json.dumps({"body": body, "signature": sign_text(body, config.keys.report_private)})
        folder = (self._state if lasting else self._run) / "outbox"
        name = f"report-{int(now * 1000):014d}-{report['seq']:06d}.json"
        try:
            files.write_atomically(folder / name, letter)
            for old in health.surplus(sorted(x.name for x in folder.glob("report-*.json"))):
                (folder / old).unlink(missing_ok=True)
        except OSError as error:
            sys.stderr.write(f"noroshi: a report could not be kept: {error}\n")
        self._ring()

    def answers(self) -> Iterator[dict[str, Any]]:
        """HQ's answers since the last look, each once. Nothing in them counts unless HQ signed it, but a refusal."""
        for path in sorted((self._run / "inbox").glob("*.json")):
            raw = files.read_foreign(path, MAX_LETTER)
            with contextlib.suppress(OSError):  # a folder with a letter's name stays, and is no letter
                path.unlink()
            try:
                letter = json.loads(raw) if raw else None
            except (ValueError, RecursionError):
                letter = None
            if isinstance(letter, dict) and isinstance(letter.get("answer"), dict):
                yield letter["answer"]
