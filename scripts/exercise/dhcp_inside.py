"""In a laptop's or a phone's namespace: udhcpc, with the one habit it lacks. A cable that comes back asks again.

Arguments: the link, and the name to give to the server. SIGUSR1 does what a cable put in again does, SIGUSR2
gives the address back and asks for none. Uses the standard library only.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("udhcpc-script")
LINK_GROUP = 1  # RTMGRP_LINK, rtnetlink(7)
NEW_LINK = 16  # RTM_NEWLINK
LOWER_UP = 0x10000  # IFF_LOWER_UP, netdevice(7)
MESSAGE = struct.Struct("=IHHII")  # nlmsghdr
LINK = struct.Struct("=BxHiII")  # ifinfomsg


def link_states(packet: bytes, index: int) -> list[bool]:
    """For each message about our link: whether there is somebody at the cable's other end."""
    found = []
    while len(packet) >= MESSAGE.size:
        length, kind, *_ = MESSAGE.unpack_from(packet)
        if kind == NEW_LINK and MESSAGE.size + LINK.size <= min(length, len(packet)):
            _, _, which, flags, _ = LINK.unpack_from(packet, MESSAGE.size)
            if which == index:
                found.append(bool(flags & LOWER_UP))
        packet = packet[max((length + 3) & ~3, MESSAGE.size) :]
    return found


def main(link: str, name: str) -> None:
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    events.bind((0, LINK_GROUP))
    argv = (
        "udhcpc",
        "-f",
        "-i",
        link,
        "-s",
        str(SCRIPT),
        "-t",
        "5",
        "-T",
        "1",
        "-A",
        "1",
        "-x",
        f"hostname:{name}",
    )
    client = subprocess.Popen(argv)

    def ask_again(*_: object) -> None:
        client.send_signal(signal.SIGUSR2)  # forget the address
        client.send_signal(signal.SIGUSR1)  # and ask for one

    def leave(*_: object) -> None:
        client.send_signal(signal.SIGUSR2)

    def end(*_: object) -> None:
        client.terminate()
        client.wait()
        os._exit(0)

    signal.signal(signal.SIGUSR1, ask_again)
    signal.signal(signal.SIGUSR2, leave)
    signal.signal(signal.SIGTERM, end)
    connected = True
    while True:
        for now in link_states(events.recv(65536), socket.if_nametoindex(link)):
            if now and not connected:
                ask_again()
            connected = now


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
