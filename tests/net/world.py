"""HQ, its desktop, two mobile routers, a box, a laptop and a phone in namespaces, for tests to use and to break.

HQ stays up for the whole session; the box is switched on and off, and forgets everything, for each test.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from appliance.control import Refused, ask
from appliance.core.enrolment import read_ticket, ticket_text
from appliance.core.model import HubConfig, Ticket
from appliance.host import wireguard
from appliance.hub.role import load_config
from scripts.exercise import desk, machines, processes, topology
from scripts.exercise.desk import Desk
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place, started_at
from scripts.exercise.processes import Running, run, within

T = TypeVar("T")
HUB, INTERNET, ROUTER, CORPORATE = "10.210.0.1", "192.0.2.80", "192.168.1.1", "10.10.0.1"
HUB_OUTSIDE = "203.0.113.10"
DRILL_DESK = "10.10.0.30"
SILENT_HOST = "10.10.0.99"
FLEET = "10.211.0.0/16"
OPEN = ("PROTECTED", "DEGRADED")
SHARED = 2.0


def eventually(what: str, look: Callable[[], T | None], patience: float = 15.0) -> T:
    """The first value of `look` that is not false; fails with `what` when there is none in time. `patience`: seconds
    on a machine that does nothing else; the suite runs several worlds beside each other."""
    deadline = time.monotonic() + SHARED * patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come true in {SHARED * patience:.0f} s"
        time.sleep(0.03)
    return found


@dataclass(slots=True)
class World:
    place: Place
    access: Desk
    laptop: Client = field(init=False)
    phone: Client = field(init=False)

    def __post_init__(self) -> None:
        self.laptop, self.phone = Client(self.place, "laptop"), Client(self.place, "phone")

    # ---------------------------------------------------------------------------------------- places

    def namespace(self, machine: str) -> str:
        return self.place.namespace(machine)

    def state(self, machine: str = "box") -> Path:
        return self.place.folder(machine, "state")

    def run_folder(self, machine: str = "box") -> Path:
        return self.place.folder(machine, "run")

    def inside(self, machine: str, *argv: str, text: str | None = None, check: bool = True) -> str:
        """Run a program in a machine's network."""
        return run(*within(self.namespace(machine), argv), text=text, check=check)

    def cli(self, machine: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """`noroshi ARGV…` on a machine, whatever becomes of it."""
        settings = machines.environment(self.place, machines.table(self.place)[machine])
        command = (machines.python(), "-m", "appliance.cli", *argv)
        return subprocess.run(
            within(self.namespace(machine), command, mounts=False),
            env={"PATH": processes.PATH, "LANG": "C.UTF-8", **settings},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # ---------------------------------------------------------------------------------------- the box

    def power_on(self, router: str = "a") -> None:
        """With router A's cable in; `router=""` for none."""
        if router:
            topology.plug(self.place, router)
        machines.power_on(self.place, "box")
        machines.wait_for_door(self.place, "box")

    def power_off(self) -> None:
        machines.power_off(self.place, "box")

    def forget(self) -> None:
        """The box as it left the factory; every line as at the beginning."""
        self.laptop.stop()
        self.phone.stop()
        self.power_off()
        shutil.rmtree(self.state())
        machines.prepare(self.place, "box")
        for router in "ab":
            topology.unplug(self.place, router)
            topology.heal(self.place, router)
            topology.restore_internet(self.place, router)

    def ask_box(self, what: str, **more: Any) -> dict[str, Any]:
        return ask(machines.door(self.place, "box"), {"ask": what, **more})

    def status(self) -> dict[str, Any]:
        """{} while nobody is behind the door."""
        return machines.status(self.place) or {}

    def until(self, phase: str, reason: str = "", patience: float = 15.0) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal last
            last = self.status()
            good = last.get("phase") == phase and reason in ("", last.get("reason"))
            return last if good else None

        try:
            return eventually(f"{phase} {reason}", look, patience)
        except AssertionError as error:
            seen = {x: last.get(x) for x in ("phase", "reason", "uplinks", "joining", "desktops")}
            raise AssertionError(f"{error}; the box says {seen}") from None

    def until_line(self) -> None:
        eventually("an address", lambda: any(x["address"] for x in self.status().get("uplinks", [])))

    def join(self, text: str) -> None:
        self.until_line()
        self.ask_box("redeem", ticket=text)

    def protected(self, mission: str = "disaster") -> str:
        """From the factory to open desktops; the box's name at HQ."""
        self.opened(mission)
        self.until("PROTECTED")
        return str(self.newest_box()["name"])

    def settled(self) -> None:
        """The proof of this activation is over: while it runs, the rules know its stand-in laptop."""

        def over() -> bool:
            proof = self.status().get("proof") or {"running": True}
            return not proof["running"] and "nothing to do" in self.cli("box", "plan").stdout

        eventually("the end of the proof", over, patience=30)

    def opened(self, mission: str = "disaster") -> None:
        """From the factory to open desktops, whether or not they answer."""
        self.power_on()
        self.join(self.ticket(mission))
        eventually("open", lambda: self.status().get("phase") in OPEN)

    def config(self) -> dict[str, Any]:
        """The private file's content; its checksum line first."""
        seal, body = (self.state() / "config.json").read_text().split("\n", 1)
        assert seal == f"sha256 {hashlib.sha256(body.encode()).hexdigest()}"
        found: dict[str, Any] = json.loads(body)
        return found

    def write_config(self, content: dict[str, Any]) -> None:
        body = json.dumps(content, ensure_ascii=False, indent=1)
        seal = hashlib.sha256(body.encode()).hexdigest()
        (self.state() / "config.json").write_text(f"sha256 {seal}\n{body}")

    def unit(self, name: str, machine: str = "box") -> Running | None:
        """A process that the machine keeps running, while it runs."""
        try:
            record = json.loads((self.place.root / machine / "run/units" / f"{name}.json").read_text())
        except (OSError, ValueError):
            return None
        running = Running(record["pid"], record["start"])
        return running if running.alive else None

    def daemon(self, machine: str = "box") -> Running:
        running = processes.recorded(self.place, machine)
        assert running is not None
        assert running.alive
        return running

    def log(self, machine: str = "box") -> str:
        return (self.place.root / "logs" / f"{machine}.log").read_text()

    # --------------------------------------------------------------------------------------------- HQ

    def ask_hub(self, what: str, **more: Any) -> dict[str, Any]:
        return ask(machines.door(self.place, "hq"), {"ask": what, "by": "test", **more})

    def ticket(self, mission: str | None = "disaster", days: int = 1) -> str:
        wished = {"kind": mission, "days": 1} if mission else None
        text: str = self.ask_hub("issue-ticket", site=machines.SITE, days=days, mission=wished)["text"]
        return text

    def add_desktop(self, name: str, host: str, *, drill: bool = False) -> None:
        self.ask_hub(
            "add-desktop",
            name=name,
            title=name,
            hosts={"host": [host]},
            profile="rdp",
            kind="own-pc",
            network="lgwan",
            drill=drill,
        )

    def boxes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask_hub("fleet")["boxes"]
        return found

    def newest_box(self) -> dict[str, Any]:
        return self.boxes()[-1]

    def start_mission(self, box: str, kind: str = "disaster") -> None:
        self.ask_hub("start-mission", box=box, kind=kind, site=machines.SITE, hours=1)

    def stop_hub(self) -> None:
        """HQ's daemon and everything it runs are gone; HQ's machine and its network stay."""
        names = [x.stem for x in (self.run_folder("hq") / "units").glob("*.json")]
        units = [x for name in names if (x := self.unit(name, "hq")) is not None]
        processes.end(self.place, "hq", patience=0.0)
        processes.finish(units, patience=0.0)

    def start_hub(self) -> None:
        machines.power_on(self.place, "hq")
        machines.wait_for_door(self.place, "hq")
        eventually("the intake", lambda: self.unit("intake", "hq"))

    def reports(self, box: str) -> list[dict[str, Any]]:
        """The register's rows about a box, oldest first."""
        path = self.state("hq") / "register" / "register.sqlite3"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            return [
                dict(x) for x in database.execute("select * from reports where box = ? order by id", (box,))
            ]

    # -------------------------------------------------------------------------------------- the desk

    def hush_desk(self, *addresses: str) -> None:
        """These desktops' machines swallow what comes."""
        rules = "".join(f"    ip daddr {x} drop\n" for x in addresses)
        chain = f"  chain incoming {{\n    type filter hook input priority 0;\n{rules}  }}\n"
        self.inside(
            "desk",
            "nft",
            "-f",
            "-",
            text=f"table ip hush\ndelete table ip hush\ntable ip hush {{\n{chain}}}\n",
        )

    def hub_config(self) -> HubConfig:
        """HQ's private file, for tickets that HQ itself would never write."""
        return load_config(self.state("hq") / "hub.json")

    def forged(self, text: str, **changed: Any) -> str:
        """The same invitation with other content, signed by HQ's true key."""
        ticket = replace(read_ticket(text), **changed)
        return ticket_text(ticket, self.hub_config().signing_private)

    def assert_closed(self) -> None:
        """No rule names a desktop, no desktop counts as open, and a laptop's greeting stays unanswered."""
        rules = self.inside("field", "nft", "list", "ruleset")
        assert "policy drop" in rules
        assert "3389" not in rules
        assert not any(x["open"] for x in self.status().get("desktops", []))
        assert not desk.greets(self.place, "laptop", seconds=0.2)

    def unhush_desk(self) -> None:
        self.hush_desk()


def alive(pid: int) -> bool:
    return started_at(pid) != 0


def refusal(act: Callable[[], object]) -> Refused:
    """The refusal that `act` meets."""
    try:
        act()
    except Refused as error:
        return error
    raise AssertionError("it was not refused")


def build(prefix: str) -> World:
    """Everything that is there before a box has power."""
    place = Place(prefix)
    topology.up(place)
    access = desk.start(place)
    run("ip", "-n", place.namespace("desk"), "address", "add", f"{DRILL_DESK}/24", "dev", "eth0")
    machines.found_hq(place, "a-password-for-tests", access.fingerprint)
    machines.prepare(place, "box")
    world = World(place, access)
    world.add_desktop("kunren", DRILL_DESK, drill=True)
    return world


def demolish(prefix: str) -> None:
    place = Place(prefix)
    desk.stop(place)
    topology.down(place)
    for name in ("wg", "hub"):  # wireguard-go that was killed leaves its socket
        Path("/run/wireguard", f"{prefix}-{name}.sock").unlink(missing_ok=True)


def any_ticket(signing_key: str, expires: float) -> Ticket:
    """A well-formed invitation to a hub that does not exist."""
    private, public = wireguard.new_key()
    return Ticket(
        id="0123456789abcdef",
        hq_name=machines.HQ_NAME,
        site=machines.SITE,
        endpoints=(machines.ENDPOINT,),
        hub_key=public,
        hub_address=HUB,
        signing_key=signing_key,
        invitation_key=private,
        invitation_address="10.210.128.0",
        expires=expires,
    )
