"""The box's processes as the kernel counts them: who belongs to which part, their memory, their time."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.place import Place, started_at

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
PRESENT, FRAME = 1 << 63, (1 << 55) - 1  # bits of a /proc/PID/pagemap entry (proc(5))


def parts(here: Place) -> dict[str, tuple[int, ...]]:
    """Part of the box → its live processes, masters first."""
    daemon = processes.recorded(here, "box")
    if daemon is None or not daemon.alive:
        raise RuntimeError("the box's daemon does not run")
    found: dict[str, tuple[int, ...]] = {"daemon": (daemon.pid,)}
    for path in sorted((here.root / "box" / "run" / "units").glob("*.json")):
        record = json.loads(path.read_text())
        if started_at(record["pid"]) == record["start"]:
            found[path.stem] = family(record["pid"])
    return found


def family(pid: int) -> tuple[int, ...]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return tuple(found)


def proportional(pids: Iterable[int]) -> float:
    """Megabytes (PSS): a page shared by n processes of this machine counts 1/n."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def alone(pids: Iterable[int]) -> float:
    """Megabytes of different physical pages: what they would cost on a machine where nobody else shares them."""
    frames: set[int] = set()
    for pid in pids:
        frames |= _frames(pid)
    return len(frames) * PAGE / (1 << 20)


def _frames(pid: int) -> set[int]:
    found = set()
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            first, last = (int(x, 16) for x in line.split()[0].split("-"))
            if first >= 1 << 47:  # [vsyscall] is the kernel's
                continue
            pagemap.seek(first // PAGE * 8)
            raw = pagemap.read((last - first) // PAGE * 8)
            entries = struct.unpack(f"={len(raw) // 8}Q", raw)
            found |= {x & FRAME for x in entries if x & PRESENT}
    found.discard(0)  # without the right to see frames all of them read 0
    return found


def processor_time(pids: Iterable[int]) -> float:
    """Seconds of processor time, those of ended children included (proc(5), stat fields 14 to 17)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(x) for x in fields[11:15])
    return total / TICKS
