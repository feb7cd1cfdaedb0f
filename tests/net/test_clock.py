"""A wrong clock locks nobody out: real wireguard-go, the hub's real daemon, and an initiator that dates its handshakes
as a test wants. The machine's own clock is never touched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.core.enrolment import read_ticket
from appliance.core.machine import Machine, Peer, PeerState, Tunnel
from appliance.core.model import Secret
from appliance.host import mark, wireguard
from scripts.exercise import machines, processes, topology
from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import Place
from scripts.exercise.processes import within
from tests.net.noise import Initiator, ask
from tests.net.world import HUB_OUTSIDE, OPEN, SHARED, World, eventually

YEAR = 365 * 86400.0
HOUR = 3600.0


# ----------------------------------------------------------------- what WireGuard itself does, by hand


@dataclass(slots=True)
class Responder:
    """A bare wireguard-go in a namespace of its own, with one peer."""

    name: str
    peer: Peer
    initiator: Initiator

    def state(self) -> PeerState:
        found = wireguard.show(self.name, self.name)
        assert found is not None
        return next(x for x in found.peers if x.public_key == self.peer.public_key)

    def forget(self) -> None:
        wireguard.forget_peers(self.name, self.name, [self.peer])

    def channel(self) -> socket.socket:
        channel = socket_in(self.name, socket.SOCK_DGRAM)
        channel.connect(("127.0.0.1", 51820))
        return channel


@pytest.fixture
def responder() -> Iterator[Responder]:
    if os.geteuid() != 0 or shutil.which("wireguard-go") is None:
        pytest.skip("namespaces need root")
    name = f"ck{os.getpid() % 100000}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    wireguard.forget_socket(name)
    go = subprocess.Popen(
        ["ip", "netns", "exec", name, "wireguard-go", "--foreground", name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wireguard.wait_for_socket(name)
        private, public = wireguard.new_key()
        theirs, their_public = wireguard.new_key()
        peer = Peer(public_key=their_public, allowed=("10.9.0.2/32",))
        wireguard.synchronize(
            Tunnel(
                name=name,
                birthplace=name,
                namespace=name,
                private_key=private,
                public_key=public,
                peers=(peer,),
                listen_port=51820,
            )
        )
        for link in ("lo", name):
            subprocess.run(["ip", "-n", name, "link", "set", link, "up"], check=True)
        yield Responder(name, peer, Initiator(theirs.reveal(), public))
    finally:
        go.terminate()
        go.wait(5)
        subprocess.run(["ip", "netns", "delete", name], check=False)
        Path(f"/run/wireguard/{name}.sock").unlink(missing_ok=True)


def test_the_initiator_of_these_tests_makes_handshakes_that_wireguard_counts(responder: Responder) -> None:
    with responder.channel() as channel:
        assert responder.initiator.shake(channel, time.time())
    eventually("a handshake", lambda: responder.state().handshake)


@pytest.mark.parametrize("back", [HOUR, 24 * HOUR, 56 * YEAR])
def test_a_clock_that_went_back_hears_silence_until_it_is_forgotten(
    responder: Responder, back: float
) -> None:
    now = time.time()
    shake = responder.initiator.shake
    with responder.channel() as channel:
        assert shake(channel, now)
        assert not shake(channel, now - back)
        responder.forget()
        assert shake(channel, now - back)
        assert shake(channel, now - back + 1)


def test_a_timestamp_from_the_future_poisons_a_peer_until_it_is_forgotten(responder: Responder) -> None:
    now = time.time()
    shake = responder.initiator.shake
    with responder.channel() as channel:
        assert shake(channel, now + 10 * YEAR, complete=False)
        assert not shake(channel, now)
        responder.forget()
        assert shake(channel, now)


def test_a_replayed_old_initiation_makes_no_handshake(responder: Responder) -> None:
    now = time.time()
    recorded = responder.initiator.start(now - 20).packet
    with responder.channel() as channel, responder.channel() as thief:
        assert ask(channel, recorded)
        responder.forget()
        assert ask(thief, recorded), "what was forgotten is answered again"
        thief.send(os.urandom(32))
        assert responder.state().handshake == 0
        port = thief.getsockname()[1]
        assert responder.state().endpoint.endswith(f":{port}"), "it moves the endpoint, no more"
        assert responder.initiator.shake(channel, now), "whoever has the key is answered still"
    eventually("a handshake", lambda: responder.state().handshake)


def test_forgetting_one_peer_leaves_the_sessions_of_others(responder: Responder) -> None:
    _, public = wireguard.new_key()
    other = Peer(public_key=public, allowed=("10.9.0.3/32",))
    run = ["wg", "set", responder.name, "peer", public, "allowed-ips", "10.9.0.3/32"]
    subprocess.run(["ip", "netns", "exec", responder.name, *run], check=True)
    with responder.channel() as channel:
        assert responder.initiator.shake(channel, time.time())
    before = eventually("a handshake", lambda: responder.state().handshake)
    wireguard.forget_peers(responder.name, responder.name, [other])
    assert responder.state().handshake == before
    found = wireguard.show(responder.name, responder.name)
    assert found is not None
    assert {x.public_key for x in found.peers} == {public, responder.peer.public_key}


# --------------------------------------------------------------------------- what the hub's daemon does


def _invited(world: World) -> Initiator:
    """A stand-in for a box that holds an invitation."""
    ticket = read_ticket(world.ticket())
    assert isinstance(ticket.invitation_key, Secret)
    return Initiator(ticket.invitation_key.reveal(), ticket.hub_key)


def _to_hub(world: World) -> socket.socket:
    channel = socket_in(world.namespace("internet"), socket.SOCK_DGRAM)
    channel.connect((HUB_OUTSIDE, 51820))
    return channel


@pytest.mark.parametrize("wrong", [10 * YEAR, 0.0], ids=["ten-years-ahead", "right"])
@pytest.mark.parametrize("moment", ["1970", "-1 hour", "-1 day"])
def test_the_hub_answers_any_clock_within_fifteen_seconds(world: World, wrong: float, moment: str) -> None:
    now = time.time()
    dated = {"1970": 10.0, "-1 hour": now - HOUR, "-1 day": now - 24 * HOUR}[moment]
    initiator = _invited(world)
    with _to_hub(world) as channel:
        eventually("the invitation's peer", lambda: initiator.shake(channel, now + wrong, complete=False))
        assert not initiator.shake(channel, dated)
        started = time.monotonic()

        def again() -> bool:
            return initiator.shake(channel, dated + time.monotonic() - started)

        eventually("an answer", again, patience=15)


def test_a_box_that_hq_takes_for_old_is_up_within_fifteen_seconds(box: World) -> None:
    """The box's own key was used ten years from now: its real handshakes are in the past."""
    box.protected()
    config = box.config()
    box.power_off()
    stand_in = Initiator(config["keys"]["tunnel_private"], config["assignment"]["hub_key"])
    with _to_hub(box) as channel:
        assert stand_in.shake(channel, time.time() + 10 * YEAR)
        time.sleep(15)  # as long as a machine needs to boot; HQ sees that nobody talks through this session
    started = time.monotonic()
    box.power_on()
    eventually("open desktops", lambda: box.status().get("phase") in OPEN, patience=20)
    assert time.monotonic() - started < SHARED * 15


