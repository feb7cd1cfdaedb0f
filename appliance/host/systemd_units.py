"""The same programs as units of systemd, on the image. What each may do stands in drop-ins below
/usr/lib/systemd/system/noroshi-NAME.service.d; which program, where and as whom, is told with its start. They live on
when the daemon is replaced, and come back by themselves when they fall while it is away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from appliance.core.machine import Unit
from appliance.host.files import write_atomically
from appliance.host.namespaces import RUN, identity
from appliance.host.run import Failed, run

CGROUPS = Path("/sys/fs/cgroup/system.slice")
PATIENCE = 30.0  # seconds for a unit to end or to start; its own time to end is shorter


def unit_name(name: str) -> str:
    return f"noroshi-{name}.service"


def start_command(unit: Unit, environment: Mapping[str, str]) -> list[str]:
    """What is asked of systemd; the unit's own environment counts before the common one."""
    told = {
        "LANG": "C.UTF-8",
        **{k: v for k, v in environment.items() if v},
        **dict(unit.environment),
    }
    asked = ["systemd-run", "--quiet", "--collect", "--service-type=exec", f"--unit={unit_name(unit.name)}"]
    properties = ["Restart=always", "RestartSec=500ms", "StartLimitIntervalSec=0"]
    properties.append("UMask=0022" if unit.group == unit.user else "UMask=0007")
    if unit.user:
        properties += [f"User={unit.user}", f"Group={unit.group}"]
    if unit.namespace:
        properties.append(f"NetworkNamespacePath={RUN / unit.namespace}")
    asked += [f"--property={x}" for x in properties]
    asked += [f"--setenv={k}={v}" for k, v in sorted(told.items())]
    return [*asked, "--", *unit.command]


def restart_machine() -> None:
    """In order: units end, file systems are written. Raises Failed."""
    run(["systemctl", "reboot"], timeout=PATIENCE)


class SystemdUnits:
    """Starts, finds and stops units; `run` remembers the configuration each was started with."""

    def __init__(self, run: Path, environment: Mapping[str, str], cgroups: Path = CGROUPS) -> None:
        self._folder = run / "units"
        self._environment = dict(environment)
        self._cgroups = cgroups
        self._folder.mkdir(parents=True, exist_ok=True)

    def running(self) -> tuple[tuple[str, str], ...]:
        """Unit name → digest of the configuration it was started with. Who was left behind in a namespace that was
        deleted under him serves nobody and does not count."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            record = self._record(path)
            if record is None or not self._populated(path.stem):
                continue
            if record["inside"] == identity(str(record["namespace"])):
                found.append((path.stem, str(record["config"])))
        return tuple(found)

    def restart(self, unit: Unit) -> None:
        """Stop it where it runs, then start it in its namespace, as its user."""
        self.stop(unit.name)
        inside = identity(unit.namespace)
        if not inside:
            raise Failed(f"{unit.name}: there is no namespace {unit.namespace}")
        run(start_command(unit, self._environment), timeout=PATIENCE)
        record = {"config": unit.config, "namespace": unit.namespace, "inside": inside}
        write_atomically(self._folder / f"{unit.name}.json", json.dumps(record))

    def stop(self, name: str) -> None:
        """Ask systemd to end it, and wait. That it does not run is fine."""
        path = self._folder / f"{name}.json"
        if path.exists() or (self._cgroups / unit_name(name)).exists():
            for verb in ("stop", "reset-failed"):
                try:
                    run(["systemctl", "--quiet", verb, unit_name(name)], timeout=PATIENCE)
                except Failed as error:
                    if "not loaded" not in str(error):
                        raise
        path.unlink(missing_ok=True)

    def make_namespace(self) -> None:
        """The daemon's own mounts are seen by nobody else: the namespaces are made by a process without any."""
        run(["systemd-run", "--quiet", "--collect", "--wait", "--", "noroshi", "block"], timeout=PATIENCE)

    def _populated(self, name: str) -> bool:
        try:
            events = (self._cgroups / unit_name(name) / "cgroup.events").read_text()
        except OSError:
            return False
        return "populated 1" in events.splitlines()

    def _record(self, path: Path) -> dict[str, int | str] | None:
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return (
            record if isinstance(record, dict) and {"config", "namespace", "inside"} <= set(record) else None
        )
