"""A box whose only line is an LTE modem: the kernel's driver and ModemManager are real, the modem on USB and its carrier are
played. Nothing it lacks goes unsaid, and nothing but the tunnel leaves by it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.control import ask
from scripts.exercise import machines, processes, topology
from scripts.exercise.processes import run, within
from tests.vm import usb_modem
from tests.vm.field import Site
from tests.vm.guest import NoAnswer
from tests.vm.outcome import Number
from tests.vm.scenes.joining import RAM
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, join, until_phase

CARRIER = "router-b"  # whose way to the internet the played carrier uses
GATEWAY = "10.64.12.33"
HQ = "203.0.113.10"
DOORS = {f"udp {HQ} {x}" for x in (51820, 443, 4500, 53)} | {f"tcp {HQ} 443"}
CHECK = f"tcp {HQ} 80"  # whether a sign-in page stands in between is asked of HQ itself
SERVICES = ("noroshi-modems", "ModemManager", "polkit")
MOST = 320.0  # MiB


@dataclass(slots=True)
class Plugged:
    """The modem in its socket. `world` changes what it meets."""

    site: Site
    folder: Path

    def world(self, **changes: Any) -> None:
        path = self.folder / "world"
        held = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**held, **changes}))

    def notes(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "notes").read_text())
        except (FileNotFoundError, ValueError):
            return {"spoken_to": {}, "dialled": []}
        return found

    def put_in(self) -> None:
        place = self.site.place
        namespace = place.namespace(CARRIER)
        argv = (machines.python(), "-m", "tests.vm.usb_modem", self.site.guest.folder / "modem", self.folder / "world", self.folder / "notes")  # fmt: skip
        root = Path(__file__).parents[3]
        processes.start(place, "modem", within(namespace, [str(x) for x in argv]), cwd=root)
        deadline = time.monotonic() + 20
        while usb_modem.TUN not in run("ip", "-n", namespace, "-br", "link"):
            if time.monotonic() > deadline:
                raise RuntimeError("the modem was not played")
            time.sleep(0.2)
        run("ip", "-n", namespace, "address", "add", f"{GATEWAY}/30", "dev", usb_modem.TUN)
        run("ip", "-n", namespace, "link", "set", usb_modem.TUN, "up")
        rule = f"add rule ip router passing iifname {usb_modem.TUN} oifname wan0 accept\n"
        run(*within(namespace, ("nft", "-f", "-")), text=rule)

    def pull_out(self) -> None:
        processes.end(self.site.place, "modem")


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.plugged = ()
        site.up(stage.tell, browser=False)
        site.prepare_box(stage.hardware(stage.layer("lte"), usb=True, modem=True))
        site.power_on()
        site.guest.wait_for_shell(BOOT)
        until(stage, site, "the box is up without a line", lambda x: x["modem"] is None)
        nobody(stage, site)
        modem = Plugged(site, site.place.folder("modem"))
        modem.world(network="searching", apn="office.example", gateway=GATEWAY, dns=[GATEWAY])
        modem.put_in()
        said(stage, site, "without a signal it says so", "2-33")
        modem.world(network="home")
        said(stage, site, "a carrier that wants an access point's name: it says so", "2-36")
        door = machines.door(site.place, "box")
        told = {"apn": "office.example", "user": "town", "password": "s3cret", "auth": "chap"}
        ask(door, {"ask": "set-apn", **told}, timeout=60)
        until(stage, site, "with it the modem connects", connected)
        dialled = modem.notes()["dialled"][-1:]
        stage.check(
            "user and password went along", dialled == [["office.example", "town", "s3cret"]], str(dialled)
        )
        join(site)
        status = until_phase(site, *OPEN, patience=BOOT)
        line = next(x for x in status["uplinks"] if x["active"])  # type: ignore[attr-defined]
        stage.check(
            "the tunnel runs by the modem", line["kind"] == "lte", f"{line['link']} {line['address']}"
        )
        inside(stage, site, line["link"])
        comes_back(stage, site, modem)
        pulled_and_killed(stage, site, modem)
        beside_a_cable(stage, site)
        spoken = modem.notes()["spoken_to"]
        stage.check(
            "something left by the modem: it hears", bool(set(spoken) & DOORS), str(sum(spoken.values()))
        )
        others = {k: v for k, v in spoken.items() if k not in DOORS | {CHECK}}
        stage.check("and nothing else than to HQ's doors", not others, str(others)[:300])


def nobody(stage: Stage, site: Site) -> None:
    """A box without a modem carries nothing of it."""
    states = site.guest.tell("systemctl", "is-active", *SERVICES)[1].split()
    stage.check("no ModemManager runs without a modem", "active" not in states, " ".join(states))


def until(stage: Stage, site: Site, what: str, good: Callable[[dict[str, Any]], bool]) -> None:
    begun = time.monotonic()
    modem: object = None
    while time.monotonic() - begun < PATIENCE and site.guest.runs:
        status = machines.status(site.place)
        modem = status and status.get("modem")
        if status is not None and good(status):
            stage.check(what, True, f"after {time.monotonic() - begun:.0f} s")
            return
        time.sleep(1.0)
    stage.check(what, False, str(modem))
    raise NoAnswer(f"{what}: {modem}")


def said(stage: Stage, site: Site, what: str, number: str) -> None:
    until(stage, site, f"{what} ({number})", lambda x: bool(x["modem"] and x["modem"]["number"] == number))


def inside(stage: Stage, site: Site, link: str) -> None:
    guest = site.guest
    told = guest.succeed("ip", "-brief", "address", "show", "dev", link)
    stage.check("its address is the connection's", "10.64.12.34/30" in told, told.strip())
    units = guest.succeed("systemctl", "list-units", "noroshi-*", "--no-legend", "--plain")
    asking = [x for x in (f"noroshi-dhcp-{link}", f"noroshi-routers-{link}") if x in units]
    stage.check("nobody asks for an address on it", not asking, " ".join(asking))
    routes = guest.succeed("ip", "route", "show", "table", "main")
    stage.check("no way out in the main table", "default" not in routes, routes.strip())
    stage.check("names are nobody's affair", "10.64" not in guest.succeed("cat", "/etc/resolv.conf"))
    states = guest.tell("systemctl", "is-active", *SERVICES)[1].split()
    stage.check(
        "ModemManager runs in our sandbox only", states[:2] == ["active", "inactive"], " ".join(states)
    )
    security = guest.tell("systemd-analyze", "security", "--no-pager", "noroshi-modems.service")[1]
    stage.table(
        "systemd-analyze security noroshi-modems", security.strip().splitlines()[-1] if security else ""
    )
    memory = guest.succeed("systemctl", "show", *SERVICES, "-p", "Id,MemoryCurrent,MemoryPeak").split()
    stage.table("memory of what a modem brings", " ".join(memory))
    failed = guest.succeed("systemctl", "list-units", "--failed", "--no-legend", "--plain").strip()
    stage.check("no unit has failed", not failed, failed.replace("\n", "; ")[:300])
    used = float(guest.succeed("sh", "-c", RAM))
    stage.number(Number(what="RAM in use with a modem", value=used, unit="MiB", command=RAM, at_most=MOST))


def connected(status: dict[str, Any]) -> bool:
    return bool(status["modem"] and status["modem"]["connected"])


def pulled_and_killed(stage: Stage, site: Site, modem: Plugged) -> None:
    """Out of its socket and in again; then ModemManager falls."""
    modem.pull_out()
    until(
        stage,
        site,
        "a modem that was pulled out is no line",
        lambda x: not connected(x) and not any(y["carrier"] and y["kind"] == "lte" for y in x["uplinks"]),
    )
    modem.world(connected=False)
    modem.put_in()
    until(stage, site, "put in again it connects again", connected)
    site.guest.succeed("systemctl", "kill", "--signal=KILL", "noroshi-modems")
    until(stage, site, "ModemManager's fall is seen", lambda x: not connected(x))
    until(stage, site, "and mended", connected)
    until_phase(site, *OPEN, patience=BOOT)
    stage.check("the tunnel, too, both times", True)


def beside_a_cable(stage: Stage, site: Site) -> None:
    """A cable is better; when it goes, the modem takes over and nothing closes."""

    def used(kind: str) -> Callable[[dict[str, Any]], bool]:
        return lambda x: any(y["active"] and y["kind"] == kind for y in x["uplinks"])

    topology.plug(site.place, "a")
    until(stage, site, "a cable that is plugged in is used first", used("ethernet"))
    topology.blackhole(site.place, "a")
    until(stage, site, "a dead router: the modem takes over", used("lte"))
    status = machines.status(site.place) or {}
    stage.check("and nothing closed meanwhile", status.get("phase") in OPEN, str(status.get("phase")))


def comes_back(stage: Stage, site: Site, modem: Plugged) -> None:
    """The carrier drops the connection and is gone for a while."""
    modem.world(network="searching", connected=False)
    said(stage, site, "a signal that goes is said", "2-33")
    modem.world(network="home")
    until(stage, site, "and back by itself", connected)
    until_phase(site, *OPEN, patience=BOOT)
    stage.check("the tunnel, too", True)
