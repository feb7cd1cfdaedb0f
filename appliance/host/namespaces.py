"""Network namespaces: the one place that enters them. A namespace is a property of the thread, so `inside` moves
the calling thread and brings it back; sockets and processes born inside stay there."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import netns

RUN = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


def make(name: str) -> None:
    """Create a named namespace; that it exists already is fine."""
    if name in names():  # pyroute2 would leave two sockets open on its way to saying so
        return
    with contextlib.suppress(FileExistsError):
        netns.create(name)


def remove(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        netns.remove(name)


def names() -> frozenset[str]:
    try:
        return frozenset(x.name for x in RUN.iterdir())
    except FileNotFoundError:
        return frozenset()


def identity(name: str) -> int:
    """What tells a namespace from another one that had its name before; 0 where there is none."""
    try:
        return (RUN / name).stat().st_ino if name else Path("/proc/self/ns/net").stat().st_ino
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Run the block in namespace `name`; "" is the one this process was started in."""
    if not name:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(RUN / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "setns")
