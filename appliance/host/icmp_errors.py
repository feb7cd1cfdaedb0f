"""ICMP errors as the kernel keeps them for a socket (ip(7), IP_RECVERR): only they tell a filter's refusal from a
far host's."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

IP_RECVERR = 11  # linux/in.h
_ORIGIN_ICMP = 2  # SO_EE_ORIGIN_ICMP, linux/errqueue.h
_UNREACHABLE = 3  # ICMP type
# Codes of a packet filter (RFC 1812, 5.2.7.1): network and host prohibited, communication prohibited. And "port
# unreachable": to a TCP connection no host answers with it (it resets), but nft's `reject` does.
_FILTER_CODES = frozenset({9, 10, 13, 3})
_IP_RECVTTL = 12  # linux/in.h
_BORN_WITH = frozenset({64, 128, 255})  # what systems give to a packet of their own (RFC 1700; Windows; BSD)


def keep(channel: socket.socket) -> None:
    """Before connecting: ask the kernel to keep the errors."""
    channel.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    channel.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)


def must_be_connected(channel: socket.socket) -> None:
    """After connecting by TCP, where errors are kept: the kernel queues an ICMP error, which wakes who waits, a moment before
    it notes that the connection failed (tcp_v4_err()). Seen on two processors: of 770,000 refused connections 50 looked
    like open ones. Raises OSError."""
    channel.getpeername()


def unreachable_by(channel: socket.socket) -> str:
    """Who said that this socket's destination cannot be reached, for whatever reason (RFC 792, type 3): the address
    of that router, or "" where nobody did."""
    return _unreachable(channel).by


def is_said_next_door(channel: socket.socket) -> bool:
    """Whether that was the very next router. Its address does not tell (it may speak by its far side's), but an
    error that no router has carried on still has the time to live it was born with."""
    said = _unreachable(channel)
    return bool(said.by) and said.ttl in _BORN_WITH


def is_filtered(channel: socket.socket) -> bool:
    """Whether a packet filter forbade this TCP connection."""
    said = _unreachable(channel)
    return bool(said.by) and said.code in _FILTER_CODES


class _Said(NamedTuple):
    by: str = ""  # the router that spoke
    ttl: int = 0
    code: int = 0


def _unreachable(channel: socket.socket) -> _Said:
    channel.setblocking(False)  # the last call on it: with a timeout Python would wait for more
    try:
        _, ancillary, _, _ = channel.recvmsg(64, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return _Said()
    by, ttl, code = "", 0, 0
    for level, kind, content in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, socket.IP_TTL):
            (ttl,) = struct.unpack_from("=i", content)
        if (level, kind) != (socket.IPPROTO_IP, IP_RECVERR) or len(content) < 24:
            continue
        _, origin, icmp_type, found = struct.unpack_from("=IBBB", content)
        if (origin, icmp_type) == (_ORIGIN_ICMP, _UNREACHABLE):
            code = found
            by = socket.inet_ntoa(content[20:24])  # sockaddr_in of the offender, behind sock_extended_err
    return _Said(by, ttl, code)
