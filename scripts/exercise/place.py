"""Where one exercise lies: names of its namespaces, its folder, and whose it is. No process is started here.

Everything an exercise puts on the machine is named after its prefix or lies below its folder, so that it
can be found and removed even when whoever made it has died.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# How many times slower than usual this machine is, an emulated one for example: everybody waits as much longer.
PACE = float(os.environ.get("NOROSHI_PACE", "1"))
MACHINES = ("hq", "desk", "internet", "router-a", "router-b", "box", "field", "laptop", "phone")
MADE_BY_THE_BOX = frozenset({"field"})
PASSING = (
    "field-proof",
    "field-proof2",
    "box-off",
    "hq-off",
)  # there for a moment only, unless something died then


class Occupied(Exception):
    """Another exercise is up under the same names; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """`prefix` keeps two exercises on one machine apart, for example a demo and a test run."""

    prefix: str = "noroshi"

    def namespace(self, machine: str) -> str:
        return f"{self.prefix}-{machine}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that can be there, to look for and to remove."""
        return tuple(self.namespace(machine) for machine in (*MACHINES, *PASSING))

    @property
    def root(self) -> Path:
        return Path(f"/run/{self.prefix}-exercise")

    def folder(self, *parts: str, mode: int = 0o755) -> Path:
        """The folder below the exercise's own, made if it is missing. Unprivileged machines may enter it."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path


def default_place() -> Place:
    return Place(os.environ.get("NOROSHI_EXERCISE", "noroshi"))


def started_at(pid: int) -> int:
    """Start of a live process in clock ticks since boot (field 22 of proc_pid_stat(5)); 0 if it has ended.

    With the pid it names one process for ever, because pids are used again.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def owner_of(place: Place) -> int:
    """The pid that holds this exercise, or 0 if there is none or it has died."""
    try:
        pid, start = (place.root / "owner").read_text().split()
    except (FileNotFoundError, ValueError):
        return 0
    return int(pid) if started_at(int(pid)) == int(start) else 0


def is_kept(place: Place) -> bool:
    return (place.root / "kept").exists()


def keep(place: Place) -> None:
    """From now on the exercise outlives its owner."""
    (place.root / "kept").touch()


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One claim at a time. The folder above is what is locked, so no lock file stays behind."""
    handle = os.open(place.root.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def claim(place: Place) -> bool:
    """Make this process the owner. True if leftovers of a dead owner are there and must be removed first."""
    with _alone(place):
        owner = owner_of(place)
        if owner == os.getpid():
            return False
        if owner or is_kept(place):
            whose = f"process {owner} runs it" if owner else "it was left up with --keep"
            raise Occupied(f"Another exercise is up ({whose}). Remove it first: sudo scripts/demo --down")
        leftovers = place.root.exists() or any(Path("/run/netns", x).exists() for x in place.namespaces)
        place.folder()
        (place.root / "owner").write_text(f"{os.getpid()} {started_at(os.getpid())}")
        return leftovers
