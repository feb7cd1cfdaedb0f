"""How each row of the leak list is brought about. What an act asserts comes on top of the one claim."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from scripts.exercise import desk, machines, topology
from scripts.exercise.dhcp import Client
from scripts.exercise.namespaces import entered, set_sysctl
from scripts.exercise.processes import run
from tests.net import air
from tests.net.air import PASSES, Tap
from tests.net.leaks import lan, volley
from tests.net.leaks.contenders import LAPTOP, PHONE
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.subject import Subject
from tests.net.person import WIZARD
from tests.net.world import FLEET, HUB, INTERNET, ROUTER, eventually

# --------------------------------------------------------------------------------------- quiet rows


def probes(subject: Subject) -> None:
    """Nothing is provoked: the probes alone, twice."""
    subject.fire()
    if isinstance(subject, Noroshi):
        subject.opens_what_it_should()


def from_the_line(subject: Subject) -> None:
    """From the mobile router's side: every port that some box of ours or theirs has, on every address of it."""
    router = subject.place.namespace("router-a")
    own = subject.uplink_address
    inner = WIZARD if isinstance(subject, Noroshi) else "10.30.0.1"
    run("ip", "-n", router, "route", "replace", f"{inner}/32", "via", own)
    try:
        for host in (own, inner):
            assert air.ping(router, host, 0.2) != "answered", f"{host} answers pings from the line"
            for port in (22, 53, 80, 3389, 8470):
                reached = air.tcp(router, host, port, 0.1)
                assert reached not in PASSES, f"{host}:{port} is {reached} from the line"
            for port in (53, 67, 51820):
                reached = air.udp(router, host, port, seconds=0.1)
                assert reached not in PASSES, f"udp {host}:{port} is {reached} from the line"
    finally:
        run("ip", "-n", router, "route", "del", f"{inner}/32", check=False)


def between_laptops(subject: Subject) -> None:
    """Broadcasts, questions and pings of the laptop, as the phone beside it hears them."""
    ours = isinstance(subject, Noroshi)
    address, phone_at = ("10.86.86.40", "10.86.86.41") if ours else (LAPTOP, PHONE)
    length = "26" if ours else "24"
    phone, laptop = (subject.place.namespace(x) for x in ("phone", "laptop"))
    lan.aim(subject.place, "phone", f"{phone_at}/{length}", ROUTER, "")
    own = volley.mac_of(laptop, "eth0")
    tap = Tap(phone, "eth0")
    try:
        run("ip", "-n", laptop, "address", "replace", f"{address}/{length}", "dev", "eth0")
        for _ in range(3):
            lan.who_has(laptop, "eth0", phone_at, address, own)
            air.ping(laptop, phone_at, 0.2)
            air.udp(laptop, "224.0.0.251", 5353, seconds=0.05)
        heard = [x for x in tap.frames() if not x.outgoing and x.raw[6:12].hex(":") == own]
        assert not heard, f"the phone hears the laptop ({len(heard)} frames)"
    finally:
        tap.close()
        lan.unplug(subject.place, "phone")
        run("ip", "-n", laptop, "address", "del", f"{address}/{length}", "dev", "eth0", check=False)


def other_ports(box: Noroshi) -> None:
    """Of the box itself: pages, names and addresses, and nothing else."""
    laptop = box.place.namespace("laptop")
    address, gateway = box.laptop_address
    lan.aim(box.place, "laptop", address, gateway, box.lan_mac)
    for host in {WIZARD, gateway}:
        for port in (22, 443, 3389, 8470, 51820):
            assert air.tcp(laptop, host, port, 0.2) not in PASSES, port
            assert air.udp(laptop, host, port, seconds=0.1) not in PASSES, port


