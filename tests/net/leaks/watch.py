"""Taps on the far side of the uplinks, read all the time, and the one claim: nothing but WireGuard to HQ's address and
port, DHCP, neighbour discovery and HQ's own check of a silent line leaves."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.core.portal import CHECK_PATH, CHECK_PORT
from scripts.exercise import desk, machines
from tests.net.air import Seen, Tap
from tests.net.world import DRILL_DESK, HUB_OUTSIDE

DESKTOPS = (desk.ADDRESS, DRILL_DESK)
SETTLING = 0.15  # seconds until a frame that left was read
LINES = ("192.168.1.0/24", "192.168.8.0/24")
LINE_SERVERS = ("192.168.1.1", "192.168.8.1", "2001:db8:1::1")
LOOKED_UP = (b"\x02hq\x07example\0", b"\x08ipv4only\x04arpa\0")  # as a question names them (RFC 1035)
SOLICIT, ADVERTISE, ROUTER_SOLICIT, LISTENER = 135, 136, 133, 143  # ICMPv6 types, RFC 4861 and RFC 3810


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A frame that should not have left, and since when it was looked for."""

    at: float
    frame: Seen
    desks: bool = False  # seen inside HQ, not on a line

    def __str__(self) -> str:
        x = self.frame
        port = f":{x.dport}" if x.dport else ""
        return f"{x.kind} {x.source or 'who-has'} → {x.target or asked_for(x)}{port}"

    @property
    def where(self) -> str:
        """What it reached for."""
        if self.desks:
            return "HQ's other hosts"
        if self.frame.kind == "icmp6" or ":" in self.frame.target:
            return "IPv6"
        target = ipaddress.ip_address(self.frame.target or asked_for(self.frame))
        nearby = target.is_multicast or str(target) == "255.255.255.255"
        on_line = any(target in ipaddress.ip_network(x) for x in LINES)
        return "the line's own network" if nearby or on_line else "the internet"


def is_wireguard(payload: bytes) -> bool:
    """One of its four messages, by type, reserved zeros and length (whitepaper, 5.4)."""
    sizes = {1: 148, 2: 92, 3: 64}
    if len(payload) < 32 or payload[1:4] != b"\0\0\0":
        return False
    if payload[0] == 4:  # padded to 16 bytes, but never beyond the tunnel's MTU
        return len(payload) % 16 == 0 or len(payload) > 1200
    return len(payload) == sizes.get(payload[0], 0)


def is_check(frame: Seen) -> bool:
    """HQ's own check of a line that is silent: one question to HQ's address, and nothing else in that connection."""
    if (frame.target, frame.dport) != (HUB_OUTSIDE, CHECK_PORT):
        return False
    start = 14 + (frame.raw[14] & 15) * 4
    length = int.from_bytes(frame.raw[16:18], "big") - (start - 14) - (frame.raw[start + 12] >> 4) * 4
    payload = frame.raw[start + (frame.raw[start + 12] >> 4) * 4 :][:length]
    return not payload or payload.startswith(f"GET {CHECK_PATH}?".encode())


def is_lookup(frame: Seen) -> bool:
    """A question for HQ's name, or for the NAT64's prefix (RFC 7050), to the line's own name server."""
    return frame.target in LINE_SERVERS and any(x in frame.raw for x in LOOKED_UP)


def asked_for(frame: Seen) -> str:
    """Whom an ARP question is after (RFC 826)."""
    return str(ipaddress.IPv4Address(frame.raw[38:42]))


def may_leave(frame: Seen, chatter: bool = False, lines: Sequence[str] = LINES) -> bool:
    """`chatter`: without any rules the kernel also announces its own multicast groups. `lines`: the networks that the
    mobile routers have."""
    if frame.kind == "arp":  # a socket bound to a line that has no route yet asks for HQ itself next door
        wanted = ipaddress.ip_address(asked_for(frame))
        return str(wanted) == HUB_OUTSIDE or any(wanted in ipaddress.ip_network(x) for x in lines)
    if frame.kind == "udp" and frame.dport == 53 and frame.target != HUB_OUTSIDE:
        return is_lookup(frame)
    if frame.kind == "udp":
        if (frame.sport, frame.dport) == (68, 67):
            return True
        return _at_a_door(frame) and is_wireguard(_payload(frame))
    if frame.kind == "tcp":  # the relay's TLS
        return _at_a_door(frame) or is_check(frame)
    if frame.kind != "icmp6":
        return False
    kind = frame.raw[14 + 40] if frame.raw[20] == 58 else frame.raw[14 + 48]  # behind a hop-by-hop header
    return kind in (SOLICIT, ADVERTISE, ROUTER_SOLICIT) or (chatter and kind == LISTENER)


def _at_a_door(frame: Seen) -> bool:
    return frame.target == HUB_OUTSIDE and (frame.kind, frame.dport) in machines.DOORS


def may_reach_desks(frame: Seen) -> bool:
    """Between HQ's hub and the desks: the desktops themselves and their answers, and who-has."""
    tcp = frame.kind == "tcp" and (
        (frame.target in DESKTOPS and frame.dport == desk.PORT)
        or (frame.source in DESKTOPS and frame.sport == desk.PORT)
    )
    return tcp or frame.kind in ("arp", "icmp6") or frame.kind.startswith("other")


def _payload(frame: Seen) -> bytes:
    start = 14 + (frame.raw[14] & 15) * 4 + 8
    length = int.from_bytes(frame.raw[start - 4 : start - 2], "big")
    return frame.raw[start : start - 8 + length]


class Watch:
    """Reads the taps until it is closed."""

    def __init__(self, lines: Sequence[tuple[str, str]], desks: Sequence[tuple[str, str]] = ()) -> None:
        """(namespace, link) of the mobile routers' sides of the uplinks, and of HQ's side towards the desks."""
        self._lines = [Tap(namespace, link) for namespace, link in lines]
        self._desks = [Tap(namespace, link) for namespace, link in desks]
        self._lock, self._over = threading.Lock(), threading.Event()
        self._leaks: list[Leak] = []
        self.chatter = False
        self.good = 0  # frames that may leave: a tap that hears nothing at all is no tap
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            self.look()

    def look(self) -> None:
        with self._lock:
            left = [x for tap in self._lines for x in tap.frames() if not x.outgoing]
            bad = [x for x in left if not may_leave(x, self.chatter)]
            self.good += len(left) - len(bad)
            self._leaks += [Leak(at=time.time(), frame=x) for x in bad]
            bad = [x for tap in self._desks for x in tap.frames() if not may_reach_desks(x)]
            self._leaks += [Leak(at=time.time(), frame=x, desks=True) for x in bad]

    def leaks(self) -> list[Leak]:
        """What left since the last time this was asked."""
        time.sleep(SETTLING)
        self.look()
        with self._lock:
            found, self._leaks = self._leaks, []
        return found

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for tap in (*self._lines, *self._desks):
            tap.close()
