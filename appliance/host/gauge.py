"""Measures what the line in use carries and how long it takes each way: counters of the tunnel's device, and ICMP
timestamps that HQ answers (RFC 792). One thread; it only measures, core/queues.py says what it means.

Nothing is asked while nobody uses the box, one question a second while the line is quiet, ten while it is busy."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.core.desired import hub_address
from appliance.core.machine import Desired, Load
from appliance.core.model import Config
from appliance.core.queues import BUSY, OVERHEAD, Answer, load_of, stands
from appliance.host.echo import checksum
from appliance.host.namespaces import inside

QUIET_LOOK, BUSY_LOOK = (
    0.25,
    0.1,
)  # seconds between looks at the counters; on a busy line each with a question
QUIET_QUESTION = 1.0  # seconds between questions on a quiet line
TOLD_EVERY = 1.0  # seconds between two wakings of the daemon
RATE_OVER = 1.0  # seconds that rates are taken over
KEPT = 700  # answers
DAY = 86400.0
_ASK, _ANSWER = 13, 14  # timestamp, timestamp reply
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h
_ONLY_ANSWERS = struct.pack("=I", 0xFFFFFFFF ^ (1 << _ANSWER))
_NOT_OF_UTC = 0x80000000  # set by who has no such clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauged:
    """What to measure; replaced as a whole. `held`: a rate is in force, so its end is looked for, too."""

    hub: str = ""  # its address inside the tunnel; "" while there is nothing to measure
    key: str = ""
    tunnel: str = ""
    held: bool = False


NOTHING = Gauged()


def gauged(config: Config, desired: Desired, *, in_use: bool) -> Gauged:
    """Nothing is measured where nobody waits for a picture."""
    tunnel = desired.tunnel
    if tunnel is None or not tunnel.peers or not in_use:
        return NOTHING
    hub = hub_address(config)
    return Gauged(hub=hub, key=tunnel.public_key, tunnel=tunnel.name, held=bool(desired.shapers))


class Gauge:
    """Start it once; read `load` at any time."""

    def __init__(self, field: str, wake: Callable[[], None]) -> None:
        self._field, self._wake = field, wake
        self._target, self._line = Gauged(), 0
        self._changed = threading.Event()
        self.load: Load | None = None

    def start(self) -> None:
        threading.Thread(target=self._watch, name="gauge", daemon=True).start()

    def aim(self, target: Gauged) -> None:
        before, self._target = self._target, target
        if before != target:
            self._changed.set()

    def line_changed(self) -> None:
        """What was measured was another line."""
        self._line += 1
        self.load = None

    def _watch(self) -> None:
        target, line, told = Gauged(), 0, 0.0
        look = _Look(self._field)
        while True:
            if (self._target.hub, self._target.key) != (target.hub, target.key) or self._line != line:
                look.forget()
                self.load = None
            target, line = self._target, self._line
            if not target.hub:
                self._changed.wait()
                self._changed.clear()
                continue
            busy = look.once(target)
            load = look.load()
            look.hear_for(target, BUSY_LOOK if busy else QUIET_LOOK)
            if self._line != line:
                continue
            self.load = load
            now = time.monotonic()
            if busy and (target.held or stands(load.up) or stands(load.down)) and now - told >= TOLD_EVERY:
                told = now
                self._wake()


class _Look:
    """Counters and questions on their way."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._channel: socket.socket | None = None
        self._identity = (os.getpid() ^ 0x5155) & 0xFFFF
        self._sequence = 0
        self._busy = False
        self._asked = 0.0
        self._open: dict[int, tuple[float, int, bool]] = {}
        self._answers: deque[Answer] = deque(maxlen=KEPT)
        self._counts: deque[tuple[float, int, int]] = deque()
        self._clocks: float | None = None  # HQ's clock minus ours, at the first answer

    def forget(self) -> None:
        self._open.clear()
        self._answers.clear()
        self._counts.clear()
        self._clocks, self._busy = None, False

    def once(self, target: Gauged) -> bool:
        """Look at the counters, ask if it is time; whether the line is busy."""
        counts = self._count(target.tunnel)
        if counts is None:
            return False
        now = time.monotonic()
        self._counts.append((now, *counts))
        while len(self._counts) > 2 and now - self._counts[1][0] > RATE_OVER:
            self._counts.popleft()
        self._busy = max(self._rates()) > BUSY
        if self._busy or now - self._asked >= QUIET_QUESTION:
            self._ask(target.hub, now, counts[0])
        return self._busy

    def load(self) -> Load:
        return load_of(tuple(self._answers), time.monotonic(), *self._rates())

    def hear_for(self, target: Gauged, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            channel = self._channel
            if channel is None:
                time.sleep(left)
                return
            if not select.select([channel], [], [], left)[0]:
                return
            try:
                packet, source = channel.recvfrom(256)
            except BlockingIOError:
                continue
            except OSError:
                self._close()
                continue
            if source[0] == target.hub:
                self._note(packet, target.tunnel)

    def _rates(self) -> tuple[float, float]:
        if len(self._counts) < 2:
            return 0.0, 0.0
        first, last = self._counts[0], self._counts[-1]
        seconds = max(last[0] - first[0], BUSY_LOOK)
        return (last[1] - first[1]) * 8 / seconds, (last[2] - first[2]) * 8 / seconds

    def _count(self, tunnel: str) -> tuple[int, int] | None:
        """Octets that left and came, as they are on the line (proc(5), /proc/net/dev)."""
        try:
            with inside(self._namespace):
                lines = Path("/proc/thread-self/net/dev").read_text("ascii").splitlines()
        except OSError:
            return None
        for line in lines:
            name, _, numbers = line.partition(":")
            if name.strip() == tunnel:
                x = [int(y) for y in numbers.split()]
                return x[8] + OVERHEAD * x[9], x[0] + OVERHEAD * x[1]
        return None

    def _ask(self, hub: str, now: float, out: int) -> None:
        self._asked, self._sequence = now, (self._sequence + 1) & 0xFFFF
        for old in [k for k, v in self._open.items() if now - v[0] > 10]:
            del self._open[old]
        try:
            if self._channel is None:
                with inside(self._namespace):
                    self._channel = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
                self._channel.setblocking(False)
                self._channel.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ANSWERS)
            self._channel.sendto(question(self._identity, self._sequence), (hub, 0))
            self._open[self._sequence] = (now, out, not self._busy)
        except OSError:
            self._close()

    def _note(self, packet: bytes, tunnel: str) -> None:
        back, heard = time.monotonic(), answer(packet, self._identity)
        asked = self._open.pop(heard[0], None) if heard else None
        counts = self._count(tunnel) if asked else None
        if heard is None or asked is None or counts is None:
            return
        sent, out, idle = asked
        _, received, replied = heard
        if self._clocks is None:
            self._clocks = received - sent
        up = _within_a_day(received - sent - self._clocks)
        down = _within_a_day(back - replied + self._clocks)
        self._answers.append(
            Answer(sent=sent, back=back, up=up, down=down, out=out, got=counts[1], idle=idle)
        )

    def _close(self) -> None:
        if self._channel is not None:
            with contextlib.suppress(OSError):
                self._channel.close()
            self._channel = None


def _within_a_day(seconds: float) -> float:
    """The clocks of these messages begin anew at midnight."""
    return (seconds + DAY / 2) % DAY - DAY / 2


def question(identity: int, sequence: int) -> bytes:
    """Our own time is not told: HQ has no use for it."""
    body = bytes(12)
    bare = struct.pack("!BBHHH", _ASK, 0, 0, identity, sequence) + body
    return struct.pack("!BBHHH", _ASK, 0, checksum(bare), identity, sequence) + body


def answer(packet: bytes, identity: int) -> tuple[int, float, float] | None:
    """Sequence number of an answer to us, and HQ's seconds since midnight as it came and as it left."""
    header = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < header + 20:
        return None
    kind, code, _, theirs, number, _, received, replied = struct.unpack_from("!BBHHHIII", packet, header)
    if (kind, code, theirs) != (_ANSWER, 0, identity) or (received | replied) & _NOT_OF_UTC:
        return None
    return number, received / 1000, replied / 1000
