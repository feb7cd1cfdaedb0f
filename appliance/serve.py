"""Puts a role, a machine and a door together and runs them: the one place where the real parts meet."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.control import MAX_LIST, Door
from appliance.core.codec import Invalid
from appliance.core.desired import BRIDGE, LAN, VETH
from appliance.core.desktop_profiles import Profile
from appliance.core.devices import emergency_runs
from appliance.core.machine import Bridge, Machine
from appliance.core.programs import REGISTER_GROUP
from appliance.core.proof import evidence, trials
from appliance.core.rdp_file import FileRefused
from appliance.core.words import refusal
from appliance.daemon import Bell, Daemon, Role, open_button
from appliance.field import FieldRole
from appliance.host import (
    files,
    firewall_boot,
    identity,
    inotify,
    namespaces,
    netlink,
    notify,
    prover,
    rdp_signature,
    surroundings,
    wireguard,
)
from appliance.host.bundles import Bundles
from appliance.host.clock import Clock, MachineClock
from appliance.host.journal import Journal
from appliance.host.machine import RealMachine
from appliance.host.modem_manager import Modems
from appliance.host.probe import Probes
from appliance.host.profiles import packaged_profiles
from appliance.host.rauc import Rauc
from appliance.snapshot import Snapshot, Tools
from appliance.sockets import in_force


def run_daemon(clock: Clock | None = None) -> None:
    """The hub's daemon where HQ was set up in this state folder, else the box's; `clock` for the box."""
    machine = surroundings.machine()
    state, run = Path(machine.state), Path(machine.run)
    files.make_folder(state, 0o755)
    files.make_folder(run, 0o755)
    for folder in (state, state / "outbox"):
        files.remove_scraps(folder)
    if any((state / x).exists() for x in ("hub.json", "hub.json.previous")):
        _run_hub(machine, run)
    else:
        _run_field(machine, state, run, clock)


def _environment() -> dict[str, str]:
    """What our own processes need to find this code."""
    return {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}


def _run_field(machine: Machine, state: Path, run: Path, clock: Clock | None) -> None:
    courier = machine.courier_uid
    files.make_folder(run / "outbox", 0o770, 0, courier)
    files.make_folder(state / "outbox", 0o770, 0, courier)
    files.make_folder(run / "inbox", 0o700, courier, courier)
    files.make_folder(run / "courier", 0o700, courier, courier)
    files.make_folder(run / "leases", 0o700)
    files.make_folder(run / "dhcp", 0o755)
    files.make_folder(run / "seats", 0o755)  # dnsmasq reads it after it gave up root
    Bundles(state, courier).prepare()
    firewall_boot.close(machine)
    daemon, probes = assemble_field(machine, clock)
    button = open_button(run / "wake")
    door = Door(run / "door", frozenset({machine.web_uid}), daemon.ask, group=machine.web_uid)
    door.start()
    probes.start()
    guests = inotify.Watch(run / "dhcp")
    spaces = inotify.Watch(namespaces.RUN, inotify.COMES_AND_GOES)
    kernel = (machine.outside, machine.field)
    watcher = notify.Supervisor()
    daemon.run(lambda: (button, guests, spaces, *map(netlink.Listener, kernel)), watcher.alive, watcher.pace)
    door.close()


def assemble_field(machine: Machine, clock: Clock | None = None) -> tuple[Daemon, Probes]:
    """The box's daemon with its probes, neither started yet."""
    clock = clock or MachineClock(machine.sets_clock)
    run = Path(machine.run)
    profiles = packaged_profiles()
    bell = Bell()
    probes = Probes(machine.field, machine.outside, profiles, bell.ring, machine.portal_uid)
    own = identity.ensure(Path(machine.state), surroundings.serial())
    tools = Tools(
        new_keys=wireguard.new_box_keys,
        public_of=wireguard.public_of,
        aim=probes.aim,
        ring_courier=lambda: _ring(run / "courier" / "bell"),
        prove=lambda snapshot, mac: _prove(machine, profiles, snapshot, mac, clock.now),
        verify_rdp=_is_signed,
        clock=clock,
        wake=bell.ring,
        machinery=Rauc(),
        journal=Journal(run / "journal.cursor").take if machine.systemd else tuple,
    )
    role = FieldRole(replace(machine, blue=in_force(run, own.blue)), tools, own)
    # Hardware is the machine's own: in an exercise, whose lines are in a namespace, it is not ours.
    modems = None if machine.outside else Modems(bell.ring)
    return Daemon(RealMachine(machine, _environment(), probes, clock, modems), role, bell, clock.now), probes


def _run_hub(machine: Machine, run: Path) -> None:
    # A box has no register: it does not carry the libraries for one in its memory.
    from appliance.hub import register

    register.prepare(database_url(machine), web_uid=machine.hq_uid, group=REGISTER_GROUP)
    role = hub_role(machine)
    daemon = Daemon(RealMachine(machine, _environment(), None), role, Bell())
    uids = frozenset({machine.hq_uid, machine.intake_uid})
    door = Door(run / "door", uids, daemon.ask, group=REGISTER_GROUP, largest=MAX_LIST)
    door.start()
    watcher = notify.Supervisor()
    daemon.run(lambda: (netlink.Listener(machine.outside),), watcher.alive, watcher.pace)
    door.close()


def hub_role(machine: Machine) -> Role:
    """HQ's, or its stand-in where its file is damaged."""
    from appliance.hub.damaged import CODE, DamagedHub
    from appliance.hub.role import HubRole

    try:
        return HubRole(machine, packaged_profiles())
    except files.Damaged as error:
        told = refusal(CODE)
        sys.stderr.write(
            f"noroshi: {error}\n{told.what_ja}。\n  → {told.do_ja}\n{told.what_en}.\n  → {told.do_en}\n"
        )
        return DamagedHub(machine)


def database_url(machine: Machine) -> str:
    return f"sqlite:///{machine.state}/register/register.sqlite3"


def _ring(bell: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
        channel.setblocking(False)
        channel.sendto(b"!", str(bell))


def _is_signed(text: str, certificate: str) -> bool:
    try:
        rdp_signature.verify(text, certificate)
    except (FileRefused, Invalid, ValueError):
        return False
    return True


def _prove(
    machine: Machine, profiles: dict[str, Profile], snapshot: Snapshot, mac: str, now: Callable[[], float]
) -> dict[str, Any]:
    """The negative tests of this activation; a stand-in laptop that cannot be made is a failed proof."""
    assignment = snapshot.config.assignment
    if assignment is None:
        return evidence((), now())
    bridge = Bridge(
        namespace=machine.outside,
        name=BRIDGE,
        ports=(),
        veth=VETH,
        peer=LAN,
        peer_namespace=machine.field,
    )
    emergency = emergency_runs(assignment, now())
    wanted = trials(assignment, snapshot.allowed, profiles, snapshot.uplinks, emergency=emergency)
    try:
        result = evidence(prover.prove(wanted, bridge, assignment.lan, mac), now())
    except Exception as error:  # evidence must come to an end, whatever the kernel says
        sys.stderr.write(f"noroshi: the proof could not be made: {error}\n")
        result = evidence((), now())
    return result
