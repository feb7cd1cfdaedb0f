"""From the flashed image to the desktop: firmware, access point, wizard, tunnel, desktop, HQ's board; and nothing left
by the uplinks meanwhile but what may leave, from the first packet on.
"""

from __future__ import annotations

import ipaddress
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scripts.exercise import machines
from scripts.exercise.act import FLEET, Act
from scripts.exercise.browser import PageStuck
from scripts.exercise.laptop import NoDesktop
from scripts.exercise.processes import run, within
from scripts.exercise.timeline import EVENTS, Timeline, table
from tests.vm import air
from tests.vm.field import GLANCE, Site
from tests.vm.guest import NoAnswer
from tests.vm.hardware import Hardware
from tests.vm.outcome import Number
from tests.vm.stage import BOOT, Stage
from tests.vm.updates import BOX

PATIENCE = 900.0  # seconds for the whole of it
FIRMWARE_DONE = "BdsDxe: starting"  # what OVMF prints last
RAM_MOST = 320.0  # MiB
RAM = "free --mebi | awk '/^Mem/ {print $2 - $7}'"
CRITICAL = 2  # syslog(3)
STATION = 2  # the socket that leads to the station's radio instead of to the box
PROBE = (
    "import http.client as h; c = h.HTTPConnection('connectivitycheck.gstatic.com', timeout=30); "
    "c.request('GET', '/generate_204'); r = c.getresponse(); print(r.status, r.getheader('Location'))"
)


Mark = Callable[[str], None]  # told when something of the box's life begins


def play(stage: Stage) -> None:
    with stage.site() as site:
        played(stage, site, stage.hardware(stage.layer("joining")))


def played(stage: Stage, site: Site, hardware: Hardware, mark: Mark = lambda _: None) -> bool:
    """The whole scene with this machine; whether its desktop was seen."""
    site.up(stage.tell, browser=True)
    machines.noroshi(
        *(site.place, "hq", "hq", "device", "add", "NS-0002", "--title", "Wi-Fiのパソコン"),
        *("--mac", air.ADDRESS, "--desktop", "*"),
    )
    site.prepare_box(hardware, *air.lines(STATION))
    timeline = walk(stage, site, mark)
    stage.check("from power-on to the desktop", timeline.ok, timeline.complaint)
    if timeline.ok:
        board(stage, site)
        over_the_air(stage, site)
        journal_at_hq(stage, site)
    look_inside(stage, site)
    left_by_the_uplinks(stage, site)
    return timeline.ok


def walk(stage: Stage, site: Site, mark: Mark) -> Timeline:
    """The act of the exercise, with what only a real machine has. The phone is on the air, the laptop on a cable."""
    ticket = machines.issue_ticket(site.place)
    act = Act(site, shots(stage), stage.tell, ticket, patience=PATIENCE, glance=GLANCE)
    seen: dict[str, float] = {}
    shell = threading.Thread(target=attend, args=(stage, site, act, seen, mark), daemon=True)
    site.once_started = shell.start
    try:
        timeline = act.run()
    finally:
        site.once_started = lambda: None
    shell.join(60)
    moments = {**timeline.moments, **seen}
    names = ("kernel", "access-point", *EVENTS)
    ordered = tuple(sorted(names, key=lambda x: moments.get(x, float("inf"))))
    timeline = replace(timeline, moments=moments, expected=ordered)
    stage.table("The image, from its firmware to a desktop", table(timeline, "(emulated processor)"))
    for problem in act.problems:
        stage.tell(problem)
    return timeline


def attend(stage: Stage, site: Site, act: Act, seen: dict[str, float], mark: Mark) -> None:
    """Puts the phone on the air, and notes what console and shell tell, while the act goes on."""
    guest = site.guest
    try:
        seen["kernel"] = guest.wait_for_words(FIRMWARE_DONE, BOOT)
        guest.wait_for_shell(BOOT)
        stage.tell("the test's own shell is there")
        seen["access-point"] = guest.wait_for_words(air.SEEN, BOOT)
        stage.tell("the access point is on the air")
        mark("joining")
        join_by_air(stage, air.Station(guest))
        site.phone.dhcp.wait(f"{air.SHARED}.0/24", patience=120)
        told = run(
            *within(site.place.namespace("phone"), (sys.executable, "-c", PROBE)), timeout=90, check=False
        )
        stage.check(
            "a phone's question for the internet leads to the wizard",
            told.startswith("302 http://10.86.86.1/"),
            told.strip(),
        )
    except (NoAnswer, RuntimeError, TimeoutError) as problem:
        act.give_up(str(problem)[:600])


