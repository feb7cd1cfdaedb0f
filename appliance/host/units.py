"""Processes the machine keeps running, where no systemd does it. Each is known by its pid and the kernel's start
time of that pid, so a restarted daemon finds them again and never touches a stranger."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from appliance.core.machine import Unit
from appliance.host.files import write_atomically
from appliance.host.namespaces import RUN, inside
from appliance.host.run import Failed

STOP_WITHIN = 3.0  # seconds between asking a process to end and ending it
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProcessUnits:
    """Starts, finds and stops units below `run`."""

    def __init__(self, run: Path, environment: dict[str, str]) -> None:
        self._folder = run / "units"
        self._environment = environment
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._folder.mkdir(parents=True, exist_ok=True)

    def running(self) -> tuple[tuple[str, str], ...]:
        """Unit name → digest of the configuration it was started with. Who was left behind in a namespace that was
        deleted under him serves nobody and does not count."""
        self._reap()
        found = []
        for path in sorted(self._folder.glob("*.json")):
            record = self._record(path.stem)
            if record is None or _start_time(record["pid"]) != record["start"]:
                continue
            if _is_inside(record["pid"], str(record["namespace"])):
                found.append((path.stem, str(record["config"])))
        return tuple(found)

    def pid(self, name: str) -> int | None:
        record = self._record(name)
        if record is None or _start_time(record["pid"]) != record["start"]:
            return None
        return int(record["pid"])

    def restart(self, unit: Unit) -> None:
        """Stop it where it runs, then start it in its namespace, as its user, in a session of its own."""
        self.stop(unit.name)
        log = self._folder / f"{unit.name}.log"
        environment = {"PATH": PATH, "LANG": "C.UTF-8", **self._environment, **dict(unit.environment)}
        root = unit.user == 0
        try:
            with inside(unit.namespace), log.open("wb") as output:
                child = subprocess.Popen(
                    unit.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                    user=None if root else unit.user,
                    group=None if root else unit.group,
                    extra_groups=None if root else [],
                    umask=0o007 if unit.group != unit.user else 0o022,
                )
        except OSError as error:
            raise Failed(f"{unit.name}: {error}") from error
        self._children[child.pid] = child
        record = {
            "pid": child.pid,
            "start": _start_time(child.pid),
            "config": unit.config,
            "namespace": unit.namespace,
        }
        write_atomically(self._folder / f"{unit.name}.json", json.dumps(record))

    def stop(self, name: str) -> None:
        """Ask it to end, wait, end it. That it does not run is fine."""
        pid = self.pid(name)
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_WITHIN
            while self.pid(name) == pid:
                self._reap()
                if time.monotonic() > deadline:
                    _signal(pid, signal.SIGKILL)
                time.sleep(0.01)
            self._reap()  # else it stays a zombie until somebody looks again
        (self._folder / f"{name}.json").unlink(missing_ok=True)

    def stop_all(self) -> None:
        for path in self._folder.glob("*.json"):
            self.stop(path.stem)

    def _record(self, name: str) -> dict[str, int | str] | None:
        try:
            record = json.loads((self._folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return None
        known = {"pid", "start", "config", "namespace"}
        return record if isinstance(record, dict) and known <= set(record) else None

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[pid]


def _start_time(pid: int | str) -> int:
    """The pid's start in clock ticks since boot (proc(5), stat field 22); 0 when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def _is_inside(pid: int | str, namespace: str) -> bool:
    here = RUN / namespace if namespace else Path("/proc/self/ns/net")
    try:
        return here.stat().st_ino == Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
