"""What somebody on the LAN or on the line does by hand: addresses that he takes, frames that he writes himself, a
mobile router in the wrong socket, a mobile router that lies."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scripts.exercise import processes, topology
from scripts.exercise.namespaces import entered, set_sysctl
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within
from tests.net.leaks.volley import INTERNET_V6, ROUTER_LOCAL, ROUTER_V6, mac_of
from tests.net.world import INTERNET, ROUTER

POISON = "198.51.100.66"  # what a lying name server says of everybody
EVERYWHERE = ("0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "192.0.2.0/24", "203.0.113.0/24")


def aim(place: Place, machine: str, address: str, gateway: str, mac: str) -> None:
    """A laptop that takes any address it likes, asks nobody, and knows the box's hardware address already: what it
    sends comes to the box whether or not somebody there answers."""
    six = (INTERNET_V6, ROUTER_V6, ROUTER_LOCAL)
    lines = [
        "address flush dev eth0 scope global",
        "link set eth0 up",
        f"address add {address} dev eth0",
        f"route replace default via {gateway} dev eth0",
        "-6 route replace default dev eth0",
    ]
    if mac:
        lines += [
            f"neigh replace {x} lladdr {mac} dev eth0 nud permanent"
            for x in (gateway, *(y for y in six if ":" in y))
        ]
    for line in lines:
        run("ip", "-n", place.namespace(machine), *line.split(), check=False)


def unplug(place: Place, machine: str) -> None:
    """As it was: nothing configured."""
    for line in ("address flush dev eth0 scope global", "neigh flush dev eth0 nud permanent"):
        run("ip", "-n", place.namespace(machine), *line.split(), check=False)


def neighbours(place: Place, machine: str, mac: str, hosts: Sequence[str]) -> None:
    """These addresses are next door, at this hardware address, whatever they say themselves."""
    for host in hosts:
        namespace = place.namespace(machine)
        run("ip", "-n", namespace, "route", "replace", host, "dev", "eth0")
        run("ip", "-n", namespace, "neigh", "replace", host, "lladdr", mac, "dev", "eth0", "nud", "permanent")


def no_neighbours(place: Place, machine: str, hosts: Sequence[str]) -> None:
    for host in hosts:
        namespace = place.namespace(machine)
        run("ip", "-n", namespace, "route", "del", host, "dev", "eth0", check=False)
        run("ip", "-n", namespace, "neigh", "del", host, "dev", "eth0", check=False)


# ------------------------------------------------------------------------------- frames by hand


def frame_udp(source: str, target: str, port: int, mac: str, own: str) -> bytes:
    """Ethernet, IPv4 (RFC 791) and UDP without a checksum."""
    datagram = struct.pack("!HHHH", 4096, port, 8 + 18, 0) + b"noroshi leak probe"
    return _ethernet(mac, own, _packet(source, target, 17, datagram))


def frame_syn_ack(source: str, target: str, sport: int, dport: int, mac: str, own: str) -> bytes:
    """The answer to a connection that nobody began (CVE-2019-14899): who answers has that address."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    segment = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, 0x12, 1024, 0, 0)
    checksum = _sum(ends + struct.pack("!BBH", 0, 6, len(segment)) + segment)
    segment = segment[:16] + struct.pack("!H", checksum) + segment[18:]
    return _ethernet(mac, own, _packet(source, target, 6, segment))


