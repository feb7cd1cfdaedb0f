"""Asks HQ's own check over one line, outside the tunnel: is somebody in between? The question is sent, and whatever
comes back is read, by an unprivileged process (`portal_inside.py`); here its few octets are looked at."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from appliance.core.machine import Finding, PortalProbe
from appliance.core.marks import CHECK_MARK
from appliance.core.portal import CHECK_PATH, CHECK_PORT, MOST_OCTETS, Check, read_answer
from appliance.host.namespaces import inside

EVERY = 5.0  # seconds between two checks
CONNECT_WITHIN = 3.0
ANSWER_WITHIN = 5.0
INSIDE = str(Path(__file__).with_name("portal_inside.py"))


class PortalCheck:
    """`probe` is what was found on the line that is asked now."""

    def __init__(self, outside: str, uid: int, wake: Callable[[], None]) -> None:
        self._outside, self._uid, self._wake = outside, uid, wake
        self._check: Check | None = None
        self._changed = threading.Event()
        self._found: dict[str, Finding] = {}
        self.probe = PortalProbe()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="portal", daemon=True).start()

    def aim(self, check: Check | None) -> None:
        """Findings are kept while anything is asked: where every line is held up, the box goes from one to the next."""
        if check == self._check:
            return
        self._check = check
        if check is None:
            self._found.clear()
        self.probe = self._known(check)
        self._changed.set()

    def _known(self, check: Check | None) -> PortalProbe:
        link = check.link if check else ""
        return PortalProbe(link=link, finding=self._found.get(link, Finding.UNKNOWN))

    def _watch(self) -> None:
        while True:
            self._changed.clear()
            check = self._check
            if check is None:
                self._changed.wait()
                continue
            time.sleep(0.2)  # the rules that let the question out are of the turn that wished for it
            finding = self._ask(check)
            if check == self._check:
                self._found[check.link] = finding
                before, self.probe = self.probe, self._known(check)
                if before != self.probe:
                    self._wake()
            self._changed.wait(EVERY)

    def _ask(self, check: Check) -> Finding:
        nonce = secrets.token_hex(16)
        try:
            with self._connected(check) as channel:
                said = self._talk(channel, f"{CHECK_PATH}?{nonce}", check.address)
        except (OSError, subprocess.SubprocessError):
            return Finding.UNKNOWN
        try:
            answer = json.loads(said)
            code, body = int(answer["code"]), str(answer["body"])
        except (ValueError, KeyError, TypeError):
            return Finding.UNKNOWN
        return Finding.UNKNOWN if code < 0 else read_answer(code, body, nonce, check.signing_key)

    @contextlib.contextmanager
    def _connected(self, check: Check):  # type: ignore[no-untyped-def]
        with inside(self._outside):
            channel = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with channel:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, CHECK_MARK)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, check.link.encode() + b"\0")
            channel.settimeout(CONNECT_WITHIN)
            channel.connect((check.address, CHECK_PORT))
            channel.settimeout(None)
            yield channel

    def _talk(self, channel: socket.socket, path: str, host: str) -> bytes:
        """What the child says, a few octets: it reads what strangers send, we do not."""
        done = subprocess.run(
            (sys.executable, "-IS", INSIDE, path, host, str(ANSWER_WITHIN), str(MOST_OCTETS)),
            stdin=channel.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            user=self._uid,
            group=self._uid,
            extra_groups=[],
            timeout=ANSWER_WITHIN + 3,
            check=True,
        )
        return done.stdout[: 8 * MOST_OCTETS]
