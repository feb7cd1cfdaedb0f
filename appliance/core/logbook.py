"""What of a box's journal HQ gets to read: the journal itself lies in memory and is gone with the power. A line goes
along with the next report once, and one that says the same again waits its turn: a metered line pays for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

OURS = "noroshi"  # the daemon: whatever it says was meant for somebody
KERNEL = "kernel"
ERROR, WARNING = 3, 4  # syslog(3)
MOST_LINES = 20  # in one report
MOST_TEXT = 300  # characters of a line
QUIET = 3600.0  # seconds until what was told is told again
MOST_KINDS = 256  # of lines that are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal; `at`: seconds since the machine started, `source`: unit or program."""

    at: float
    source: str
    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What HQ reads. `times`: how often that was said since it was told last, or in these moments."""

    at: float
    source: str
    level: int
    text: str
    times: int = 1

    def as_data(self) -> dict[str, object]:
        return {
            "at": round(self.at, 3),
            "source": self.source,
            "level": self.level,
            "text": self.text,
            "times": self.times,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    at: float  # when it was told
    since: int = 0  # how often it was said after that


def entry_of(text: str) -> Entry | None:
    """One line of `journalctl --output=json` (systemd.journal-fields(7)); None for what is not one, or says nothing.
    A message that is no text comes as a list of octets, one that is too long as null."""
    try:
        told = json.loads(text)
        message = told["MESSAGE"]
        if isinstance(message, list):
            message = bytes(message).decode(errors="replace")
        unit = str(told.get("_SYSTEMD_UNIT", ""))
        by = str(told.get("SYSLOG_IDENTIFIER", ""))
        source = KERNEL if told.get("_TRANSPORT") == KERNEL else unit.removesuffix(".service") or by
        entry = Entry(
            at=int(told["__MONOTONIC_TIMESTAMP"]) / 1e6,
            source=_plain(source, 64) or "?",
            level=int(told.get("PRIORITY", 6)),
            text=_plain(message, MOST_TEXT) if isinstance(message, str) else "",
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return entry if entry.text else None


def is_worth(entry: Entry) -> bool:
    """A kernel warns of much that is as it should be."""
    if entry.source == OURS:
        return True
    return entry.level <= (ERROR if entry.source == KERNEL else WARNING)


def choose(
    memory: Mapping[str, Told], entries: Iterable[Entry], now: float
) -> tuple[dict[str, Told], tuple[Line, ...]]:
    """What is remembered from now on, and what is told now, in its order. Where there is too much, the worst counts."""
    kept = dict(memory)
    chosen: dict[str, Line] = {}
    for x in entries:
        if not is_worth(x):
            continue
        kind = kind_of(x)
        known = kept.get(kind)
        if kind in chosen:
            chosen[kind] = replace(chosen[kind], at=x.at, text=x.text, times=chosen[kind].times + 1)
        elif known is not None and now - known.at < QUIET:
            kept[kind] = replace(known, since=known.since + 1)
        else:
            times = known.since + 1 if known else 1
            chosen[kind] = Line(at=x.at, source=x.source, level=x.level, text=x.text, times=times)
    worst = sorted(chosen.items(), key=lambda x: (x[1].level, -x[1].at))[:MOST_LINES]
    for kind, _line in worst:
        kept.pop(kind, None)
        kept[kind] = Told(at=now)
    newest = dict(list(kept.items())[-MOST_KINDS:])
    return newest, tuple(sorted((line for _kind, line in worst), key=lambda x: x.at))


def kind_of(entry: Entry) -> str:
    """Lines that differ by numbers only say the same."""
    return f"{entry.source} {re.sub(r'[0-9]+', '#', entry.text)}"


def _plain(text: str, limit: int) -> str:
    return "".join(x if x.isprintable() else " " for x in text[:limit]).strip()
