"""The loop: observe → judge → desire → plan → apply, until nothing differs; then wait for something to happen.

It waits for the kernel (links, addresses, rulesets), for a request at the door, for the bell, or for a time that
the role named. It decides nothing itself: a `Role` does, and the machine acts.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from appliance.core.machine import Desired, Failure, Firewall, Observed
from appliance.core.plan import SetFirewall, Step, plan
from appliance.trouble import FAILURES_TOLD, Trouble

SETTLE = 8  # turns in a row at most; a machine that does not settle is looked at again a second later
RETRY = 1.0  # seconds until the next turn after a failure


class Channel(Protocol):
    """What may wake the loop: a socket, or something that reads like one."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...


class Machine(Protocol):
    """The real one in host/machine.py, or the one in memory in host/simulated.py."""

    def observe(self, desired: Desired | None) -> Observed: ...

    def apply(self, step: Step) -> Failure | None: ...


class Role(Protocol):
    """A box or a hub: everything that is decided, with its private file behind it."""

    def judge(self, observed: Observed) -> Desired: ...

    def closed(self) -> tuple[Firewall, ...]:
        """What is loaded when `judge` cannot say what should be."""

    def after(self, observed: Observed, settled: bool) -> None:
        """Once a turn's steps are done: reports, files for others."""

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        """A request that only looks; called from a thread of the door."""

    def obey(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        """A request that changes the configuration; called between turns."""

    def changes(self, request: dict[str, Any]) -> bool: ...

    def next_time(self, now: float) -> float:
        """Seconds until the loop has to look again although nothing happened."""


@dataclass(slots=True)
class _Request:
    content: dict[str, Any]
    uid: int
    done: threading.Event
    result: dict[str, Any] | Exception | None = None


class Bell:
    """Wakes the loop from any thread."""

    def __init__(self) -> None:
        self.socket, self._far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self._far_end.setblocking(False)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._far_end.send(b"!")


class Daemon:
    """One machine, one role, one loop."""

    def __init__(
        self,
        machine: Machine,
        role: Role,
        bell: Bell,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine, self._role, self._bell, self._now = machine, role, bell, now
        self._monotonic = monotonic
        self._desired: Desired | None = None
        self._trouble = Trouble()
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._channels: tuple[Channel, ...] = ()
        self._stopping = False
        self._alive: Callable[[], None] = lambda: None
        self.turns = 0

    # ------------------------------------------------------------------------------------- one turn

    def turn(self) -> bool:
        """One turn. True when nothing was left to do."""
        self.turns += 1
        # What happened until now is about to be looked at, our own last steps among it. What happens from here on
        # wakes the loop again: drained later, a link lost during this turn would stay unseen until the next one.
        drain(self._channels)
        try:
            observed = self._machine.observe(self._desired)
            observed = replace(observed, failures=self._trouble.facts(self._monotonic()))
            self._desired = self._role.judge(observed)
        except Exception as error:
            self._undecided(error)
            return False
        steps = plan(self._desired, observed)
        for step in steps:
            failure = self._machine.apply(step)
            if failure is not None:
                sys.stderr.write(f"noroshi: {failure.step}: {failure.message}\n")
                self._trouble.failed(failure, step, self._monotonic())
                break  # what follows may rely on it; the next turn starts from what is
            self._trouble.applied(step)
            self._alive()  # each step has a limit of its own; many of them may take longer than a watchdog waits
        else:
            self._trouble.turned()
        try:
            self._role.after(observed, settled=not steps)
        except OSError as error:  # a full disk: what is told to others waits, what is closed stays closed
            sys.stderr.write(f"noroshi: {error}\n")
        return not steps

    def _undecided(self, error: Exception) -> None:
        """Nobody knows what should be. Once may be a link that vanished while we looked; when it stays so, what
        was open is closed, whatever is broken: without this, an error of ours would leave the last door open."""
        failure = Failure(step="Judge", message=repr(error)[:500], at=time.time())
        self._trouble.failed(failure, None, self._monotonic())
        if self._trouble.turns <= FAILURES_TOLD:
            traceback.print_exception(error)
        if self._trouble.turns == FAILURES_TOLD:
            for x in self._role.closed():
                self._machine.apply(SetFirewall(firewall=x))

    def settle(self) -> None:
        """Turn until the plan is empty."""
        for _ in range(SETTLE):
            if self.turn() or self._trouble.turns:
                return

    # ------------------------------------------------------------------------------------- the loop

    def ask(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        """The door's `answer`: looks at once, changes between two turns."""
        if not self._role.changes(request):
            return self._role.answer(request, uid)
        asked = _Request(request, uid, threading.Event())
        self._requests.put(asked)
        self._bell.ring()
        if not asked.done.wait(15):
            raise TimeoutError("the daemon is busy")
        if isinstance(asked.result, Exception):
            raise asked.result
        return asked.result or {}

    def run(
        self,
        listen: Callable[[], tuple[Channel, ...]],
        alive: Callable[[], None] = lambda: None,
        pace: float = float("inf"),
    ) -> None:
        """Until SIGTERM or SIGINT. `listen` opens the kernel's event sockets once the namespaces exist; `alive` is
        called first when the machine is as it should be, then after each step and whenever the loop came round, every
        `pace` seconds at least."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self.settle()
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell.socket, selectors.EVENT_READ)
            self._channels = listen()
            for channel in self._channels:
                selector.register(channel, selectors.EVENT_READ)
            while not self._stopping:
                alive()
                self._alive = alive
                selector.select(min(self._pause(), pace))
                drain((self._bell.socket,))
                self._serve()
                self.settle()

    def stop(self) -> None:
        self._stopping = True
        self._bell.ring()

    def _pause(self) -> float:
        pause = self._role.next_time(self._now())
        held = self._trouble.held(self._monotonic())
        if held:
            pause = min(pause, held)
        return max(0.0, min(pause, RETRY) if self._trouble.turns else pause)

    def _serve(self) -> None:
        """Obey what was asked, and answer only once the machine is as it should be."""
        served = []
        with contextlib.suppress(queue.Empty):
            while True:
                request = self._requests.get_nowait()
                try:
                    request.result = self._role.obey(request.content, request.uid)
                except Exception as error:  # the guest is told; the loop goes on
                    request.result = error
                served.append(request)
        if served:
            self.settle()
        for request in served:
            request.done.set()


def drain(channels: Any) -> None:
    """Read away what woke us; only that it came matters."""
    for channel in list(channels):
        with contextlib.suppress(OSError):
            while channel.recv(65536):
                pass


def open_button(path: Path) -> socket.socket:
    """A datagram socket by which the courier and the DHCP clients ring: content does not matter."""
    path.unlink(missing_ok=True)
    button = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    button.bind(str(path))
    path.chmod(0o666)
    return button