def join_by_air(stage: Stage, station: air.Station) -> None:
    network = station.network()
    lease = station.join(network, patience=180)
    station.share(lease["dns"].split()[0])
    stage.check(
        "a station joins the access point and gets an address", True, f"{lease['address']}, {station.kind()}"
    )


def over_the_air(stage: Stage, site: Site) -> None:
    """The phone's place, taken by a registered laptop: it joins anew, as after the box had joined HQ."""
    station = air.Station(site.guest)
    try:
        lease = station.join(station.network(), patience=180)
        home = ipaddress.ip_address(lease["address"]) in ipaddress.ip_network(FLEET)
        stage.check("the station's address is one of HQ's", home, lease["address"])
        picture = shots(stage) / "desktop-by-air.png"
        opened = site.laptop.open_desktop(site.access, picture, machine="phone", patience=240)
        stage.check(
            "a laptop on the air has the desktop open", opened.colours > 1, f"{opened.colours} colours"
        )
    except (NoAnswer, NoDesktop, RuntimeError) as problem:
        stage.check("a laptop on the air has the desktop open", False, str(problem)[:600])


def shots(stage: Stage) -> Path:
    return stage.shots / stage.scene


def board(stage: Stage, site: Site) -> None:
    try:
        site.look_at_board(shots(stage) / "hq-board.png")
    except PageStuck as problem:
        stage.check("HQ's board shows the box", False, str(problem))
        return
    stage.check("HQ's board shows the box", True)


def journal_at_hq(stage: Stage, site: Site) -> None:
    """The journal is in memory only: what matters of it stands on the box's page at HQ."""
    site.guest.succeed("sh", "-c", f"echo '<{CRITICAL}>a line for HQ' > /dev/kmsg")
    try:
        site.officer.start()
        site.officer.look(
            f"http://{machines.STAFF}:8080/boxes/{BOX}",
            shots(stage) / "hq-journal.png",
            name=machines.ADMIN,
            password=site.password,
            wanted=f'details:has(li[data-level="{CRITICAL}"])',
            patience=180.0,
        )
        stage.check("what matters of the box's journal is on its page at HQ", True)
    except PageStuck as problem:
        stage.check("what matters of the box's journal is on its page at HQ", False, str(problem)[:300])
    finally:
        site.officer.stop()


def look_inside(stage: Stage, site: Site) -> None:
    """What only a shell in the guest can tell."""
    guest = site.guest
    told = json.loads(
        guest.succeed("ip", "-json", "-details", "link", "show", "type", "wireguard", space="field")
    )
    names = [x["ifname"] for x in told if "ifname" in x]
    stage.check("the tunnel is the kernel's WireGuard", bool(names), ", ".join(names))
    failed = guest.succeed("systemctl", "list-units", "--failed", "--no-legend", "--plain").strip()
    stage.check("no unit has failed", not failed, failed.replace("\n", "; ")[:300])
    used = float(guest.succeed("sh", "-c", RAM))
    stage.number(Number(what="RAM in use after boot", value=used, unit="MiB", command=RAM, at_most=RAM_MOST))
    analysed = guest.tell("systemd-analyze", "time")[1].strip()
    stage.table("systemd-analyze time", analysed)


def left_by_the_uplinks(stage: Stage, site: Site) -> None:
    leaks = site.leaks()
    kinds = sorted({str(x) for x in leaks})
    good = site.watch.good if site.watch else 0
    stage.check("something left by the uplinks: the taps hear", good > 0, f"{good} frames that may leave")
    told = f"{len(leaks)} frames: {', '.join(kinds[:8])}" if kinds else ""
    stage.check("nothing else left by the uplinks, from the first packet on", not leaks, told)