def address_of_the_tunnel(subject: Subject) -> None:
    """ARP for it, a ping, and a SYN-ACK out of nowhere (CVE-2019-14899)."""
    laptop, tunnel = subject.place.namespace("laptop"), subject.tunnel_address
    own, mac = volley.mac_of(laptop, "eth0"), subject.lan_mac
    tap = Tap(laptop, "eth0")
    try:
        for _ in range(2):
            lan.who_has(laptop, "eth0", tunnel, "10.86.86.40", own)
        frames = [
            lan.frame_syn_ack(INTERNET, tunnel, 443, port, mac, own) for port in (40000, 50000, 3389, 80)
        ]
        lan.send_frames(laptop, "eth0", frames)
        lan.neighbours(subject.place, "laptop", mac, (tunnel,))
        pinged = air.ping(laptop, tunnel, 0.3)
        time.sleep(0.2)
        heard = [x for x in tap.frames() if not x.outgoing]
        arp = [x for x in heard if x.kind == "arp" and x.raw[21] == 2 and x.raw[28:32] == _raw(tunnel)]
        assert not arp, "the LAN learns the hardware address of the tunnel's address"
        told = [x for x in heard if x.kind in ("tcp", "icmp") and x.source == tunnel]
        assert pinged == "silent" and not told, f"{tunnel} answers the LAN"
    finally:
        tap.close()
        lan.no_neighbours(subject.place, "laptop", (tunnel,))


def _raw(address: str) -> bytes:
    return bytes(int(x) for x in address.split("."))


def spoofed(subject: Subject) -> None:
    """Frames of the laptop with everybody else's address as their source."""
    laptop, mac = subject.place.namespace("laptop"), subject.lan_mac or subject.deaf_mac
    own = volley.mac_of(laptop, "eth0")
    sources = (
        "127.0.0.1", "0.0.0.0", HUB, desk.ADDRESS, subject.uplink_address, subject.tunnel_address,
        "10.86.86.1", "203.0.113.10", "255.255.255.255", "224.0.0.1",
    )  # fmt: skip
    targets = (INTERNET, ROUTER, "203.0.113.10", "255.255.255.255", "127.0.0.1", subject.uplink_address)
    for to in {mac, subject.deaf_mac} - {""}:
        frames = [lan.frame_udp(x, y, 53, to, own) for x in sources for y in targets]
        lan.send_frames(laptop, "eth0", frames)
    time.sleep(0.2)


# ----------------------------------------------------------------------------------- processes end


def daemon_killed(box: Noroshi) -> None:
    """SIGKILL; what was closed stays closed, and a new one goes on from there."""
    box.kill_daemon()
    assert box.world.status() == {}
    time.sleep(0.6)
    box.start_daemon()
    box.mended()


def programs_killed(box: Noroshi) -> None:
    """SIGKILL for web, courier, names, DHCP and the tunnel's program at once."""
    there = [x for x in box.programs() if box.world.unit(x)]
    before = {x: box.world.unit(x) for x in there}
    box.kill(*there)
    eventually(
        "new ones", lambda: all((y := box.world.unit(x)) and y != before[x] for x in there), patience=20
    )
    box.mended()


def everything_killed(box: Noroshi) -> None:
    box.kill_everything()
    time.sleep(0.5)
    box.start_daemon()
    box.mended()


def tunnel_killed(subject: Subject) -> None:
    subject.kill_tunnel()
    time.sleep(0.7)
    subject.mended()


# --------------------------------------------------------------------------------- rules are taken


def flushed(which: str) -> Callable[[Noroshi], None]:
    """By hand, and the next turn puts them back."""

    def act(box: Noroshi) -> None:
        box.flush(which)
        time.sleep(0.3)
        box.mended()

    return act


def flushed_for_good(subject: Subject) -> None:
    """Nobody puts them back meanwhile. What then is still closed, structure closes."""
    if not isinstance(subject, Noroshi):
        subject.flush("")
        time.sleep(0.8)
        subject.mended()
        return
    with subject.daemon_asleep():
        subject.flush("")
        subject.fire()
        _by_hand(subject)
        time.sleep(0.3)
    subject.mended()


