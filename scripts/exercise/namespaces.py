"""Being in another network namespace for a moment: this thread goes in, acts, and comes back."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000  # sched.h; os.setns exists from Python 3.12 on
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(handle: int) -> None:
    if _libc.setns(handle, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Only the calling thread moves, and only its network: sockets made inside stay inside for ever."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def socket_in(namespace: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    with entered(namespace):
        return socket.socket(socket.AF_INET, kind)


def set_sysctl(namespace: str, key: str, value: str) -> None:
    """`key` with slashes below /proc/sys, for example net/ipv4/ip_forward."""
    with entered(namespace):
        Path("/proc/sys", key).write_text(value)
