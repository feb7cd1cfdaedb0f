"""Asks the hub and the desktops whether they answer, from two threads that live where laptops' packets go: in the
field namespace. The threads only measure; what it means is decided in core."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from appliance.core.desktop_profiles import Profile
from appliance.core.ladder import NOTHING, Search
from appliance.core.line import Reading, Sample, read
from appliance.core.machine import (
    Answer,
    DesktopProbe,
    DoorProbe,
    HubProbe,
    LineProbe,
    LineState,
    Load,
    PathProbe,
    PortalProbe,
)
from appliance.core.model import Desktop
from appliance.core.names import NO_QUESTIONS, Questions
from appliance.core.portal import Check
from appliance.core.uplinks import Lines
from appliance.host import echo
from appliance.host.finder import Finder
from appliance.host.gauge import NOTHING as NOT_GAUGED
from appliance.host.gauge import Gauge, Gauged
from appliance.host.greeting import greet_desktop
from appliance.host.line_check import LineCheck
from appliance.host.lookup import Lookup
from appliance.host.namespaces import inside
from appliance.host.path_mtu import PathMtu
from appliance.host.portal import PortalCheck
from appliance.host.scout import Scout

WINDOW = 60  # echo requests that loss and round trip are computed over
DOUBT = 0.1  # seconds between echo requests while the last one is missing
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
    interval: float = 1.0  # seconds between echo requests
    desktops: tuple[Desktop, ...] = ()
    lines: Lines | None = None
    portal: Check | None = None  # the line to ask whether somebody is in between
    line: str = ""  # the one in use: what the size of its packets is remembered by
    search: Search = NOTHING
    questions: Questions = NO_QUESTIONS
    gauged: Gauged = NOT_GAUGED


class Probes:
    """Start it once; read `hub` and `desktops` at any time."""

    def __init__(
        self,
        field: str,
        outside: str,
        profiles: Mapping[str, Profile],
        wake: Callable[[], None],
        portal_uid: int = 0,
    ) -> None:
        self._field, self._outside, self._profiles, self._wake = field, outside, profiles, wake
        self._target = Target()
        self._hub = HubProbe()
        self._desktops: dict[str, DesktopProbe] = {}
        self._due: dict[str, float] = {}
        self._scout = Scout(outside, wake)
        self._path = PathMtu(field, wake)
        self._finder = Finder(outside, wake)
        self._lookup = Lookup(outside, wake)
        self._portal = PortalCheck(outside, portal_uid, wake)
        self._gauge = Gauge(field, wake)
        self._poke, self._poked = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._desktops_changed = threading.Event()
        self._line = 0  # counts changes of the way to HQ
        self._cable = 0  # counts changes of line

    @property
    def hub(self) -> HubProbe:
        return self._hub

    @property
    def lines(self) -> tuple[LineProbe, ...]:
        return self._scout.lines

    @property
    def paths(self) -> tuple[PathProbe, ...]:
        return self._path.sizes

    @property
    def doors(self) -> tuple[DoorProbe, ...]:
        return self._finder.doors

    @property
    def found(self) -> tuple[str, ...]:
        return self._lookup.found

    @property
    def portal(self) -> PortalProbe:
        return self._portal.probe

    @property
    def load(self) -> Load | None:
        return self._gauge.load

    @property
    def desktops(self) -> tuple[DesktopProbe, ...]:
        return tuple(self._desktops.values())

    def start(self) -> None:
        self._scout.start()
        self._path.start()
        self._finder.start()
        self._lookup.start()
        self._portal.start()
        self._gauge.start()
        threading.Thread(target=self._watch_hub, name="hub", daemon=True).start()
        threading.Thread(target=self._watch_desktops, name="desktops", daemon=True).start()

    def aim(self, target: Target) -> None:
        """What to ask from now on."""
        before, self._target = self._target, target
        if before == target:
            return
        self._scout.aim(target.lines or Lines())
        self._path.aim(target.hub, target.line)
        self._finder.aim(target.search)
        self._lookup.aim(target.questions)
        self._portal.aim(target.portal)
        self._gauge.aim(target.gauged)
        if (before.hub, before.tunnel_key) != (target.hub, target.tunnel_key):
            self._hub = HubProbe()
        if before.desktops != target.desktops:
            known = {x.name for x in target.desktops}
            self._desktops = {k: v for k, v in self._desktops.items() if k in known}
            self._due.clear()
        self._rouse()
        self._desktops_changed.set()

    def _rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._poke.send(b"!", socket.MSG_DONTWAIT)

    def line_changed(self, *, same_line: bool = False) -> None:
        """Ask at once, so that the hub learns where we are; what the old line lost says nothing of the new one."""
        self._line += 1
        self._cable += 0 if same_line else 1  # what a router said of its line counts for every door of HQ's
        self._gauge.line_changed()
        self._due.clear()
        self._hub = replace(self._hub, state=LineState.UNKNOWN)
        self._rouse()
        self._desktops_changed.set()

    # ------------------------------------------------------------------------------------------ hub

    def _watch_hub(self) -> None:
        """Echo requests at the target's pace, faster while one is missing; answers whenever they come."""
        echoes = _Echoes(self._field)
        target, line, cable, due, check = Target(), 0, 0, 0.0, LineCheck(self._outside)
        while True:
            if self._line != line:
                line, due = self._line, 0.0
                echoes.forget()
            if self._cable != cable:
                cable = self._cable
                check.stop()
            if self._target != target:
                before, target = target, self._target
                if (target.hub, target.tunnel_key) != (before.hub, before.tunnel_key):
                    echoes.forget()
                    due = 0.0
                due = min(due, time.monotonic() + target.interval)
            if not target.hub:
                self._wait(None, echoes)
                continue
            now = time.monotonic()
            if now >= due:
                echoes.send(target.hub)
                due = now + min(target.interval, DOUBT)  # put off once the answer is there
            self._wait(min(due - now, 0.05), echoes)
            echoes.hear(target.hub)
            if echoes.answered_last:
                due = max(due, echoes.last_sent + target.interval)
                self._wait(due - time.monotonic(), echoes)
            if self._line == line and self._target.tunnel_key == target.tunnel_key:
                self._judge_hub(echoes, target, check)

    def _judge_hub(self, echoes: _Echoes, target: Target, check: LineCheck) -> None:
        """Publish what the answers say, and wake the loop where it is news."""
        before, reading, now = self._hub, echoes.reading(), time.time()
        last_answer = echoes.heard or before.last_answer
        silent = now - last_answer > SILENCE_TOLD and reading.state is not LineState.GOOD
        refusal = check.look(target) if silent and target.endpoint else ""
        if not silent:
            check.stop()
        self._hub = HubProbe(
            at=now,
            last_answer=last_answer,
            round_trip=reading.round_trip or before.round_trip,
            loss=reading.loss,
            refusal=refusal,
            state=reading.state,
        )
        if reading.state in (LineState.SUSPECTED, LineState.LOSING, LineState.LOST):
            self._scout.hasten()
        still = silent and int(now - last_answer) != int(before.at - before.last_answer)
        first = not before.last_answer and last_answer
        if still or first or reading.state is not before.state or refusal != before.refusal:
            self._wake()

    def _wait(self, seconds: float | None, echoes: _Echoes) -> None:
        channels: list[socket.socket] = [self._poked]
        if echoes.channel is not None:
            channels.append(echoes.channel)
        ready, _, _ = select.select(channels, [], [], None if seconds is None else max(0.0, seconds))
        if self._poked in ready:
            self._poked.recv(16)

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


