"""Starts and ends the exercise's processes. A process is ended by its pid and start time, never by name."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.exercise.place import PACE, Place, started_at

_children: dict[int, subprocess.Popen[bytes]] = {}
Popen = subprocess.Popen[bytes]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Running:
    """One live process, named so that a pid used again is not mistaken for it."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        return started_at(self.pid) == self.start != 0


def run(*argv: str, text: str | None = None, check: bool = True, timeout: float = 30) -> str:
    """Run a program to its end; its standard output. A failure carries what it said on standard error."""
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=timeout * PACE, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def within(namespace: str, argv: Sequence[str], *, uid: int = 0, mounts: bool = True) -> tuple[str, ...]:
    """The argument list that runs `argv` in a network namespace; each program executes the next, so the pid
    is the pid of `argv`.

    `mounts=True` goes through `ip netns exec`: /etc/netns/NAME/resolv.conf applies, but namespaces made
    inside are invisible outside. `mounts=False` changes the network namespace only.
    """
    entering: tuple[str, ...] = ("ip", "netns", "exec", namespace)
    if not mounts:
        entering = ("nsenter", f"--net=/run/netns/{namespace}", "--")
    person = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--") if uid else ()
    return (*entering, *person, *argv)


def start(
    place: Place,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    pipe: bool = False,
    pass_fds: Sequence[int] = (),
    cwd: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start a process that `end(place, name)` or `end_all` ends. It survives the death of its starter (so
    that --keep works) and writes to logs/NAME.log, unless `pipe` gives its standard streams to the caller."""
    end(place, name)
    with (place.folder("logs") / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else log,
            stderr=log,
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **(env or {})},
            start_new_session=True,
            pass_fds=pass_fds,
            cwd=cwd,
        )
    _children[process.pid] = process
    record = {"pid": process.pid, "start": started_at(process.pid)}
    (place.folder("processes") / f"{name}.json").write_text(json.dumps(record))
    return process


def recorded(place: Place, name: str) -> Running | None:
    try:
        found = json.loads((place.root / "processes" / f"{name}.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Running(found["pid"], found["start"])


def everyone(place: Place) -> tuple[Running, ...]:
    """Every process of the exercise: the recorded ones and whoever lives in one of its namespaces."""
    names = sorted(path.stem for path in (place.root / "processes").glob("*.json"))
    found = {found for name in names if (found := recorded(place, name)) is not None}
    for namespace in place.namespaces:
        if Path("/run/netns", namespace).exists():
            pids = (int(pid) for pid in run("ip", "netns", "pids", namespace, check=False).split())
            found |= {Running(pid, started_at(pid)) for pid in pids if pid != os.getpid()}
    return tuple(process for process in found if process.alive)


def end(place: Place, name: str, *, patience: float = 5.0) -> None:
    running = recorded(place, name)
    if running is not None:
        finish((running,), patience=patience)
        _reap(running.pid)
    (place.root / "processes" / f"{name}.json").unlink(missing_ok=True)


def end_all(place: Place, *, patience: float = 5.0) -> None:
    """End every process of the exercise; twice, because an ending parent may still have been starting one."""
    for _ in range(3):
        left = everyone(place)
        if not left:
            return
        finish(left, patience=patience)


def signal_to(process: Running, what: signal.Signals) -> None:
    handle = _handle(process)
    if handle is not None:
        _tell(handle, what)
        os.close(handle)


def finish(processes: Iterable[Running], *, patience: float = 5.0) -> None:
    """Ask each to end, wait, then end it: returns when none is left."""
    handles = {process: handle for process in processes if (handle := _handle(process)) is not None}
    try:
        for asked, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            for process, handle in handles.items():
                if process.alive:
                    _tell(handle, asked)
            deadline = time.monotonic() + seconds
            if all(_ended(handle, deadline) for handle in handles.values()):
                return
    finally:
        for process, handle in handles.items():
            os.close(handle)
            _reap(process.pid)


def _handle(process: Running) -> int | None:
    """A pidfd for exactly this process: the start time is checked after the handle is held."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if process.alive:
        return handle
    os.close(handle)
    return None


def _tell(handle: int, what: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(handle, what)
    except ProcessLookupError:
        return


def _ended(handle: int, deadline: float) -> bool:
    return bool(select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0])


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
