"""Wi-Fi as a client: the name of the network that a link is in, as the kernel tells it."""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import struct

_SIOCGIWESSID = 0x8B1B  # linux/wireless.h; cfg80211 answers it, too
_LONGEST = 32  # octets of an SSID (IEEE 802.11)


def ssid(link: str) -> str:
    """ "" where the link is in no network, or is no radio. What stands in it is whatever somebody nearby sends."""
    buffer = array.array("B", bytes(_LONGEST))
    address, length = buffer.buffer_info()
    request = bytearray(struct.pack("16sPHH", link.encode()[:15], address, length, 0))
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        fcntl.ioctl(channel, _SIOCGIWESSID, request)
        _, _, length, flags = struct.unpack("16sPHH", request)
        if flags:
            return readable(buffer.tobytes()[: min(length, _LONGEST)])
    return ""


def readable(raw: bytes) -> str:
    """As text without anything that is not printable; octets that are no UTF-8 become question marks."""
    return "".join(x if x.isprintable() else "?" for x in raw.decode(errors="replace").replace("\ufffd", "?"))
