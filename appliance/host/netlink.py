"""Links, addresses, routes, rules and bridges, by pyroute2. One netlink socket a namespace, kept open."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Iterable
from typing import Any, cast

from pyroute2 import IPRoute
from pyroute2.ethtool.ethtool import Ethtool
from pyroute2.ethtool.ioctl import EthtoolError
from pyroute2.netlink.exceptions import NetlinkError

from appliance.core.lease import Lease
from appliance.core.machine import Address, Bridge, Link, Route, Rule
from appliance.host import hardware, namespaces
from appliance.host.namespaces import identity, inside

_BLACKHOLE_ROUTE = 6  # RTN_BLACKHOLE, linux/rtnetlink.h
_BLACKHOLE_RULE = 6  # FR_ACT_BLACKHOLE, linux/fib_rules.h
_TO_TABLE = 1  # FR_ACT_TO_TBL
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
# Multicast groups of linux/rtnetlink.h: links; IPv4 addresses, routes, rules; IPv6 addresses, routes; IPv4 settings (forwarding)
_GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << (24 - 1)
_SIX_METRIC = 1024  # the kernel's for IPv6 where none is named: ours are counted from there
_EVERYWHERE = ("default", "::/0")
_NETLINK_NETFILTER, _NFTABLES_GROUP = 12, 1 << (7 - 1)  # NFNLGRP_NFTABLES
MAIN = 254
LOCAL = 255


class Netlink:
    """The kernel's view of each namespace, and changes to it."""

    def __init__(self) -> None:
        self._sockets: dict[str, IPRoute] = {}

    def close(self) -> None:
        for channel in self._sockets.values():
            channel.close()
        self._sockets.clear()

    def forget(self, namespace: str) -> None:
        """The namespace was made anew: the old socket would speak to the old one."""
        channel = self._sockets.pop(namespace, None)
        if channel is not None:
            channel.close()

    def _at(self, namespace: str) -> IPRoute:
        if namespace not in self._sockets:
            with inside(namespace):
                self._sockets[namespace] = IPRoute()
        return self._sockets[namespace]

    # ------------------------------------------------------------------------------------- reading

    def links(self, spaces: Iterable[str]) -> tuple[Link, ...]:
        found = []
        for namespace in spaces:
            messages = list(self._at(namespace).get_links())
            by_index = {x["index"]: x.get_attr("IFLA_IFNAME") for x in messages}
            isolated = self._isolated(namespace, messages)
            for x in messages:
                info = x.get_attr("IFLA_LINKINFO")
                name = x.get_attr("IFLA_IFNAME")
                place = hardware.place(name) if not namespace else hardware.NOWHERE
                found.append(
                    Link(
                        namespace=namespace,
                        name=name,
                        kind=str(info.get_attr("IFLA_INFO_KIND") or "") if info else "",
                        up=bool(x["flags"] & _IFF_UP),
                        carrier=bool(x["flags"] & _IFF_LOWER_UP),
                        master=by_index.get(x.get_attr("IFLA_MASTER") or 0, ""),
                        isolated=name in isolated,
                        wireless=place.wireless,
                        bus=place.bus,
                        plugged=place.plugged,
                        modem=place.modem,
                        drops=int(x.get_attr("IFLA_CARRIER_DOWN_COUNT") or 0) if not namespace else 0,
                    )
                )
        return tuple(found)

    def _isolated(self, namespace: str, messages: Iterable[Any]) -> set[str]:
        found = set()
        for x in messages:
            info = x.get_attr("IFLA_LINKINFO")
            slave = info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None
            if slave is not None and slave.get_attr("IFLA_BRPORT_ISOLATED"):
                found.add(x.get_attr("IFLA_IFNAME"))
        return found

    def routes(self, wanted: Iterable[tuple[str, int]]) -> frozenset[Route]:
        """Routes of the wanted (namespace, table) pairs; what the kernel adds for an address is left out."""
        tables: dict[str, set[int]] = {}
        for namespace, table in wanted:
            tables.setdefault(namespace, set()).add(table)
        found = set()
        for namespace, numbers in tables.items():
            names = self._names(namespace)
            at = self._at(namespace)
            for x in (*at.get_routes(family=socket.AF_INET), *at.get_routes(family=socket.AF_INET6)):
                table = x.get_attr("RTA_TABLE") or x["table"]
                if table not in numbers or x["proto"] == 2:  # RTPROT_KERNEL
                    continue
                destination = x.get_attr("RTA_DST")
                six = x["family"] == socket.AF_INET6
                found.add(
                    Route(
                        namespace=namespace,
                        table=table,
                        destination=f"{destination}/{x['dst_len']}" if destination else _EVERYWHERE[six],
                        link=names.get(x.get_attr("RTA_OIF") or 0, ""),
                        gateway=x.get_attr("RTA_GATEWAY") or "",
                        blackhole=x["type"] == _BLACKHOLE_ROUTE,
                        metric=(x.get_attr("RTA_PRIORITY") or 0) - six * _SIX_METRIC,
                        mtu=_mtu(x),
                    )
                )
        return frozenset(found)

    def rules(self, namespace: str, first: int, last: int) -> frozenset[Rule]:
        found = set()
        at = self._at(namespace)
        for x in (*at.get_rules(family=socket.AF_INET), *at.get_rules(family=socket.AF_INET6)):
            preference = x.get_attr("FRA_PRIORITY") or 0
            if not first <= preference <= last:
                continue
            blackhole = x["action"] == _BLACKHOLE_RULE
            found.add(
                Rule(
                    namespace=namespace,
                    preference=preference,
                    table=0 if blackhole else x.get_attr("FRA_TABLE") or x["table"],
                    mark=x.get_attr("FRA_FWMARK") or 0,
                    incoming=x.get_attr("FRA_IIFNAME") or "",
                    blackhole=blackhole,
                    user=_one_user(x),
                    family=6 if x["family"] == socket.AF_INET6 else 4,
                )
            )
        return frozenset(found)

    def routers(self, namespace: str, leases: Iterable[Lease]) -> tuple[tuple[str, str], ...]:
        """Uplink → its router's hardware address, where the kernel knows it."""
        wanted = {(x.link, x.gateway) for x in leases}
        if not wanted:
            return ()
        names = self._names(namespace)
        found = set()
        at = self._at(namespace)
        for x in (*at.get_neighbours(family=socket.AF_INET), *at.get_neighbours(family=socket.AF_INET6)):
            link, mac = names.get(x["ifindex"], ""), x.get_attr("NDA_LLADDR")
            if mac and (link, x.get_attr("NDA_DST")) in wanted:
                found.add((link, str(mac)))
        return tuple(sorted(found))

    def _names(self, namespace: str) -> dict[int, str]:
        return {x["index"]: x.get_attr("IFLA_IFNAME") for x in self._at(namespace).get_links()}

    def index(self, namespace: str, name: str) -> int:
        """Raises FileNotFoundError where there is no such link."""
        found = list(self._at(namespace).link_lookup(ifname=name))
        if not found:
            raise FileNotFoundError(errno.ENODEV, "no such link", name)
        return cast(int, found[0])

    # ------------------------------------------------------------------------------------ changing

    def make_bridge(self, bridge: Bridge) -> None:
        """The bridge and its lead into the field namespace. What is there already is kept."""
        here = self._at(bridge.namespace)
        with _already_there():
            here.link("add", ifname=bridge.name, kind="bridge")
        index = self.index(bridge.namespace, bridge.name)
        # Nobody else speaks bridge protocols here; a router on a LAN port must not become part of one.
        here.link("set", index=index, kind="bridge", br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0)
        try:
            self.index(bridge.peer_namespace, bridge.peer)
            self.index(bridge.namespace, bridge.veth)
        except FileNotFoundError:
            self._make_lead(bridge)
        here.link("set", index=self.index(bridge.namespace, bridge.veth), master=index)

    def _make_lead(self, bridge: Bridge) -> None:
        for namespace, name in ((bridge.namespace, bridge.veth), (bridge.peer_namespace, bridge.peer)):
            with contextlib.suppress(FileNotFoundError):
                self._at(namespace).link("del", index=self.index(namespace, name))
        self.make_pair(bridge.namespace, bridge.veth, bridge.peer_namespace, bridge.peer)
        with inside(bridge.namespace), contextlib.suppress(EthtoolError, OSError):
            _receive_in_batches(bridge.veth)

    def make_pair(self, namespace: str, name: str, peer_namespace: str, peer: str) -> None:
        """Two virtual sockets joined by a cable, each in its namespace."""
        temporary = f"{peer}-new"
        self._at(namespace).link("add", ifname=name, kind="veth", peer={"ifname": temporary})
        self.move(namespace, temporary, peer_namespace, rename=peer)

    def add_port(self, bridge: Bridge, port: str) -> None:
        """A LAN socket becomes a port of its own: it reaches the lead into the field, and no other port."""
        here = self._at(bridge.namespace)
        index = self.index(bridge.namespace, port)
        here.link("set", index=index, master=self.index(bridge.namespace, bridge.name))
        here.brport("set", index=index, isolated=1)

    def remove_port(self, bridge: Bridge, port: str) -> None:
        self._at(bridge.namespace).link("set", index=self.index(bridge.namespace, port), master=0)

    def move(self, namespace: str, name: str, to: str, rename: str = "") -> None:
        """Put a link into another namespace."""
        options: dict[str, Any] = {"ifname": rename} if rename else {}
        with (namespaces.RUN / to).open() as target:
            self._at(namespace).link(
                "set", index=self.index(namespace, name), net_ns_fd=target.fileno(), **options
            )

    def add_wireguard(self, namespace: str, name: str) -> bool:
        """Make a kernel WireGuard device; False where this kernel has none."""
        try:
            self._at(namespace).link("add", ifname=name, kind="wireguard")
        except NetlinkError as error:
            if error.code in (errno.EOPNOTSUPP, errno.ENOENT):
                return False
            raise
        return True

    def add_intermediate(self, namespace: str, name: str) -> None:
        """A device that packets are led through on their way in (ifb)."""
        with _already_there():
            self._at(namespace).link("add", ifname=name, kind="ifb")
        self.set_up(namespace, name)

    def remove_link(self, namespace: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._at(namespace).link("del", index=self.index(namespace, name))

    def set_up(self, namespace: str, name: str, mtu: int = 0) -> None:
        options = {"mtu": mtu} if mtu else {}
        self._at(namespace).link("set", index=self.index(namespace, name), state="up", **options)

    def set_mac(self, namespace: str, name: str, mac: str) -> None:
        self._at(namespace).link("set", index=self.index(namespace, name), address=mac)

    def add_address(self, address: Address) -> None:
        self._address("add", address)

    def remove_address(self, address: Address) -> None:
        with contextlib.suppress(FileNotFoundError), _already_gone():
            self._address("del", address)

    def _address(self, command: str, x: Address) -> None:
        host, _, length = x.address.partition("/")
        index = self.index(x.namespace, x.link)
        with _already_there():
            self._at(x.namespace).addr(command, index=index, address=host, prefixlen=int(length))

    def add_route(self, route: Route) -> None:
        """Replaces the route to the same destination in the same table, in one go."""
        self._at(route.namespace).route("replace", **self._route(route))

    def remove_route(self, route: Route) -> None:
        with contextlib.suppress(FileNotFoundError), _already_gone():
            self._at(route.namespace).route("del", **self._route(route))

    def _route(self, route: Route) -> dict[str, Any]:
        options: dict[str, Any] = {"dst": route.destination, "table": route.table}
        six = ":" in route.destination
        if six:
            options["family"] = socket.AF_INET6
        if route.metric or six:
            options["priority"] = route.metric + six * _SIX_METRIC
        if route.blackhole:
            return {**options, "type": "blackhole"}
        if route.mtu:
            options["metrics"] = {"mtu": route.mtu}
        options["oif"] = self.index(route.namespace, route.link)
        if route.gateway:
            options["gateway"] = route.gateway
        return options

    def add_rule(self, rule: Rule) -> None:
        with _already_there():
            self._at(rule.namespace).rule("add", **_rule(rule))

    def remove_rule(self, rule: Rule) -> None:
        with _already_gone():
            self._at(rule.namespace).rule("del", **_rule(rule))


def _rule(rule: Rule) -> dict[str, Any]:
    family = socket.AF_INET6 if rule.family == 6 else socket.AF_INET
    options: dict[str, Any] = {"priority": rule.preference, "family": family}
    if rule.mark:
        options["fwmark"] = rule.mark
    if rule.incoming:
        options["iifname"] = rule.incoming
    if rule.user:
        options["uid_range"] = f"{rule.user}:{rule.user}"
    if rule.blackhole:
        return {**options, "action": "blackhole"}
    return {**options, "table": rule.table, "action": _TO_TABLE}


def _mtu(route: Any) -> int:
    metrics = route.get_attr("RTA_METRICS")
    return int(metrics.get_attr("RTAX_MTU") or 0) if metrics else 0


def _one_user(x: Any) -> int:
    """The uid of a rule for one user; 0 for rules about everybody."""
    found = x.get_attr("FRA_UID_RANGE")
    if not found:
        return 0
    return int(str(found).partition(":")[0]) if isinstance(found, str) else int(found["start"])


class Listener:
    """Readable when links, addresses, routes, rules, rulesets or forwarding change in a namespace; reads like a socket,
    for the loop. When somebody took the namespace away and another one has its name, it listens there from then on."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._either = select.epoll()
        self._sockets: tuple[socket.socket, ...] = ()
        self._where = 0
        self._open()

    def fileno(self) -> int:
        return self._either.fileno()

    def recv(self, size: int) -> bytes:
        """Some of what came; BlockingIOError once there is no more."""
        if self._where != identity(self._namespace):
            self._open()
        for channel in self._sockets:
            with contextlib.suppress(BlockingIOError):
                return channel.recv(size)
        raise BlockingIOError

    def close(self) -> None:
        self._leave()
        self._either.close()

    def _leave(self) -> None:
        for channel in self._sockets:
            channel.close()
        self._sockets = ()

    def _open(self) -> None:
        self._leave()
        where = identity(self._namespace)
        if not where:  # between two: the next one is listened to once it is there
            return
        with inside(self._namespace):
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
            routes = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
            filters = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        routes.bind((0, _GROUPS))
        filters.bind((0, _NFTABLES_GROUP))
        self._sockets, self._where = (routes, filters), where
        for channel in self._sockets:
            self._either.register(channel, select.EPOLLIN)


def _receive_in_batches(name: str) -> None:
    """Generic receive offload: segments of one session cross the bridge as one packet. It spares processor time
    only; a kernel without it carries them one by one."""
    with contextlib.closing(Ethtool()) as ethtool:
        features = ethtool.get_features(name)
        features.features["rx-gro"].enable = True
        ethtool.set_features(name, features)


@contextlib.contextmanager
def _already_there() -> Any:
    try:
        yield
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise


@contextlib.contextmanager
def _already_gone() -> Any:
    try:
        yield
    except NetlinkError as error:
        if error.code not in (errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV):
            raise
