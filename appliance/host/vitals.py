"""The machine's own health, read from /proc and /sys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from appliance.core.machine import Vitals


def read(state: Path) -> Vitals:
    """Load, memory, disk and temperature; what a machine does not have stays at its default."""
    disk = shutil.disk_usage(state)
    return Vitals(
        load=os.getloadavg()[0],
        memory_used=_memory_used(),
        disk_used=disk.used / disk.total if disk.total else 0.0,
        temperature=_temperature(),
    )


def _memory_used() -> float:
    values = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, rest = line.partition(":")
        values[key] = int(rest.split()[0])
    return 1 - values.get("MemAvailable", 0) / values["MemTotal"]


def _temperature() -> float | None:
    for zone in sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp")):
        try:
            return int(zone.read_text()) / 1000
        except (OSError, ValueError):
            continue
    return None
