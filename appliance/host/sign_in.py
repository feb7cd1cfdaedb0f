"""The way of one phone to a line's sign-in page: a process of its own that takes what the field namespace's rules turn
its way, and sends it on by sockets made beforehand, each bound to that one line. It can make no others that lead
anywhere. It lives as long as we hold the other end of its standard input, and ten minutes at most."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from appliance.core.access_point import WIZARD_ADDRESS
from appliance.core.firewall import SIGN_IN_DNS_PORT, SIGN_IN_PORT
from appliance.core.machine import Hole
from appliance.core.marks import SIGN_IN_MARK
from appliance.core.portal import LASTS
from appliance.host.namespaces import inside

CONNECTIONS = 400  # in all; a phone that finds the internet has its mail to fetch, too
QUESTIONS = 8  # name questions on their way at once
INSIDE = str(Path(__file__).with_name("sign_in_inside.py"))


class SignIn:
    def __init__(self, outside: str, field: str, uid: int) -> None:
        self._outside, self._field, self._uid = outside, field, uid
        self._child: subprocess.Popen[bytes] | None = None
        self._hole: Hole | None = None

    @property
    def hole(self) -> Hole | None:
        """The one that is open now."""
        return self._hole if self._child is not None and self._child.poll() is None else None

    def open(self, hole: Hole) -> None:
        """Raises OSError."""
        self.close()
        with contextlib.ExitStack() as ours:
            with inside(self._field):
                listeners = [
                    ours.enter_context(_listening(socket.SOCK_STREAM, SIGN_IN_PORT)),
                    ours.enter_context(_listening(socket.SOCK_DGRAM, SIGN_IN_DNS_PORT)),
                ]
            with inside(self._outside):
                streams = [
                    ours.enter_context(_bound(socket.SOCK_STREAM, hole.link)) for _ in range(CONNECTIONS)
                ]
                questions = [
                    ours.enter_context(_bound(socket.SOCK_DGRAM, hole.link)) for _ in range(QUESTIONS)
                ]
                groups = [
                    ",".join(str(x.fileno()) for x in group) for group in (listeners, streams, questions)
                ]
                self._child = subprocess.Popen(
                    (sys.executable, "-IS", INSIDE, str(LASTS), *groups, *hole.dns),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    pass_fds=[x.fileno() for x in (*listeners, *streams, *questions)],
                    user=self._uid,
                    group=self._uid,
                    extra_groups=[],
                    start_new_session=True,
                )
        self._hole = hole

    def close(self) -> None:
        child, self._child, self._hole = self._child, None, None
        if child is not None:
            child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()


def _listening(kind: int, port: int) -> socket.socket:
    channel = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    channel.bind((WIZARD_ADDRESS, port))
    if kind == socket.SOCK_STREAM:
        channel.listen(64)
    return channel


def _bound(kind: int, link: str) -> socket.socket:
    channel = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, SIGN_IN_MARK)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode() + b"\0")
    return channel