def _by_hand(box: Noroshi) -> None:
    """The laptop knows the bridge's hardware address, the uplink's address, and the link-local ones."""
    laptop, mac = box.place.namespace("laptop"), box.deaf_mac
    hosts = tuple(x for x in (_uplink_of(box), INTERNET, ROUTER) if x)
    lan.neighbours(box.place, "laptop", mac, hosts)
    try:
        for host in hosts:
            assert air.ping(laptop, host, 0.2) == "silent", f"{host} answers a ping"
            assert air.tcp(laptop, host, 80, 0.2) not in PASSES, f"{host} answers"
        local = _link_local(mac)
        run("ip", "-n", laptop, "neigh", "replace", local, "lladdr", mac, "dev", "eth0", "nud", "permanent")
        assert air.ping(laptop, f"{local}%eth0", 0.2) != "answered", "the box has a link-local address here"
    finally:
        lan.no_neighbours(box.place, "laptop", hosts)


def _uplink_of(box: Noroshi) -> str:
    said = run("ip", "-n", box.place.namespace("box"), "-4", "-o", "address", "show", "dev", "eth0")
    return said.split("inet ")[1].split("/")[0] if "inet " in said else ""


def _link_local(mac: str) -> str:
    """RFC 4291, appendix A."""
    x = [int(y, 16) for y in mac.split(":")]
    return f"fe80::{x[0] ^ 2:x}{x[1]:02x}:{x[2]:x}ff:fe{x[3]:02x}:{x[4]:x}{x[5]:02x}"


# -------------------------------------------------------------------------------- devices are taken


def tunnel_deleted(subject: Subject) -> None:
    subject.delete_tunnel()
    time.sleep(0.7)
    subject.mended()


def link_deleted(machine: str, link: str) -> Callable[[Noroshi], None]:
    def act(box: Noroshi) -> None:
        run("ip", "-n", box.place.namespace(machine), "link", "del", link)
        eventually("the lead", lambda: box.lan_mac, patience=15)
        box.mended()

    return act


def field_deleted(box: Noroshi) -> None:
    """The whole field office is gone at one blow."""
    run("ip", "netns", "delete", box.place.namespace("field"))
    eventually("another field", Path("/run/netns", box.place.namespace("field")).exists)
    eventually("its lead", lambda: box.lan_mac, patience=15)
    box.mended()


# ------------------------------------------------------------------------------------- the uplink


def swapped(subject: Subject) -> None:
    """The cable of the mobile router in use is pulled, and the other one's put in, with a session running."""
    session = None
    if isinstance(subject, Noroshi):
        address, gateway = subject.laptop_address
        lan.aim(subject.place, "laptop", address, gateway, subject.lan_mac)
        with entered(subject.place.namespace("laptop")):
            session = _connect()
    topology.unplug(subject.place, "a")
    topology.plug(subject.place, "b")
    if isinstance(subject, Noroshi):
        eventually("the other line", lambda: subject.uses("usb0"), patience=20)
    else:
        run("ip", "-n", subject.place.namespace("box"), "link", "set", "usb0", "up")
        time.sleep(0.7)
    if session is not None:
        session.settimeout(15)
        session.sendall(desk.GREETING)
        assert session.recv(64)[5] == desk.CONFIRM, "the session went on"
        session.close()
    topology.unplug(subject.place, "b")
    topology.plug(subject.place, "a")
    subject.mended()


def _connect() -> socket.socket:
    return socket.create_connection((desk.ADDRESS, desk.PORT), timeout=5)


def lying_dhcp(subject: Subject) -> None:
    """The mobile router's DHCP promises routes to everywhere: options 121, 249, 33 and 3 (TunnelVision)."""
    with lan.lying(subject.place, routes=True):
        subject.renew()
        time.sleep(0.5)
    if isinstance(subject, Noroshi):
        said = run("ip", "-n", subject.place.namespace("box"), "route", "show", "table", "main")
        assert "via" not in said, f"a route was believed: {said}"
        subject.mended()
    else:
        subject.phase = ""


def rogue_advertisement(subject: Subject) -> None:
    lan.advertise(subject.place)
    if isinstance(subject, Noroshi):
        said = run("ip", "-n", subject.place.namespace("box"), "-6", "route", "show", "default")
        assert "proto ra" not in said, f"a route was believed: {said}"
    time.sleep(0.5)


def poisoned_names(box: Noroshi) -> None:
    """The mobile router's name server lies about HQ, and HQ is silent just then."""
    with lan.lying(box.place, names=True):
        box.renew()
        box.fire()
    box.mended()


