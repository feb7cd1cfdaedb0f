"""Tries packets as a laptop would: from a namespace of its own, plugged into the LAN bridge as one more isolated
port, through the very rules that laptops meet. Leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from appliance.core.access_point import lan_address, probe_address
from appliance.core.model import Address, Bridge, Protocol, Route
from appliance.core.proof import CLOSED, OPEN, UNCLEAR, Trial
from appliance.host import icmp_errors, namespaces, sysctl
from appliance.host.namespaces import inside
from appliance.host.netlink import MAIN, Netlink

PORT, INNER = "proof0", "proof1"
# Our own refusal comes at once, but the kernel tells "no route" only once a second to one laptop (burst of five).
TIMEOUT = 8.0  # seconds
AGAIN = 0.5  # seconds between datagrams; TCP repeats by itself
AT_ONCE = 8


def prove(trials: Iterable[Trial], bridge: Bridge, lan: str) -> list[tuple[Trial, str]]:
    """Each trial with its outcome. Raises OSError or NetlinkError when the stand-in laptop cannot be made."""
    wanted = list(trials)
    laptop = f"{bridge.peer_namespace}-proof"
    with _laptop(laptop, bridge, lan), ThreadPoolExecutor(AT_ONCE) as pool:
        own = lan_address(lan).split("/")[0]
        return list(zip(wanted, pool.map(lambda x: _knock(laptop, x, own), wanted), strict=True))


@contextlib.contextmanager
def _laptop(name: str, bridge: Bridge, lan: str) -> Iterator[None]:
    netlink = Netlink()
    try:
        _remove(netlink, name, bridge)
        namespaces.make(name)
        netlink.make_pair(bridge.namespace, PORT, name, INNER)
        sysctl.silence_ipv6(bridge.namespace, PORT)
        netlink.add_port(bridge, PORT)
        netlink.set_up(bridge.namespace, PORT)
        netlink.set_up(name, "lo")
        netlink.set_up(name, INNER)
        netlink.add_address(Address(namespace=name, link=INNER, address=probe_address(lan)))
        gateway = lan_address(lan).split("/")[0]
        netlink.add_route(
            Route(namespace=name, table=MAIN, destination="default", link=INNER, gateway=gateway)
        )
        yield
    finally:
        _remove(netlink, name, bridge)
        netlink.close()


def _remove(netlink: Netlink, name: str, bridge: Bridge) -> None:
    netlink.remove_link(bridge.namespace, PORT)
    namespaces.remove(name)
    netlink.forget(name)


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