class _Echoes:
    """Echo requests through the tunnel (RFC 792), many on their way at once."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.channel: socket.socket | None = None
        self.last_sent = 0.0
        self._samples: deque[tuple[int, Sample]] = deque(maxlen=WINDOW)
        self._sequence = 0
        self._identity = os.getpid() & 0xFFFF
        self.heard = 0.0

    def forget(self) -> None:
        self._samples.clear()
        self.heard = 0.0

    @property
    def answered_last(self) -> bool:
        return bool(self._samples) and self._samples[-1][1].answered is not None

    def reading(self) -> Reading:
        return read([x for _, x in self._samples], time.monotonic())

    def send(self, address: str) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.last_sent = time.monotonic()
        self._samples.append((self._sequence, Sample(self.last_sent)))
        try:
            if self.channel is None:
                self.channel = echo.channel(self._namespace)
            self.channel.sendto(echo.request(self._identity, self._sequence), (address, 0))
        except OSError:
            self._close()

    def hear(self, address: str) -> None:
        """Everything that came in meanwhile."""
        while self.channel is not None:
            try:
                packet, source = self.channel.recvfrom(256)
            except BlockingIOError:
                return
            except OSError:
                self._close()
                return
            if source[0] == address:
                self._note(echo.reply(packet, self._identity))

    def _note(self, sequence: int | None) -> None:
        for place, (number, sample) in enumerate(self._samples):
            if number == sequence and sample.answered is None:
                self.heard = time.time()
                self._samples[place] = (number, Sample(sample.sent, time.monotonic()))

    def _close(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None
