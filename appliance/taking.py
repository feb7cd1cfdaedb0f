"""At the box's start, before its daemon: what was dropped on the boot partition becomes the box's own, once.

State first, each file of it whole and on the disk; then the dropped file is wiped. Every step may be cut off: the
next start repeats it and comes to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.core import card as noun
from appliance.core.codec import Invalid, dump_private, load
from appliance.core.identity import Identity
from appliance.core.model import BoxKeys, Config
from appliance.core.words import Refused, refusal
from appliance.host import boot_files, files
from appliance.host import identity as identity_file

RESULT = "noroshi-card.txt"  # on the boot partition, for whoever dropped the file
_TAKEN = ("この箱に取り込みました", "taken into this box")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`code`: why it was refused, "" where it counts now; `gone`: nobody can read it there any more."""

    name: str
    code: str
    gone: bool

    def lines(self) -> tuple[str, str]:
        if not self.code:
            return f"{self.name}: {_TAKEN[0]}", f"{self.name}: {_TAKEN[1]}"
        told = refusal(self.code)
        return (
            f"{self.name}: {told.what_ja} ({told.number}) → {told.do_ja}",
            f"{self.name}: {told.what_en} ({told.number}) → {told.do_en}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """`serial`: the machine's own, for a box that has no configuration yet."""

    state: Path
    serial: str
    new_keys: Callable[[], BoxKeys]
    now: float
    mark: float = 0.0


def take(box: Box, folder: Path) -> tuple[Outcome, ...]:
    """Everything that lies there. Raises OSError where the state cannot be written: then nothing counts."""
    boot_files.finish(folder)
    outcomes = []
    for path, octets in boot_files.find(folder, lambda x: x == noun.NAME, noun.LARGEST):
        outcomes.append(_outcome(path, partial(_card, box, octets)))
    for path, octets in boot_files.find(folder, noun.is_ticket_name, noun.LARGEST):
        outcomes.append(_outcome(path, partial(_ticket, box, octets)))
    if outcomes:
        _tell(folder, outcomes)
    return tuple(outcomes)


def _outcome(path: Path, act: Callable[[], str]) -> Outcome:
    try:
        code = act()
    except Refused as error:
        return Outcome(name=path.name, code=error.code, gone=False)
    try:
        boot_files.wipe(path)
    except OSError:
        return Outcome(name=path.name, code=code, gone=False)
    return Outcome(name=path.name, code=code, gone=True)


def _card(box: Box, octets: bytes) -> str:
    card, config = noun.read(octets), _config(box)
    taken = noun.take(config, _identity(box), card, box.new_keys(), box.now, box.mark)
    if taken.identity is not None and taken.identity != _identity(box):
        identity_file.save(box.state, taken.identity)
    _save(box, config, taken.config)
    files.write_atomically(box.state / identity_file.PREPARED, "")
    return taken.refusal


def _ticket(box: Box, octets: bytes) -> str:
    config = _config(box)
    text = octets.decode("utf-8", "replace")
    _save(box, config, noun.invited(config, text, box.new_keys(), box.now, box.mark))
    return ""


def _config(box: Box) -> Config:
    try:
        data = files.read_private(box.state / "config.json")
        return load(Config, data, newer=True) if data is not None else Config(serial=box.serial)
    except (files.Damaged, Invalid) as error:
        raise Refused("config-damaged") from error


def _identity(box: Box) -> Identity | None:
    try:
        return identity_file.load(box.state)
    except (files.Damaged, Invalid):
        return None


def _save(box: Box, held: Config, config: Config) -> None:
    if config != held:
        files.write_private(box.state / "config.json", dump_private(config))


def _tell(folder: Path, outcomes: list[Outcome]) -> None:
    lines = [line for x in outcomes for line in x.lines()]
    try:
        files.write_atomically(folder / RESULT, "\r\n".join(lines) + "\r\n")
    except OSError:  # it helps whoever reads it, and nothing depends on it
        return
