"""Asks the hub and the desktops whether they answer, from two threads that live where laptops' packets go: in the
field namespace. The threads only measure; what it means is decided in core."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.core.desktop_profiles import Profile
from appliance.core.model import Answer, Desktop, DesktopProbe, HubProbe
from appliance.host.greeting import greet_desktop
from appliance.host.line_check import LineCheck
from appliance.host.namespaces import inside

WINDOW = 20  # echo requests that the loss is computed over
ECHO_TIMEOUT = 1.0  # seconds
SILENCE_TOLD = 3.0  # seconds without an answer after which the daemon is woken
DESKTOP_INTERVAL = 30.0  # seconds between greetings of a desktop that answered
DESKTOP_RETRY = 3.0  # and of one that did not


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to ask; replaced as a whole by the daemon."""

    hub: str = ""  # the hub's address inside the tunnel
    tunnel_key: str = ""  # a new key means a new tunnel: what was measured before counts no more
    endpoint: str = ""  # the hub's address outside, for the line's own errors
    mark: int = 0
    way: str = ""  # the uplink in use: after a switch the hub must hear from us at once
    interval: float = 1.0  # seconds between echo requests
    desktops: tuple[Desktop, ...] = ()


class Probes:
    """Start it once; read `hub` and `desktops` at any time."""

    def __init__(
        self, field: str, outside: str, profiles: Mapping[str, Profile], wake: Callable[[], None]
    ) -> None:
        self._field, self._outside, self._profiles, self._wake = field, outside, profiles, wake
        self._target = Target()
        self._hub = HubProbe()
        self._desktops: dict[str, DesktopProbe] = {}
        self._due: dict[str, float] = {}
        self._changed = threading.Event()
        self._desktops_changed = threading.Event()
        self._sequence = 0
        self._line = 0  # counts changes of line

    @property
    def hub(self) -> HubProbe:
        return self._hub

    @property
    def desktops(self) -> tuple[DesktopProbe, ...]:
        return tuple(self._desktops.values())

    def start(self) -> None:
        threading.Thread(target=self._watch_hub, name="hub", daemon=True).start()
        threading.Thread(target=self._watch_desktops, name="desktops", daemon=True).start()

    def aim(self, target: Target) -> None:
        """What to ask from now on."""
        before, self._target = self._target, target
        if before == target:
            return
        if (before.hub, before.tunnel_key) != (target.hub, target.tunnel_key):
            self._hub = HubProbe()
        if before.desktops != target.desktops:
            known = {x.name for x in target.desktops}
            self._desktops = {k: v for k, v in self._desktops.items() if k in known}
            self._due.clear()
        self._changed.set()
        self._desktops_changed.set()

    def line_changed(self) -> None:
        """Ask at once, so that the hub learns where we are; what the old line lost says nothing of the new one."""
        self._line += 1
        self._due.clear()
        self._changed.set()
        self._desktops_changed.set()

    # ------------------------------------------------------------------------------------------ hub

    def _watch_hub(self) -> None:
        answers: deque[float | None] = deque(maxlen=WINDOW)
        target = Target()
        told_silence = False
        check, line = LineCheck(self._outside), 0
        while True:
            if line != self._line:
                line = self._line
                answers.clear()
                check.stop()
            if self._target != target:
                if (target.hub, target.tunnel_key) != (self._target.hub, self._target.tunnel_key):
                    answers.clear()
                target, told_silence = self._target, False
            if not target.hub:
                self._pause(None)
                continue
            started = time.monotonic()
            round_trip = self._echo(target.hub)
            if self._target != target:
                continue
            answers.append(round_trip)
            now = time.time()
            before = self._hub
            good = sorted(x for x in answers if x is not None)
            silent = round_trip is None and now - before.last_answer > SILENCE_TOLD
            refusal = check.look(target) if silent and target.endpoint else ""
            if not silent:
                check.stop()
            self._hub = HubProbe(
                at=now,
                last_answer=before.last_answer if round_trip is None else now,
                round_trip=good[len(good) // 2] if good else 0.0,
                loss=1 - len(good) / len(answers),
                refusal=refusal,
            )
            news = (
                silent
                or refusal != before.refusal
                or (round_trip is not None and (told_silence or not before.last_answer))
            )
            told_silence = silent
            if news:
                self._wake()
            pause = 0.2 if round_trip is None and not before.last_answer else target.interval
            self._pause(max(0.0, pause - (time.monotonic() - started)))

    def _pause(self, seconds: float | None) -> None:
        self._changed.wait(seconds)
        self._changed.clear()

    def _echo(self, address: str) -> float | None:
        """One echo request through the tunnel (RFC 792) → its round trip in seconds, or None."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        identity = os.getpid() & 0xFFFF
        waits = ECHO_TIMEOUT if self._hub.last_answer else 0.3
        try:
            with inside(self._field):
                channel = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            with channel:
                started = time.monotonic()
                channel.sendto(_echo_request(identity, self._sequence), (address, 0))
                while (left := started + waits - time.monotonic()) > 0:
                    channel.settimeout(left)
                    packet, source = channel.recvfrom(256)
                    if source[0] == address and _is_reply(packet, identity, self._sequence):
                        return time.monotonic() - started
        except OSError:
            time.sleep(0.05)
        return None

    # ------------------------------------------------------------------------------------- desktops

    def _watch_desktops(self) -> None:
        while True:
            self._desktops_changed.clear()
            target = self._target
            now = time.monotonic()
            for desktop in target.desktops:
                if self._target != target:
                    break
                if self._due.get(desktop.name, 0.0) <= now:
                    self._greet(desktop)
            due = [self._due.get(x.name, 0.0) for x in target.desktops]
            self._desktops_changed.wait(max(0.05, min(due) - time.monotonic()) if due else None)

    def _greet(self, desktop: Desktop) -> None:
        before = self._desktops.get(desktop.name)
        try:
            with inside(self._field):
                probe = greet_desktop(desktop, self._profiles, now=time.time())
        except OSError:
            probe = DesktopProbe(desktop=desktop.name, answer=Answer.SILENT, at=time.time())
        answers = probe.answer is Answer.ANSWERS
        self._due[desktop.name] = time.monotonic() + (DESKTOP_INTERVAL if answers else DESKTOP_RETRY)
        if any(x.name == desktop.name for x in self._target.desktops):
            self._desktops[desktop.name] = probe
        if before is None or before.answer is not probe.answer:
            self._wake()


def _echo_request(identity: int, sequence: int) -> bytes:
    body = b"noroshi!"
    header = struct.pack("!BBHHH", 8, 0, 0, identity, sequence)
    return struct.pack("!BBHHH", 8, 0, _checksum(header + body), identity, sequence) + body


def _is_reply(packet: bytes, identity: int, sequence: int) -> bool:
    header = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < header + 8:
        return False
    kind, code, _, theirs, number = struct.unpack_from("!BBHHH", packet, header)
    return (kind, code, theirs, number) == (0, 0, identity, sequence)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return int(~(total + (total >> 16)) & 0xFFFF)
