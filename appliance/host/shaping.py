"""Queue disciplines, by `tc -batch -`: CAKE where this kernel has it, else HTB with a class for each laptop.

What leaves for HQ is held on the tunnel itself, inside the field namespace, where the laptops' own packets can still be
told apart. What comes from HQ is led through a device of its own (`IN`) first: there is no queue on a way in. A
discipline's handle is its layout (core/machine.py), so that everything can be read back from the kernel.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.core.machine import Shaper, ShaperState
from appliance.host.namespaces import inside
from appliance.host.netlink import Netlink
from appliance.host.run import Failed, run

IN = "down0"  # in the field namespace, which is all ours
SMALL = 128  # octets: keys, acknowledgements, echoes, questions for names; they go first
# Classes: echoes, small packets, the box's own; and from where on the laptops' are, pictures and what else
ECHO, FIRST, OWN, SCREEN, OTHER = 2, 3, 4, 0x100, 0x400
ECHO_RATE, FIRST_RATE, OWN_RATE, EACH = 40_000, 48_000, 16_000, 8_000  # bit/s of their own; the rest is lent
UNBOUND = "10gbit"  # their parent's rate is the bound
# A queue of 64 kB that takes what the kernel glued together apart again: at 1 Mbit/s each packet more in front of a key
# costs it 11 ms. It is a token bucket only because no other queue of this kernel can do that.
CUT = "tbf rate 10gbit burst 1600 limit 65536"
# linux/rtnetlink.h, linux/pkt_sched.h; the kernel answers such a question only to who asks for an echo
_GET_QDISC, _GET_CLASS, _ERROR, _FLAGS = 38, 42, 2, 0x1 | 0x4 | 0x8
_ROOT, _INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
_TCA_KIND, _TCA_OPTIONS, _HTB_PARMS, _CAKE_BASE_RATE64 = 1, 2, 1, 2
_SRC, _DST, _SPORT, _DPORT = 12, 16, 20, 22  # offsets in an IPv4 packet without options


@dataclass(frozen=True, slots=True)
class Held:
    """A link's root discipline, as the kernel tells it; `rate` in bit/s."""

    kind: str
    layout: int
    rate: int


class Shaping:
    """Remembers nothing but whether this kernel has CAKE."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._cake: bool | None = None

    def read(self, namespace: str, tunnel: str) -> frozenset[ShaperState]:
        """What is in force on the tunnel; what is there in part counts as 0."""
        found = set()
        with Questions(namespace, (tunnel, IN)) as ask:
            up, (down, led) = ask.held(tunnel), ask.way_in(tunnel)
        if up is not None:
            found.add(
                ShaperState(namespace=namespace, link=tunnel, down=False, rate=up.rate, layout=up.layout)
            )
        if led or down is not None:
            whole = down if led and down is not None else Held("", 0, 0)
            found.add(
                ShaperState(namespace=namespace, link=tunnel, down=True, rate=whole.rate, layout=whole.layout)
            )
        return frozenset(found)

    def set(self, x: Shaper) -> None:
        """Make it so; of a layout that is there already only the rate is changed. Raises Failed."""
        link = IN if x.down else x.link
        with Questions(x.namespace, (x.link, IN)) as ask:
            now, led = ask.way_in(x.link) if x.down else (ask.held(link), True)
        if now is not None and now.layout == x.layout and led:
            _batch(x.namespace, [_rate(x, link, now.kind)])
            return
        if x.down:
            self.remove(x.namespace, x.link, down=True)
            self._netlink.add_intermediate(x.namespace, IN)
        if self._cake is None:
            self._cake = _has_cake(x, link)
        _batch(x.namespace, _cake(x, link) if self._cake else list(_htb(x, link)))
        if x.down:
            _batch(x.namespace, [f"qdisc add dev {x.link} ingress", _lead(x.link)])

    def remove(self, namespace: str, tunnel: str, *, down: bool) -> None:
        """Nothing is held any more. That something is gone already is fine."""
        with contextlib.suppress(Failed):
            _batch(namespace, [f"qdisc delete dev {tunnel} {'ingress' if down else 'root'}"])
        if down:
            self._netlink.remove_link(namespace, IN)


# ------------------------------------------------------------------------------------------- reading


class Questions:
    """One question for each discipline or class: a list of them, with a class for each laptop, would take longer than
    a whole turn of the daemon."""

    def __init__(self, namespace: str, links: Sequence[str]) -> None:
        with inside(namespace):
            self._channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            known = {name: number for number, name in socket.if_nameindex()}
        self._index = {x: known[x] for x in links if x in known}
        self._channel.settimeout(2)

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def held(self, link: str) -> Held | None:
        """The link's root discipline if it is one that shapes."""
        answer = self._ask(_GET_QDISC, link, parent=_ROOT)
        if answer is None:
            return None
        handle, told = answer
        kind = told.get(_TCA_KIND, b"").rstrip(b"\0").decode()
        if kind == "cake":
            (octets,) = struct.unpack("=Q", _attributes(told.get(_TCA_OPTIONS, b""))[_CAKE_BASE_RATE64])
            return Held(kind, handle >> 16, octets * 8)
        if kind != "htb":
            return None
        first = self._ask(_GET_CLASS, link, handle=handle | 1)
        settings = _attributes(first[1].get(_TCA_OPTIONS, b"")).get(_HTB_PARMS, b"") if first else b""
        octets = struct.unpack_from("=I", settings, 8)[0] if len(settings) >= 12 else 0  # tc_ratespec's last
        return Held(kind, handle >> 16, octets * 8)

    def way_in(self, tunnel: str) -> tuple[Held | None, bool]:
        """The discipline of the device on the way in, and whether packets are led through it."""
        return self.held(IN), self._ask(_GET_QDISC, tunnel, parent=_INGRESS) is not None

    def _ask(
        self, question: int, link: str, handle: int = 0, parent: int = 0
    ) -> tuple[int, dict[int, bytes]] | None:
        """A discipline or a class: its handle and attributes; None where there is none."""
        index = self._index.get(link)
        if index is None:
            return None
        # nlmsghdr (length, type, flags, sequence, port) + tcmsg (family, index, handle, parent, info)
        self._channel.send(
            struct.pack("=IHHIIBxxxiIII", 36, question, _FLAGS, 1, 0, 0, index, handle, parent, 0)
        )
        found = None
        while True:
            answer = self._channel.recv(16384)
            while len(answer) >= 20:
                length, kind = struct.unpack_from("=IH", answer)
                if kind == _ERROR:  # or the acknowledgement, which is error 0
                    return found
                found = struct.unpack_from("=I", answer, 24)[0], _attributes(answer[36:length])
                answer = answer[(length + 3) & ~3 :]


