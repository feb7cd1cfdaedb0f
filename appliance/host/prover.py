"""Tries packets as two laptops would, one registered and one not: each from a namespace of its own, plugged into
the LAN bridge as one more isolated port, through the very rules that laptops meet. Leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from appliance.core.access_point import lan_address, probe_address, stranger_address
from appliance.core.machine import Address, Bridge, Route
from appliance.core.model import Protocol
from appliance.core.proof import CLOSED, OPEN, UNCLEAR, Trial
from appliance.host import icmp_errors, namespaces, sysctl
from appliance.host.namespaces import inside
from appliance.host.netlink import MAIN, Netlink

INNER = "proof"
# Our own refusal comes at once, but the kernel tells "no route" only once a second to one laptop (burst of five).
TIMEOUT = 8.0  # seconds
AGAIN = 0.5  # seconds between datagrams; TCP repeats by itself
AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A laptop of our own: its namespace, its port at the bridge, and what it is known by."""

    namespace: str
    port: str
    address: str
    mac: str = ""  # "" = whatever the kernel draws


def prove(trials: Iterable[Trial], bridge: Bridge, lan: str, mac: str) -> list[tuple[Trial, str]]:
    """Each trial with its outcome. `mac` is what the firewall takes for a registered laptop while this lasts.
    Raises OSError or NetlinkError when the stand-in laptops cannot be made."""
    wanted = list(trials)
    own = lan_address(lan).split("/")[0]
    name = f"{bridge.peer_namespace}-proof"
    known = StandIn(namespace=name, port="proof0", address=probe_address(lan), mac=mac)
    stranger = StandIn(namespace=f"{name}2", port="proof2", address=stranger_address(lan))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_laptop(known, bridge, own))
        stack.enter_context(_laptop(stranger, bridge, own))
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))

        def knock(trial: Trial) -> str:
            return _knock((known if trial.registered else stranger).namespace, trial, own)

        return list(zip(wanted, pool.map(knock, wanted), strict=True))


@contextlib.contextmanager
def _laptop(laptop: StandIn, bridge: Bridge, gateway: str) -> Iterator[None]:
    netlink = Netlink()
    name = laptop.namespace
    try:
        _remove(netlink, laptop, bridge)
        namespaces.make(name)
        netlink.make_pair(bridge.namespace, laptop.port, name, INNER)
        if laptop.mac:
            netlink.set_mac(name, INNER, laptop.mac)
        sysctl.silence_ipv6(bridge.namespace, laptop.port)
        netlink.add_port(bridge, laptop.port)
        netlink.set_up(bridge.namespace, laptop.port)
        netlink.set_up(name, "lo")
        netlink.set_up(name, INNER)
        netlink.add_address(Address(namespace=name, link=INNER, address=laptop.address))
        netlink.add_route(
            Route(namespace=name, table=MAIN, destination="default", link=INNER, gateway=gateway)
        )
        yield
    finally:
        try:
            _remove(netlink, laptop, bridge)
        finally:
            netlink.close()


def _remove(netlink: Netlink, laptop: StandIn, bridge: Bridge) -> None:
    netlink.remove_link(bridge.namespace, laptop.port)
    namespaces.remove(laptop.namespace)
    netlink.forget(laptop.namespace)


def _knock(laptop: str, trial: Trial, box: str) -> str:
    """Open: the packet arrived, even where the far host said no. Closed: our own box said so, because a rule
    forbids it or because it has no way there. Anything else proves nothing."""
    family = socket.AF_INET6 if ":" in trial.host else socket.AF_INET
    kind = socket.SOCK_STREAM if trial.protocol is Protocol.TCP else socket.SOCK_DGRAM
    with inside(laptop), socket.socket(family, kind) as channel:
        channel.settimeout(TIMEOUT)
        if family == socket.AF_INET:
            icmp_errors.keep(channel)
        try:
            channel.connect((trial.host, trial.port))
            if kind == socket.SOCK_DGRAM:
                _send_until_answered(channel)
            else:
                icmp_errors.must_be_connected(channel)
        except TimeoutError:
            return UNCLEAR
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
                return OPEN
            if error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL) and family == socket.AF_INET6:
                return CLOSED
            return CLOSED if icmp_errors.unreachable_by(channel) == box else UNCLEAR
        return OPEN


def _send_until_answered(channel: socket.socket) -> None:
    """Raises TimeoutError when nothing came back in time, another OSError when an ICMP error did."""
    deadline = time.monotonic() + TIMEOUT
    channel.settimeout(AGAIN)
    while True:
        channel.send(b"\0")
        try:
            channel.recv(1)
            return
        except TimeoutError:
            if time.monotonic() > deadline:
                raise
