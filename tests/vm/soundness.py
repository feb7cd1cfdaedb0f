"""Is what a power cut left whole? The file systems by their own checkers, the state by the product's own reader."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from appliance.core.codec import Invalid, load
from appliance.core.model import Config
from appliance.host import files, mark
from tests.vm.medium import copy

NOTHING = "nothing"  # no configuration was ever saved
DAMAGED = "damaged"
# What fsck.fat(8) says of a partition that was mounted, and of nothing else: the bit is in the boot sector, not in its copy.
NOT_PUT_AWAY = (
    *("fsck.fat ", "Dirty bit is set", "removing dirty bit", "Leaving filesystem unchanged", " clusters"),
    *("There are differences between boot sector and its backup.", "This is mostly harmless. Differences:"),
    *("Not automatically fixing this.",),
)
THE_BIT = "65:01/00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`state`: which configuration the product reads, as a digest; `complaints`: what is not sound."""

    state: str = NOTHING
    complaints: tuple[str, ...] = ()
    slot: str = ""  # which slot the firmware would start


def _run(*argv: str) -> tuple[int, str]:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, env=CLEAN
    )
    return done.returncode, (done.stdout + done.stderr).strip()


CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}


def data_partition(path: Path, scratch: Path) -> tuple[Verdict, Path]:
    """What a mount would find: the journal is replayed on a copy, then nothing may be left to mend. The second value
    is a folder with the files that are there."""
    whole, out = scratch / "data", scratch / "files"
    shutil.rmtree(scratch, ignore_errors=True)
    out.mkdir(parents=True)
    copy(path, whole)
    complaints = []
    code, told = _run("e2fsck", "-E", "journal_only", "-y", str(whole))
    if code not in (0, 1):
        complaints.append(f"the journal: {told[-300:]}")
    code, told = _run("e2fsck", "-f", "-n", str(whole))
    if code:
        complaints.append(f"e2fsck: {_brief(told)}")
    code, told = _run("debugfs", "-R", f"rdump / {out}", str(whole))
    if code:
        complaints.append(f"debugfs: {told[-300:]}")
    state = state_in(out)
    if state == DAMAGED:
        complaints.append("the configuration is neither the old one nor the new one")
    if (out / "clock.mark").exists() and not mark.read(out / "clock.mark"):
        complaints.append("the clock's mark is gone")
    return Verdict(state=state, complaints=tuple(complaints)), out


def _brief(told: str) -> str:
    """The first faults that e2fsck names."""
    noise = ("Pass ", "e2fsck ", "Fix? ", "Clear? ")
    lines = [x.strip() for x in told.splitlines() if x.strip() and not x.startswith(noise)]
    return " / ".join(lines)[:300]


def state_in(folder: Path) -> str:
    """The configuration that the product would begin with: its digest."""
    try:
        data = files.read_private(folder / "config.json")
        if data is None:
            return NOTHING
        load(Config, data)
    except (files.Damaged, Invalid):
        return DAMAGED
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def fat_partition(path: Path) -> tuple[str, ...]:
    """Complaints; that it was not put away properly is none: it is what happened."""
    code, told = _run("fsck.fat", "-n", str(path))
    lines = [x.strip() for x in told.splitlines() if x.strip()]
    bad = [x for x in lines if x != THE_BIT and not any(y in x for y in NOT_PUT_AWAY)]
    only_that = any("Dirty bit is set" in x or x == THE_BIT for x in lines) and not bad
    return () if code == 0 or only_that else (f"fsck.fat: {' / '.join(bad)[:300] or code}",)


def digest(path: Path) -> str:
    """Of a whole slot."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
