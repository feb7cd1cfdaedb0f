"""Ways in which a mobile router's line fails, each with its end. Every cut is done at the router or behind it: the box
sees only what it would see outdoors."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from scripts.exercise import topology
from scripts.exercise.namespaces import entered
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

Act = Callable[[Place, str], None]
WAN = {"a": ("198.51.100.2/25", "198.51.100.3/25"), "b": ("198.51.100.130/25", "198.51.100.131/25")}
GATEWAY = {"a": "198.51.100.1", "b": "198.51.100.129"}
_NETLINK_NETFILTER, _REQUEST, _ACK = 12, 1, 4  # linux/netlink.h
_FORGET = (1 << 8) | 2  # IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK; without attributes: all of them
NARROW = "40kbit"  # less than the session needs: a queue grows, and nothing is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    name: str
    begin: Act
    end: Act


def _nft(place: Place, router: str, text: str) -> None:
    run(*within(place.namespace(f"router-{router}"), ("nft", "-f", "-")), text=text)


def _drop(rule: str) -> Act:
    def begin(place: Place, router: str) -> None:
        chain = f"  chain passing {{\n    type filter hook forward priority raw;\n    {rule} drop\n  }}\n"
        _nft(place, router, f"table ip cut\ndelete table ip cut\ntable ip cut {{\n{chain}}}\n")

    return begin


def _mend(place: Place, router: str) -> None:
    _nft(place, router, "table ip cut\ndelete table ip cut\n")


def _off(place: Place, router: str) -> None:
    machine = place.namespace(f"router-{router}")
    run("ip", "-n", machine, "link", "set", "lan0", "down")
    run("ip", "-n", machine, "link", "set", "wan0", "down")


def _on(place: Place, router: str) -> None:
    machine = place.namespace(f"router-{router}")
    run("ip", "-n", machine, "link", "set", "wan0", "up")
    run("ip", "-n", machine, "route", "replace", "default", "via", GATEWAY[router])
    forget_connections(place, router)
    run("ip", "-n", machine, "link", "set", "lan0", "up")


def forget_connections(place: Place, router: str) -> None:
    """The carrier's address translation forgets its table: what it knew of a connection is gone."""
    with entered(place.namespace(f"router-{router}")):
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with channel:
        channel.settimeout(2)
        # nlmsghdr (length, type, flags, sequence, port) + nfgenmsg (family, version, resource id)
        channel.send(struct.pack("=IHHIIBBH", 20, _FORGET, _REQUEST | _ACK, 1, 0, 0, 0, 0))
        (error,) = struct.unpack_from("=i", channel.recv(4096), 16)
    if error:
        raise OSError(-error, "the connections were not forgotten")


def rebind(place: Place, router: str) -> None:
    """The translation begins anew: every connection gets another outside port."""
    chain = "  chain leaving {\n    type nat hook postrouting priority srcnat - 1;\n"
    rule = '    oifname "wan0" meta l4proto udp masquerade to :40000-49000 random\n  }\n'
    _nft(place, router, f"table ip cut\ndelete table ip cut\ntable ip cut {{\n{chain}{rule}}}\n")
    forget_connections(place, router)


def _renumber(index: int) -> Act:
    def act(place: Place, router: str) -> None:
        machine, address = place.namespace(f"router-{router}"), WAN[router][index]
        run("ip", "-n", machine, "address", "flush", "dev", "wan0")
        run("ip", "-n", machine, "address", "add", address, "dev", "wan0")
        run("ip", "-n", machine, "route", "replace", "default", "via", GATEWAY[router])

    return act


def _narrow(place: Place, router: str) -> None:
    for link in ("wan0", "lan0"):
        shape = ("tbf", "rate", NARROW, "burst", "3000", "limit", "1000000")
        run(
            *within(
                place.namespace(f"router-{router}"), ("tc", "qdisc", "replace", "dev", link, "root", *shape)
            )
        )


def _widen(place: Place, router: str) -> None:
    for link in ("wan0", "lan0"):
        run(
            *within(place.namespace(f"router-{router}"), ("tc", "qdisc", "delete", "dev", link, "root")),
            check=False,
        )


CUTS = {
    x.name: x
    for x in (
        Cut(name="cable out", begin=topology.unplug, end=topology.plug),
        Cut(name="router off", begin=_off, end=_on),
        Cut(name="blackhole, lamp on", begin=topology.blackhole, end=topology.heal),
        Cut(name="provider dead", begin=topology.cut_internet, end=topology.restore_internet),
        Cut(name="30 % loss both ways", begin=_drop("numgen random mod 100 < 30"), end=_mend),
        Cut(name="up only lost", begin=_drop('iifname "lan0"'), end=_mend),
        Cut(name="down only lost", begin=_drop('iifname "wan0"'), end=_mend),
        Cut(name="outside address changes", begin=_renumber(1), end=_renumber(0)),
        Cut(name="NAT rebinding", begin=rebind, end=_mend),
        Cut(name="bloated, not dead", begin=_narrow, end=_widen),
    )
}
