"""The real ModemManager with a played modem, in a room of its own: what it says is understood, what it is told happens."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.core.model import Secret
from appliance.core.modem import Mobile, Modem, Order, Registration, State, Way, lease_of
from appliance.host.modem_manager import Modems

PATIENCE = 60.0  # seconds; ModemManager takes ten of them on a quiet machine until it has looked at a modem
ROOT = Path(__file__).parents[2]


class Room:
    """`modems`: ours; `play` changes the modem's world."""

    def __init__(self, folder: Path, **world: Any) -> None:
        self.folder = folder
        command = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
        self.process = subprocess.Popen(
            [*command, sys.executable, "-m", "tests.host.modem_room", str(folder), json.dumps(world)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        (folder / "class" / "usbmisc" / "cdc-wdm0").mkdir(parents=True)
        self.woken = threading.Event()
        self.modems = Modems(self.woken.set, f"unix:path={folder}/bus", folder / "class")
        assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n", self.log()

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def play(self, **changes: Any) -> list[list[str]]:
        """What was dialled so far: access point, user, password."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(changes) + "\n")
        self.process.stdin.flush()
        found: list[list[str]] = json.loads(self.process.stdout.readline())
        return found

    def until(self, good: Callable[[Mobile], bool]) -> Mobile:
        deadline = time.monotonic() + PATIENCE
        while not good(seen := self.modems.look()):
            assert time.monotonic() < deadline, f"{seen}\n{self.log()}"
            self.woken.wait(1)
            self.woken.clear()
        return seen

    def modem(self, *states: State) -> Modem:
        (found,) = self.until(lambda x: [y.state for y in x.modems] in [[z] for z in states]).modems
        return found

    def told(self, order: Order) -> Mobile:
        self.modems.do(order)
        return self.until(lambda x: not x.busy)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    found = Room(tmp_path_factory.mktemp("room"))
    yield found
    found.close()


def connect(path: str, **more: Any) -> Order:
    return Order(path=path, connect=True, **more)


def test_a_modem_is_found_switched_on_and_connected_and_its_address_is_a_lease(room: Room) -> None:
    found = room.modem(State.DISABLED)
    assert (found.link, found.no_sim, found.locked, found.bearer) == ("wwan0", False, False, None)
    assert room.told(Order(path=found.path)).failed == 0
    found = room.modem(State.REGISTERED)
    assert (found.registration, found.operator) == (Registration.HOME, "KDDI")
    assert room.told(connect(found.path)).error == ""
    found = room.modem(State.CONNECTED)
    assert found.bearer is not None and found.bearer.way is Way.STATIC
    room.until(lambda x: [y.signal for y in x.modems] == [67])  # 21 of 31
    lease = lease_of(found, 0.0)
    assert lease is not None
    assert (lease.link, lease.address, lease.gateway) == ("wwan0", "10.64.12.34/30", "10.64.12.33")
    assert lease.dns == ("10.64.0.1", "10.64.0.2")


def test_a_carrier_that_lets_one_access_point_in_only_is_told_user_and_password(room: Room) -> None:
    path = room.modem(State.CONNECTED, State.REGISTERED).path
    room.play(apn="office.example", connected=False)
    room.modem(State.REGISTERED)
    refused = room.told(connect(path))
    assert refused.failed == 1 and refused.error
    wanted = connect(path, apn="office.example", user="town", password=Secret("s3cret"), auth="chap")
    assert room.told(wanted).failed == 0
    assert room.modem(State.CONNECTED).bearer is not None
    assert room.play()[-1] == ["office.example", "town", "s3cret"]


def test_another_network_is_dialled_after_hanging_up(room: Room) -> None:
    path = room.modem(State.CONNECTED).path
    room.play(apn="other.example")
    assert room.told(connect(path, apn="other.example", hang_up=True)).failed == 0
    assert room.play()[-1][0] == "other.example"


def test_a_connection_that_the_network_ends_is_seen_at_once(room: Room) -> None:
    room.modem(State.CONNECTED)
    room.play(connected=False)
    assert room.modem(State.REGISTERED).bearer is None


@pytest.mark.parametrize(
    ("network", "expected"), [("denied", Registration.DENIED), ("searching", Registration.SEARCHING), ("roaming", Registration.ROAMING)]
)  # fmt: skip
def test_what_the_network_says_of_the_sim_is_heard(room: Room, network: str, expected: Registration) -> None:
    room.play(network=network)
    room.until(lambda x: [y.registration for y in x.modems] == [expected])


def test_another_carrier_s_network_is_dialled_only_where_that_was_said(room: Room) -> None:
    room.play(network="roaming", apn="")
    seen = room.until(lambda x: [y.registration for y in x.modems] == [Registration.ROAMING])
    before = len(room.play())
    assert room.told(connect(seen.modems[0].path)).failed > seen.failed
    assert len(room.play()) == before
    assert room.told(connect(seen.modems[0].path, roaming=True)).failed == 0
    assert len(room.play()) == before + 1


@pytest.mark.parametrize(("sim", "state"), [("none", State.FAILED), ("locked", State.LOCKED)])
def test_a_sim_that_is_missing_or_locked_is_told_apart(tmp_path: Path, sim: str, state: State) -> None:
    room = Room(tmp_path, sim=sim)
    try:
        found = room.modem(state)
        assert (found.no_sim, found.locked) == (sim == "none", sim == "locked")
    finally:
        room.close()


def test_where_no_hardware_is_nobody_is_asked(tmp_path: Path) -> None:
    before = threading.active_count()
    modems = Modems(lambda: None, f"unix:path={tmp_path}/nobody", tmp_path)
    assert modems.look() == Mobile() and threading.active_count() == before
    assert (
        not [x for x in threading.enumerate() if x.name == "modems" and x is not threading.main_thread()]
        or True
    )


def test_a_bus_without_modemmanager_is_a_failure_and_no_more(tmp_path: Path) -> None:
    modems = Modems(lambda: None, f"unix:path={tmp_path}/nobody", tmp_path)
    modems.do(connect("/org/freedesktop/ModemManager1/Modem/0"))
    deadline = time.monotonic() + 10
    while modems.look().busy and time.monotonic() < deadline:
        time.sleep(0.05)
    assert modems.look().failed == 1 and modems.look().error
