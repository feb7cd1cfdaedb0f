"""What is fired in every row: TCP, UDP, ICMP and name questions, IPv4 and IPv6, to the internet and to the uplink's
own network, from a laptop behind the box and from people on the box itself."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.exercise import desk
from scripts.exercise.namespaces import entered
from tests.net.world import CORPORATE, HUB, HUB_OUTSIDE, INTERNET, ROUTER, SILENT_HOST

INSIDE = Path(__file__).with_name("volley_inside.py")
CONTENT = "noroshi leak probe"  # longer than nothing, and no WireGuard
NOBODY = 65534
SIOCGIFHWADDR = 0x8927  # netdevice(7)
INTERNET_V6, ROUTER_V6, ROUTER_LOCAL = "2001:db8::80", "2001:db8:1::1", "fe80::1"

Shot = tuple[str, str, int, str]  # kind, host, port, "" or the link it is bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Who fires from where: a namespace by its name, or by its path."""

    namespace: str
    uid: int
    shots: tuple[Shot, ...]


def shots(link: str = "", local: str = "", behind: bool = False) -> tuple[Shot, ...]:
    """Everything. `link`: sockets are bound to it, which any process may do. `local`: the link by which IPv6's
    link-local addresses are meant. `behind`: also what lies behind the tunnel and is nobody's desktop."""
    four: list[tuple[str, str, int]] = [
        ("tcp", INTERNET, 80),
        ("tcp", INTERNET, 443),
        ("udp", INTERNET, 443),
        ("udp", INTERNET, 53),
        ("ping", INTERNET, 0),
        ("tcp", ROUTER, 80),
        ("udp", ROUTER, 53),
        ("ping", ROUTER, 0),
        ("tcp", HUB_OUTSIDE, 22),
        ("udp", HUB_OUTSIDE, 51820),
        ("ping", HUB_OUTSIDE, 0),
        ("udp", "255.255.255.255", 137),
        ("udp", "192.168.1.255", 137),
        ("udp", "224.0.0.251", 5353),
    ]
    six: list[tuple[str, str, int]] = [
        ("tcp", INTERNET_V6, 80),
        ("udp", INTERNET_V6, 53),
        ("ping", INTERNET_V6, 0),
        ("tcp", ROUTER_V6, 80),
        ("ping", ROUTER_V6, 0),
    ]
    if local:
        scoped = f"%{local}"
        six += [
            ("tcp", ROUTER_LOCAL + scoped, 80),
            ("udp", ROUTER_LOCAL + scoped, 53),
            ("ping", ROUTER_LOCAL + scoped, 0),
            ("udp", "ff02::fb" + scoped, 5353),
        ]
    inside = [
        ("tcp", HUB, 22),
        ("ping", HUB, 0),
        ("tcp", CORPORATE, 8080),
        ("tcp", desk.ADDRESS, 22),
        ("tcp", desk.ADDRESS, 445),
        ("udp", desk.ADDRESS, 53),
        ("ping", desk.ADDRESS, 0),
        ("tcp", SILENT_HOST, 3389),
    ]
    return tuple((*x, link) for x in [*four, *six, *(inside if behind else [])])


def fire(stations: Sequence[Station]) -> None:
    """All stations at once; returns when the last probe was sent."""
    subprocess.run(
        (sys.executable, "-I", "-S", str(INSIDE)),
        input=orders(stations),
        text=True,
        check=False,
        timeout=20,
    )


def orders(stations: Sequence[Station]) -> str:
    """For `volley_inside.py`, on this machine or on another."""
    found = [
        {
            "namespace": str(Path("/run/netns", x.namespace)),
            "uid": x.uid,
            "shots": x.shots,
            "content": CONTENT,
        }
        for x in stations
    ]
    return json.dumps(found)


def from_laptop(namespace: str) -> Station:
    """Root on his own laptop."""
    return Station(namespace=namespace, uid=0, shots=shots(local="eth0", behind=True))


def from_box(
    namespace: str, uids: Sequence[int], links: Sequence[str], behind: bool = False
) -> tuple[Station, ...]:
    """Processes on the box: as anybody, and bound to each of these links."""
    local = links[0] if links else ""
    return tuple(
        Station(
            namespace=namespace,
            uid=uid,
            shots=tuple(y for link in ("", *links) for y in shots(link, link or local, behind)),
        )
        for uid in uids
    )


def mac_of(namespace: str, link: str) -> str:
    """A link's hardware address, "" where there is none."""
    try:
        with entered(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            answer = fcntl.ioctl(asking, SIOCGIFHWADDR, struct.pack("256s", link.encode()))
    except OSError:
        return ""
    return answer[18:24].hex(":")
