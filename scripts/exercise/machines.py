"""Noroshi's own machines in the exercise: which program runs where, and what its power switch does.

The one table that knows how the product is started. Each machine has a state folder that outlives its power
(a disk) and a run folder that does not; its code is a copy that unprivileged users may read.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.control import Refused, Unreachable, ask
from scripts.exercise import processes
from scripts.exercise.place import PACE, Place, started_at
from scripts.exercise.processes import Running, run, within
from scripts.exercise.topology import CABLES, LAPTOP_MAC

CLONE = Path(__file__).parents[2]
PACKAGES = ("appliance", "webui")
HQ_NAME = "のろし市 災害対策本部"
DEVICE = "NS-0001"  # the laptop's asset number
SITE = "柿崎総合体育館"
ADMIN = "admin"
ENDPOINT = "203.0.113.10:51820"
DOORS = frozenset(
    {("udp", 51820), ("udp", 443), ("udp", 4500), ("udp", 53), ("tcp", 443)}
)  # as `hq init` has them
DESKTOPS = "10.10.0.0/24"
STAFF = "10.10.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One row of the table."""

    name: str
    command: tuple[str, ...]  # after `noroshi`
    lives_in: tuple[str, ...]  # the namespaces whose processes die with its power
    told: dict[str, Any]  # machine.json: which sockets it has

    def folder(self, place: Place, kind: str) -> Path:
        return place.folder(self.name, kind)


def table(place: Place) -> dict[str, Machine]:
    own_browser = ["127.0.0.1", "localhost"]  # the relay's addresses
    # wireguard-go keeps one folder of sockets for the whole machine: names must differ from everybody's.
    return {
        "hq": Machine(
            name="hq",
            command=("daemon",),
            lives_in=("hq",),
            told={
                "uplinks": [],
                "tunnel": f"{place.prefix}-hub",
                "corporate": STAFF,
                "web_hosts": own_browser,
                "model": "exercise HQ",
            },
        ),
        "box": Machine(
            name="box",
            command=("daemon",),
            lives_in=("box", "field"),
            told={
                "field": place.namespace("field"),
                "uplinks": ["eth0", "usb0"],
                "ports": ["port1", "port2"],
                "tunnel": f"{place.prefix}-wg",
                "web_hosts": own_browser,
                "model": "exercise box",
            },
        ),
    }


