"""Fires probes from inside namespaces, as whoever it is told, and waits for nobody: what leaves is seen by the taps.

Run by `volley.py` as a program of its own, because one person of it must not be root. It gets its orders as JSON on
standard input and needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import struct
import sys
import time
from typing import Any

CLONE_NEWNET = 0x40000000  # sched.h; os.setns exists from Python 3.12 on
HELD = 0.12  # seconds that the sockets stay open: a first packet waits for its neighbour's address


def fire(kind: str, host: str, port: int, link: str, content: bytes) -> socket.socket | None:
    """One probe; None if not even a socket could be had for it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    flavours = {
        "tcp": (socket.SOCK_STREAM, 0),
        "udp": (socket.SOCK_DGRAM, 0),
        "ping": (socket.SOCK_RAW, 58 if ":" in host else 1),
    }
    try:
        channel = socket.socket(family, *flavours[kind])
    except OSError:  # only root may ping here
        return None
    channel.setblocking(False)
    with contextlib.suppress(OSError):
        if link:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        if kind == "tcp":
            channel.connect((host, port))
            return channel
        if ":" not in host:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        channel.sendto(echo(":" in host) if kind == "ping" else content, (host, port if kind == "udp" else 0))
    return channel


def echo(six: bool) -> bytes:
    """An echo request; the kernel adds version 6's checksum itself."""
    header = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0x4E52, 1)
    words = struct.unpack("!4H", header)
    checksum = 0 if six else ~(sum(words) % 0xFFFF) & 0xFFFF
    return header[:2] + struct.pack("!H", checksum) + header[4:]


def stand(station: dict[str, Any]) -> None:
    """Be that person in that namespace, fire everything, and be gone. Never returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(station["namespace"], os.O_RDONLY)
    if libc.setns(handle, CLONE_NEWNET) != 0:
        os._exit(1)
    if station["uid"]:
        os.setgroups([])
        os.setgid(station["uid"])
        os.setuid(station["uid"])
    content = station["content"].encode()
    held = [fire(kind, host, port, link, content) for kind, host, port, link in station["shots"]]
    time.sleep(HELD if held else 0)
    os._exit(0)


def main() -> None:
    stations = json.load(sys.stdin)
    children = []
    for station in stations:
        child = os.fork()
        if not child:
            with contextlib.suppress(OSError):  # a namespace that was taken away meanwhile
                stand(station)
            os._exit(1)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
