"""ICMP errors as the kernel keeps them for a socket (ip(7), IP_RECVERR): only they tell a filter's refusal from a
far host's."""

from __future__ import annotations

import socket
import struct

IP_RECVERR = 11  # linux/in.h
_ORIGIN_ICMP = 2  # SO_EE_ORIGIN_ICMP, linux/errqueue.h
_UNREACHABLE = 3


def keep(channel: socket.socket) -> None:
    """Before connecting: ask the kernel to keep the errors."""
    channel.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def unreachable_by(channel: socket.socket) -> str:
    """Who said that this socket's destination cannot be reached, for whatever reason (RFC 792, type 3): the address
    of that router, or "" where nobody did."""
    channel.setblocking(False)  # the last call on it: with a timeout Python would wait for more
    try:
        _, ancillary, _, _ = channel.recvmsg(64, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return ""
    for level, kind, content in ancillary:
        if (level, kind) != (socket.IPPROTO_IP, IP_RECVERR) or len(content) < 24:
            continue
        _, origin, icmp_type = struct.unpack_from("=IBB", content)
        if (origin, icmp_type) == (_ORIGIN_ICMP, _UNREACHABLE):
            return socket.inet_ntoa(content[20:24])  # sockaddr_in of the offender, behind sock_extended_err
    return ""