def copy_code(place: Place) -> None:
    """A clone may lie in a folder that only its owner may enter; the machines' users must read the code. A copy of
    the same content is left alone."""
    code, note = place.root / "code", place.root / "code-copied"
    content = _content()
    if note.exists() and note.read_text() == content:
        return
    if not code.exists():
        code.mkdir()
        # /run is mounted noexec where systemd runs, and some of the code is a program that others call.
        run("mount", "-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", str(code))
    for package in PACKAGES:
        shutil.rmtree(code / package, ignore_errors=True)
        shutil.copytree(CLONE / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(code, quiet=2)  # an image has its code compiled; do not count that as start-up
    for path in code.rglob("*"):
        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    note.write_text(content)


def _content() -> str:
    """One word for all that is copied: names and octets."""
    word = hashlib.sha256()
    for path in sorted(x for package in PACKAGES for x in (CLONE / package).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            word.update(f"{path.relative_to(CLONE)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return word.hexdigest()


def environment(place: Place, machine: Machine) -> dict[str, str]:
    return {
        "NOROSHI_STATE_DIR": str(machine.folder(place, "state")),
        "NOROSHI_RUN_DIR": str(machine.folder(place, "run")),
        "PYTHONPATH": str(place.root / "code"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def python() -> str:
    """The interpreter by a path that unprivileged users can follow, which a link in the clone is not."""
    return str(Path(sys.prefix).resolve() / "bin" / "python")


def noroshi(place: Place, name: str, *argv: str, check: bool = True, timeout: float = 30) -> str:
    """Run `noroshi ARGV…` on a machine, as its administrator would; what it printed."""
    machine = table(place)[name]
    settings = tuple(f"{key}={value}" for key, value in environment(place, machine).items())
    command = ("env", "-C", "/", *settings, python(), "-m", "appliance.cli", *argv)
    return run(*within(place.namespace(name), command, mounts=False), check=check, timeout=timeout)


def prepare(place: Place, name: str) -> None:
    """What the factory does: code on the disk, and a note which socket is which."""
    copy_code(place)
    machine = table(place)[name]
    (machine.folder(place, "state") / "machine.json").write_text(json.dumps(machine.told, indent=1))


def power_on(place: Place, name: str) -> float:
    """Switch a machine on; the moment it was, in seconds since the epoch."""
    machine = table(place)[name]
    argv = (python(), "-m", "appliance.cli", *machine.command)
    now = time.time()
    processes.start(
        place,
        name,
        within(place.namespace(name), argv, mounts=False),  # namespaces it makes must be seen by all
        env=environment(place, machine),
    )
    return now


def power_off(place: Place, name: str) -> None:
    """Pull the plug: every process dies at once, nothing is tidied, what was in memory is gone."""
    machine = table(place)[name]
    found = set()
    for lived in machine.lives_in:
        namespace = place.namespace(lived)
        if Path("/run/netns", namespace).exists():
            found |= {
                Running(int(x), started_at(int(x))) for x in run("ip", "netns", "pids", namespace).split()
            }
    processes.finish(found, patience=0.0)
    processes.end(place, name)
    shutil.rmtree(machine.folder(place, "run"))
    _forget_network(place, machine)


def _forget_network(place: Place, machine: Machine) -> None:
    """A kernel without power remembers no address, rule or bridge: new namespaces, with the old sockets."""
    for lived in machine.lives_in:
        if lived != machine.name:
            run("ip", "netns", "delete", place.namespace(lived), check=False)
    sockets = [end.link for cable in CABLES for end in cable if end.machine == machine.name]
    home, shelf = place.namespace(machine.name), f"{place.namespace(machine.name)}-off"
    run("ip", "netns", "add", shelf)
    for socket in sockets:
        run("ip", "-n", home, "link", "set", socket, "netns", shelf)
    run("ip", "netns", "delete", home)
    run("ip", "netns", "add", home)
    for socket in sockets:
        run("ip", "-n", shelf, "link", "set", socket, "netns", home)
    run("ip", "netns", "delete", shelf)
    run("ip", "-n", home, "link", "set", "lo", "up")


def door(place: Place, name: str) -> Path:
    return place.root / name / "run" / "door"


def status(place: Place, name: str = "box") -> dict[str, Any] | None:
    """What `noroshi status --json` says, without a process for it; None while nobody is behind the door."""
    try:
        return ask(door(place, name), {"ask": "status"}, timeout=2.0)
    except (Unreachable, Refused):
        return None


def board(place: Place) -> list[dict[str, Any]]:
    """The boxes as HQ sees them."""
    boxes: list[dict[str, Any]] = json.loads(noroshi(place, "hq", "hq", "board", "--json"))["boxes"]
    return boxes


def wait_for_door(place: Place, name: str, *, patience: float = 20.0) -> None:
    """Until the daemon behind a machine's door answers anything at all."""
    deadline = time.monotonic() + patience * PACE
    while True:
        try:
            ask(door(place, name), {"ask": "status"}, timeout=2.0)
            return
        except Refused:
            return
        except Unreachable:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not start in {patience:.0f} s: see logs/{name}.log") from None
            time.sleep(0.05)


def found_hq(place: Place, password: str, certificate: str) -> None:
    """Set HQ up as its IT section would, in peacetime: three answers, then the desktops."""
    prepare(place, "hq")
    secret = place.folder("hq", "secret", mode=0o700) / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    noroshi(
        *(
            place,
            "hq",
            "hq",
            "init",
            "--name",
            HQ_NAME,
            "--endpoint",
            ENDPOINT,
            "--desktops-network",
            DESKTOPS,
        ),
        *("--admin", ADMIN, "--password-file", str(secret), "--staff-address", STAFF),
    )
    power_on(place, "hq")
    wait_for_door(place, "hq")
    noroshi(
        *(place, "hq", "hq", "desktop", "add", "gyomu-01", "--title", "業務デスクトップ 1"),
        *("--host", "10.10.0.20", "--profile", "rdp", "--certificate", certificate),
    )
    noroshi(
        *(place, "hq", "hq", "device", "add", DEVICE, "--title", "避難所のパソコン"),
        *("--mac", LAPTOP_MAC, "--desktop", "*"),
    )


def issue_ticket(place: Place, site: str = SITE, mission: str = "disaster") -> str:
    """The text of a new invitation."""
    text = place.folder("hq", "secret", mode=0o700) / "ticket"
    noroshi(place, "hq", "hq", "ticket", site, "--mission", mission, "--quiet", "--text", str(text))
    return text.read_text().strip()
