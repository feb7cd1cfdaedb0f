"""The DHCP client of a laptop or a phone. `dhcp_inside.py` runs in its namespace; this starts it and asks it."""

from __future__ import annotations

import ipaddress
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

INSIDE = Path(__file__).with_name("dhcp_inside.py")
LINK = "eth0"
NEVER = threading.Event()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    at: float  # seconds since the epoch
    address: str
    prefix: int
    gateway: str
    dns: tuple[str, ...]

    def is_in(self, network: str) -> bool:
        return ipaddress.ip_address(self.address) in ipaddress.ip_network(network)


@dataclass(frozen=True, slots=True)
class Client:
    place: Place
    machine: str

    @property
    def _name(self) -> str:
        return f"{self.machine}-dhcp"

    @property
    def _leases(self) -> Path:
        return self.place.folder(self.machine) / "leases"

    def start(self) -> None:
        self._leases.write_text("")
        argv = (sys.executable, "-B", str(INSIDE), LINK, self.machine)
        processes.start(
            self.place,
            self._name,
            within(self.place.namespace(self.machine), argv),
            env={"NOROSHI_LEASES": str(self._leases)},
        )

    def stop(self) -> None:
        processes.end(self.place, self._name)

    def lease(self) -> Lease | None:
        """The address the machine has now, or None."""
        lines = self._leases.read_text().splitlines()
        if not lines:
            return None
        last = json.loads(lines[-1])
        if last["event"] not in ("bound", "renew"):
            return None
        return Lease(
            at=last["at"],
            address=last["address"],
            prefix=int(last["prefix"] or 24),
            gateway=last["gateway"],
            dns=tuple(last["dns"].split()),
        )

    def ask_again(self) -> None:
        """Forget the address and ask for one, as after the cable was put in again."""
        running = processes.recorded(self.place, self._name)
        if running is None or not running.alive:
            self.start()
            return
        processes.signal_to(running, signal.SIGUSR1)

    def leave(self) -> None:
        """Give the address back, as a laptop does that is shut down properly."""
        running = processes.recorded(self.place, self._name)
        if running is not None:
            processes.signal_to(running, signal.SIGUSR2)

    def pull_cable(self) -> None:
        run("ip", "-n", self.place.namespace(self.machine), "link", "set", LINK, "down")

    def put_cable(self) -> None:
        run("ip", "-n", self.place.namespace(self.machine), "link", "set", LINK, "up")

    def wait(
        self,
        network: str = "0.0.0.0/0",
        *,
        patience: float,
        again_every: float = 2.0,
        over: threading.Event = NEVER,
    ) -> Lease:
        """The first lease inside `network`; while there is none, the cable is put in again now and then."""
        deadline = time.monotonic() + patience
        asked = time.monotonic()
        while not over.is_set():
            lease = self.lease()
            if lease is not None and lease.is_in(network):
                return lease
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"{self.machine} got no address in {network} in {patience:.0f} s")
            if now - asked > again_every:
                self.ask_again()
                asked = now
            time.sleep(0.02)
        raise InterruptedError("the exercise is over")