def test_hq_forgets_a_live_box_that_asks_for_it_and_it_comes_back(box: World) -> None:
    name = box.protected()
    key = box.config()["keys"]["tunnel_public"]

    def shaken() -> float:
        state = wireguard.show(f"{box.place.prefix}-hub", box.namespace("hq"))
        return next(x.handshake for x in state.peers if x.public_key == key) if state else 0.0

    assert shaken()
    paper = box.ask_hub("time", box=name, nonce="0123456789abcdef" * 2, forget=True)["paper"]
    assert "forgets" in paper
    eventually("a forgotten session", lambda: not shaken(), patience=3)
    eventually("a new handshake, fifteen seconds after the last answer at most", shaken, patience=25)
    eventually("an answer inside the tunnel", lambda: box.status()["reason"] != "line-lost", patience=5)
    assert box.status()["phase"] in OPEN


def test_no_machine_of_the_exercise_may_set_this_machines_clock() -> None:
    assert not any("sets_clock" in x.told for x in machines.table(Place("any")).values())
    assert not Machine().sets_clock


# ------------------------------------------------------------------- the whole chain, by a wrong clock

START = (
    "from appliance.serve import run_daemon; from appliance.host.clock import MachineClock;"
    " run_daemon(MachineClock(offset={offset!r}))"
)


def _power_on(world: World, offset: float) -> None:
    """The box, whose decisions are made by a clock that is wrong; the kernel's is left alone."""
    topology.plug(world.place, "a")
    machine = machines.table(world.place)["box"]
    processes.start(
        world.place,
        "box",
        within(world.namespace("box"), (machines.python(), "-c", START.format(offset=offset)), mounts=False),
        env=machines.environment(world.place, machine),
    )
    machines.wait_for_door(world.place, "box")


@pytest.mark.parametrize("wrong", ["1970", "-1 hour", "-1 day", "+10 years"])
def test_a_box_by_any_clock_opens_and_has_hqs_time_then(box: World, wrong: str) -> None:
    offset = {"1970": 10.0 - time.time(), "-1 hour": -HOUR, "-1 day": -24 * HOUR, "+10 years": 10 * YEAR}
    _power_on(box, offset[wrong])
    box.until_line()
    started = time.monotonic()
    box.ask_box("redeem", ticket=box.ticket())
    box.until("PROTECTED", patience=15)
    assert time.monotonic() - started < SHARED * 15
    eventually("HQ's time", lambda: abs(box.status()["now"] - time.time()) < 3)
    kept = eventually("a mark", lambda: mark.read(box.state() / "clock.mark"))
    assert abs(kept - time.time()) < 60
    assert all(abs(x - time.time()) < 60 for x in box.status()["milestones"].values())