def two_lines(box: Noroshi) -> None:
    """A suspected line: scout packets and doubled packets on both, only to HQ's address and port, only WireGuard."""
    topology.plug(box.place, "b")
    eventually("two lines", lambda: len(box.lines()) == 2)
    tap = Tap(box.place.namespace("router-b"), "lan0")
    try:
        topology.cut_internet(box.place, "a")
        eventually("the spare", lambda: box.world.status()["uplinks"][1]["active"], patience=15)
        there = [x for x in tap.frames() if not x.outgoing and x.kind == "udp" and x.dport == 51820]
        assert there, "something was sent on the spare"
    finally:
        tap.close()
        topology.restore_internet(box.place, "a")
        topology.unplug(box.place, "b")
    box.mended()


def mission_expires(box: Noroshi) -> None:
    """By itself, at its end; then HQ starts another one."""
    world = box.world
    world.ask_hub("start-mission", box=box.box, kind="disaster", site=machines.SITE, hours=0.002)
    world.until("STANDBY", patience=40)
    box.phase = "STANDBY"
    box.opens_what_it_should()
    box.phase = "PROTECTED"
    world.start_mission(box.box)
    box.mended()


# -------------------------------------------------------------------------------- clock, LAN, boot


def clock(offset: float) -> Callable[[Noroshi], None]:
    """The box's clock is wrong when its daemon starts."""

    def act(box: Noroshi) -> None:
        box.kill_daemon()
        box.start_daemon(offset)
        box.mended()

    return act


def router_in_a_lan_socket(box: Noroshi) -> None:
    """Its addresses and advertisements reach no laptop, and the box takes no way through it."""
    with lan.router_on_the_lan(box.place) as phone:
        tap = Tap(phone, "eth0")
        client = Client(box.place, "laptop")
        try:
            client.start()
            lease = client.wait("10.86.86.0/24" if box.phase == "SETUP" else FLEET, patience=20)
            assert lease.gateway.startswith("10."), lease
            assert not lease.gateway.startswith("10.66."), "the laptop listened to it"
            heard = [x for x in tap.frames() if not x.outgoing and x.kind not in ("arp", "other")]
            own = volley.mac_of(box.place.namespace("laptop"), "eth0")
            assert not [x for x in heard if x.raw[6:12].hex(":") == own], "it hears the laptop"
        finally:
            client.stop()
            tap.close()
    box.mended()


def line_without_rules_of_ours(box: Noroshi) -> None:
    """Somebody flushed even the boot rules: routes, forwarding and addresses are as bad as can be."""
    box.block()
    said = run("ip", "netns", "exec", box.place.namespace("box"), "nft", "list", "ruleset")
    assert said.count("policy drop") >= 3
    assert box.has_field(), "the field namespace is there before the network"


def foreign_routes(box: Noroshi) -> None:
    """Somebody (a network manager, a person) puts default routes and forwarding into the machine's own namespace."""
    namespace = box.place.namespace("box")
    link = "eth0" if box.phase != "DEGRADED" else "usb0"
    gateway = ROUTER if link == "eth0" else "192.168.8.1"
    run("ip", "-n", namespace, "route", "replace", "default", "via", gateway, "dev", link, check=False)
    set_sysctl(namespace, "net/ipv4/ip_forward", "1")
    table = ("ip", "-n", namespace, "route", "show", "default")
    eventually("no default route", lambda: not run(*table), patience=10)
    forwarding = ("ip", "netns", "exec", namespace, "cat", "/proc/sys/net/ipv4/ip_forward")
    eventually("no forwarding", lambda: run(*forwarding).strip() == "0", patience=10)


def silence_after_revocation(box: Noroshi) -> None:
    """Once HQ knows that the box read its revocation, not even the tunnel's own packets leave."""
    eventually("the tunnel's end", lambda: box.world.unit("wireguard-go") is None, patience=60)
    tap = Tap(box.place.namespace("router-a"), "lan0")
    try:
        time.sleep(3)
        left = [x for x in tap.frames() if not x.outgoing and x.kind == "udp" and x.dport != 67]
        assert not left, f"{len(left)} packets to {left[0].target}:{left[0].dport}"
    finally:
        tap.close()