def _attributes(octets: bytes) -> dict[int, bytes]:
    """Netlink attributes: length, type, content, each padded to four octets."""
    found = {}
    while len(octets) >= 4:
        length, kind = struct.unpack_from("=HH", octets)
        if length < 4:
            break
        found[kind & 0x3FFF] = octets[4:length]
        octets = octets[(length + 3) & ~3 :]
    return found


# ------------------------------------------------------------------------------------------- writing


def _batch(namespace: str, lines: list[str]) -> None:
    run(["tc", "-batch", "-"], namespace=namespace, text="\n".join(lines) + "\n")


def _rate(x: Shaper, link: str, kind: str) -> str:
    if kind == "cake":
        return f"qdisc change dev {link} root handle {x.layout:x}: cake bandwidth {x.rate}bit"
    return _root(x, link, "change")


def _lead(tunnel: str) -> str:
    everything = "protocol all prio 1 u32 match u32 0 0"
    return f"filter add dev {tunnel} parent ffff: {everything} action mirred egress redirect dev {IN}"


# ------------------------------------------------------------------------------------------------ CAKE


def _has_cake(x: Shaper, link: str) -> bool:
    """Asked by trying: a module may be loaded just now."""
    try:
        _batch(x.namespace, _cake(x, link))
    except Failed:
        return False
    return True


def _cake(x: Shaper, link: str) -> list[str]:
    """A queue for each flow, the laptops served in turn, short flows first (tc-cake(8))."""
    fair = "dual-dsthost ingress" if x.down else "dual-srchost"
    options = f"bandwidth {x.rate}bit besteffort {fair} overhead {x.overhead} mpu 96"
    return [f"qdisc replace dev {link} root handle {x.layout:x}: cake {options}"]


# ------------------------------------------------------------------------------------------------- HTB


def _root(x: Shaper, link: str, verb: str) -> str:
    burst = max(1600, x.rate // 8 * 2 // 1000)  # octets: one packet, or two milliseconds
    rate = f"rate {x.rate}bit ceil {x.rate}bit burst {burst} cburst {burst}"
    return f"class {verb} dev {link} parent {x.layout:x}: classid {x.layout:x}:1 htb {rate} overhead {x.overhead}"


def _leaf(x: Shaper, link: str, minor: int, rate: int, prio: int) -> Iterator[str]:
    share = f"rate {rate}bit ceil {UNBOUND} burst 1600 cburst 16000 quantum 1514 overhead {x.overhead} prio {prio}"
    yield f"class add dev {link} parent {x.layout:x}:1 classid {x.layout:x}:{minor:x} htb {share}"
    yield f"qdisc add dev {link} parent {x.layout:x}:{minor:x} {CUT}"


def _htb(x: Shaper, link: str) -> Iterator[str]:
    """Echoes, small packets, then each laptop's pictures, then what else it asks for; laptops take turns."""
    yield f"qdisc replace dev {link} root handle {x.layout:x}: htb default {OWN:x}"
    yield _root(x, link, "add")
    yield from _leaf(x, link, ECHO, ECHO_RATE, 0)
    yield from _leaf(x, link, FIRST, FIRST_RATE, 1)
    yield from _leaf(x, link, OWN, OWN_RATE, 4)
    to = f"filter add dev {link} parent {x.layout:x}: protocol ip prio 1"
    # What measures the line must not wait here: its own delay would pass for the line's.
    small = f"match u16 0 {0x10000 - SMALL:#06x} at 2"
    yield f"{to} u32 match u8 1 0xff at 9 {small} flowid {x.layout:x}:{ECHO:x}"
    yield f"{to} u32 {small} flowid {x.layout:x}:{FIRST:x}"
    if not x.lan:
        return
    network = ipaddress.IPv4Network(x.lan)
    whose, port = (_DST, _SPORT) if x.down else (_SRC, _DPORT)
    for table, first, prio in ((1, SCREEN, 2), (2, OTHER, 3)):
        yield f"{to} handle {table}: u32 divisor {network.num_addresses}"
        for number in range(network.num_addresses):
            yield from _leaf(x, link, first + number, EACH, prio)
            match = f"match u32 {int(network[number]):#010x} 0xffffffff at {whose}"
            yield f"{to} u32 ht {table}:{number:x}: {match} flowid {x.layout:x}:{first + number:x}"
    mine = f"match u32 {int(network.network_address):#010x} {int(network.netmask):#010x} at {whose}"
    seek = f"hashkey mask {int(network.hostmask):#010x} at {whose}"
    for number in x.screens:
        yield f"{to} u32 ht 800:: {mine} match u16 {number} 0xffff at {port} {seek} link 1:"
    yield f"{to} u32 ht 800:: {mine} {seek} link 2:"