def send_frames(namespace: str, link: str, frames: Sequence[bytes]) -> None:
    with entered(namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as channel:
        channel.bind((link, 0))
        for frame in frames:
            channel.send(frame)


def who_has(namespace: str, link: str, address: str, own: str, own_mac: str) -> None:
    """An ARP question (RFC 826) to everybody on the wire."""
    mac = bytes.fromhex(own_mac.replace(":", ""))
    question = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(own)
    question += bytes(6) + socket.inet_aton(address)
    send_frames(namespace, link, [b"\xff" * 6 + mac + b"\x08\x06" + question])


def _ethernet(mac: str, own: str, packet: bytes) -> bytes:
    return bytes.fromhex((mac + own).replace(":", "")) + b"\x08\x00" + packet


def _packet(source: str, target: str, protocol: int, content: bytes) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 7, 0, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", _sum(header)) + header[12:] + content


def _sum(data: bytes) -> int:
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


# ---------------------------------------------------------------------------- routers that lie


def speak_six(place: Place, router: str = "router-a") -> None:
    """Router A has IPv6, too: without it no IPv6 packet could ever be seen to leave."""
    namespace = place.namespace(router)
    set_sysctl(namespace, "net/ipv6/conf/lo/disable_ipv6", "0")
    set_sysctl(namespace, "net/ipv6/conf/lan0/disable_ipv6", "0")
    for link, address in (
        ("lan0", f"{ROUTER_LOCAL}/64"),
        ("lan0", f"{ROUTER_V6}/64"),
        ("lo", f"{INTERNET_V6}/128"),
    ):
        run("ip", "-n", namespace, "-6", "address", "replace", address, "dev", link, "nodad")


def forget_six(place: Place, router: str = "router-a") -> None:
    for link in ("lo", "lan0"):
        set_sysctl(place.namespace(router), f"net/ipv6/conf/{link}/disable_ipv6", "1")


@contextmanager
def lying(place: Place, *, routes: bool = False, names: bool = False) -> Iterator[None]:
    """Router A's DHCP hands out routes to everywhere (options 121, 249, 33 and 3), or its name server lies."""
    extra = []
    if routes:
        pairs = ",".join(f"{x},{ROUTER}" for x in EVERYWHERE)
        hosts = ",".join(f"{x},{ROUTER}" for x in (INTERNET, "203.0.113.10", "10.10.0.20"))
        extra = [
            *(f"--dhcp-option-force={x},{pairs}" for x in (121, 249)),
            f"--dhcp-option-force=33,{hosts}",
            f"--dhcp-option-force=3,{ROUTER}",
        ]
    if names:
        extra = [f"--address=/#/{POISON}", "--address=/hq.example/" + POISON]
    topology.serve_addresses(place, topology.ROUTERS["a"], extra)
    try:
        yield
    finally:
        topology.serve_addresses(place, topology.ROUTERS["a"])


def advertise(place: Place, times: int = 3) -> None:
    """A router advertisement (RFC 4861) that promises every way there is: default, a prefix, more specific routes
    (RFC 4191) and a name server (RFC 8106)."""
    lifetimes = struct.pack("!II", 600, 600)
    prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:1::")
    options = struct.pack("!BBBB", 3, 4, 64, 0xC0) + lifetimes + bytes(4) + prefix
    for network in ("::", "8000::"):
        options += struct.pack("!BBBBI", 24, 3, 1, 0x08, 600) + socket.inet_pton(socket.AF_INET6, network)
    options += struct.pack("!BBHI", 25, 3, 0, 600) + socket.inet_pton(socket.AF_INET6, ROUTER_V6)
    mac = bytes.fromhex(mac_of(place.namespace("router-a"), "lan0").replace(":", ""))
    options += struct.pack("!BB", 1, 1) + mac
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0) + options
    with (
        entered(place.namespace("router-a")),
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as channel,
    ):
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        index = socket.if_nametoindex("lan0")
        channel.bind((ROUTER_LOCAL, 0, 0, index))
        for _ in range(times):
            channel.sendto(message, ("ff02::1", 0, 0, index))
            time.sleep(0.1)


@contextmanager
def router_on_the_lan(place: Place) -> Iterator[str]:
    """A mobile router in a LAN socket: at the phone's place, with an address server of its own."""
    namespace = place.namespace("phone")
    run("ip", "-n", namespace, "address", "replace", "10.66.66.1/24", "dev", "eth0")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")
    server = (
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-ping", "--dhcp-authoritative"),
        *("--port=0", "--interface=eth0", "--bind-interfaces", "--dhcp-range=10.66.66.10,10.66.66.20"),
        *("--log-facility=-", f"--dhcp-leasefile={place.folder('phone')}/rogue"),
    )
    processes.start(place, "rogue", within(namespace, server))
    try:
        yield namespace
    finally:
        processes.end(place, "rogue")
        run("ip", "-n", namespace, "address", "flush", "dev", "eth0", "scope", "global", check=False)
