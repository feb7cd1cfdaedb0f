"""The wires: namespaces, cables, mobile routers. Nothing of Noroshi runs here.

               noroshi-internet  (192.0.2.80: some server)
203.0.113.0/24 /        |198.51.100.0/25  \\198.51.100.128/25
       noroshi-hq   noroshi-router-a    noroshi-router-b
  10.10.0.0/24 |        |192.168.1.0/24    |192.168.8.0/24
      noroshi-desk      +--- noroshi-box --+
                        port1 |   | port2
                 noroshi-laptop   noroshi-phone
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import MACHINES, MADE_BY_THE_BOX, Place, claim
from scripts.exercise.processes import run, within

OURS = tuple(machine for machine in MACHINES if machine not in MADE_BY_THE_BOX)
NO_IPV6 = frozenset({"internet", "router-a", "router-b", "hq"})  # xrdp looks localhost up as IPv6
FORWARDING = ("internet", "router-a", "router-b")
SHARED = ("/run/netns", "/etc/netns", "/run/wireguard")  # folders of programs we use
RESOLVING = ("laptop", "phone")  # their resolv.conf is what DHCP told them, not the host's


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    machine: str
    link: str
    address: str = ""
    up: bool = True
    mac: str = ""  # "" = whatever the kernel draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A mobile router: masquerades, hands out addresses, lets nothing in from outside."""

    name: str
    lan: str
    internet_side: str  # the provider's end of its line
    length: int = 24
    given: tuple[str, ...] = ()  # first and last address that it hands out

    @property
    def machine(self) -> str:
        return f"router-{self.name}"

    @property
    def range(self) -> tuple[str, ...]:
        network = self.lan.rpartition(".")[0]
        return self.given or (f"{network}.100", f"{network}.200")


ROUTERS = {
    "a": Router(name="a", lan="192.168.1.1", internet_side="ra0"),
    "b": Router(name="b", lan="192.168.8.1", internet_side="rb0"),
}

LAPTOP_MAC = "02:6e:6f:72:6f:01"  # the one device that the exercise's HQ registers; the phone is nobody's
CABLES: tuple[tuple[End, End], ...] = (
    (
        End(machine="internet", link="hq0", address="203.0.113.1/24"),
        End(machine="hq", link="wan0", address="203.0.113.10/24"),
    ),
    (
        End(machine="internet", link="ra0", address="198.51.100.1/25"),
        End(machine="router-a", link="wan0", address="198.51.100.2/25"),
    ),
    (
        End(machine="internet", link="rb0", address="198.51.100.129/25"),
        End(machine="router-b", link="wan0", address="198.51.100.130/25"),
    ),
    # A router's end stays down until somebody plugs its cable; the box's ends are the box's own affair.
    (
        End(machine="router-a", link="lan0", address="192.168.1.1/24", up=False),
        End(machine="box", link="eth0", up=False),
    ),
    (
        End(machine="router-b", link="lan0", address="192.168.8.1/24", up=False),
        End(machine="box", link="usb0", up=False),
    ),
    (
        End(machine="hq", link="corp0", address="10.10.0.1/24"),
        End(machine="desk", link="eth0", address="10.10.0.20/24"),
    ),
    (End(machine="box", link="port1", up=False), End(machine="laptop", link="eth0", mac=LAPTOP_MAC)),
    (End(machine="box", link="port2", up=False), End(machine="phone", link="eth0")),
)

GATEWAYS = {
    "hq": "203.0.113.1",
    "desk": "10.10.0.1",
    "router-a": "198.51.100.1",
    "router-b": "198.51.100.129",
}

ROUTER_RULES = """
table ip router {
  chain incoming {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname { "lan0", "lo" } accept
  }
  chain passing {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan0" oifname "wan0" accept
  }
  chain leaving {
    type nat hook postrouting priority srcnat;
    oifname "wan0" masquerade
  }
}
"""

SILENCE = """
table ip silence
delete table ip silence
table ip silence {
  chain incoming { type filter hook input priority raw; policy drop; }
  chain passing { type filter hook forward priority raw; policy drop; }
  chain outgoing { type filter hook output priority raw; policy drop; }
}
"""
NO_SILENCE = "table ip silence\ndelete table ip silence\n"


def up(place: Place) -> None:
    """Make every namespace and cable, with both routers' cables unplugged. Once up, calling it changes
    nothing. `Occupied` if somebody else's exercise is up; what a dead one left is removed first."""
    if claim(place):
        down(place)
        claim(place)
    if (place.root / "topology").exists():
        return
    missing = [folder for folder in SHARED if not Path(folder).exists()]
    (place.root / "missing-before").write_text("\n".join(missing))
    for machine in RESOLVING:
        _own_resolv_conf(place, machine)
    _wire(place)
    for router in ROUTERS.values():
        _nft(place, router, ROUTER_RULES)
        serve_addresses(place, router)
    (place.root / "topology").touch()


def _wire(place: Place) -> None:
    for machine in OURS:
        run("ip", "netns", "add", place.namespace(machine))
        if machine in NO_IPV6:
            set_sysctl(place.namespace(machine), "net/ipv6/conf/all/disable_ipv6", "1")
            set_sysctl(place.namespace(machine), "net/ipv6/conf/default/disable_ipv6", "1")
        _ip(place, machine, "link set lo up")
    for left, right in CABLES:
        _cable(place, left, right)
    _ip(place, "internet", "address add 192.0.2.80/32 dev lo")
    for machine, gateway in GATEWAYS.items():
        _ip(place, machine, f"route add default via {gateway}")
    for machine in FORWARDING:
        set_sysctl(place.namespace(machine), "net/ipv4/ip_forward", "1")


def down(place: Place) -> None:
    """End every process of the exercise and remove all it made, whoever made it, however far it got."""
    processes.end_all(place)
    for namespace in place.namespaces:
        if Path("/run/netns", namespace).exists():
            run("ip", "netns", "delete", namespace, check=False)
        shutil.rmtree(Path("/etc/netns", namespace), ignore_errors=True)
    _remove_shared_folders(place)
    if (place.root / "code").is_mount():
        run("umount", "--lazy", str(place.root / "code"))
    shutil.rmtree(place.root, ignore_errors=True)


def plug(place: Place, router: str) -> None:
    """Put the router's cable into the box."""
    _ip(place, ROUTERS[router].machine, "link set lan0 up")


def unplug(place: Place, router: str) -> None:
    """Pull the router's cable: the box sees its carrier go."""
    _ip(place, ROUTERS[router].machine, "link set lan0 down")


def serve(place: Place, router: str, lan: str, *given: str) -> None:
    """The router has this address (with its length) on its own network from now on, and hands out these."""
    address, _, length = lan.partition("/")
    _readdress(place, replace(ROUTERS[router], lan=address, length=int(length), given=given))


def serve_as_ever(place: Place, router: str) -> None:
    """End of `serve`."""
    _readdress(place, ROUTERS[router])


def _readdress(place: Place, router: Router) -> None:
    processes.end(place, router.machine)
    (place.folder(router.machine) / "leases").unlink(missing_ok=True)
    lines = ("address flush dev lan0", f"address add {router.lan}/{router.length} dev lan0")
    _ip(place, router.machine, *lines)
    serve_addresses(place, router)


def blackhole(place: Place, router: str) -> None:
    """The router stays plugged in, with its lamp on, and swallows everything."""
    _nft(place, ROUTERS[router], SILENCE)


def heal(place: Place, router: str) -> None:
    """End of `blackhole`."""
    _nft(place, ROUTERS[router], NO_SILENCE)


def cut_internet(place: Place, router: str) -> None:
    """The router stays and hands out addresses, but its line to the provider is dead."""
    _ip(place, "internet", f"link set {ROUTERS[router].internet_side} down")


def restore_internet(place: Place, router: str) -> None:
    _ip(place, "internet", f"link set {ROUTERS[router].internet_side} up")


def _ip(place: Place, machine: str, *lines: str) -> None:
    run("ip", "-n", place.namespace(machine), "-batch", "-", text="\n".join(lines) + "\n")


def _cable(place: Place, left: End, right: End) -> None:
    other = place.namespace(right.machine)
    _ip(place, left.machine, f"link add {left.link} type veth peer name {right.link} netns {other}")
    for end in (left, right):
        lines = [f"link set {end.link} address {end.mac}"] if end.mac else []
        lines += [f"address add {end.address} dev {end.link}"] if end.address else []
        lines += [f"link set {end.link} up"] if end.up else []
        if lines:
            _ip(place, end.machine, *lines)


def _nft(place: Place, router: Router, ruleset: str) -> None:
    run(*within(place.namespace(router.machine), ("nft", "-f", "-")), text=ruleset)


def serve_addresses(place: Place, router: Router, more: Sequence[str] = ()) -> None:
    """(Re)start the router's DHCP and name server; `more` is what it says besides."""
    folder = place.folder(router.machine)
    argv = (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--no-ping",  # asking three seconds long whether an address is free is not what a phone does
        "--dhcp-authoritative",
        "--bind-interfaces",
        "--interface=lan0",
        "--except-interface=lo",
        f"--dhcp-range={','.join(router.range)},{IPv4Network((0, router.length)).netmask},1h",
        f"--dhcp-option=option:router,{router.lan}",
        f"--dhcp-option=option:dns-server,{router.lan}",
        "--host-record=hq.example,203.0.113.10",
        "--host-record=server.example,192.0.2.80",
        f"--dhcp-leasefile={folder}/leases",
        f"--pid-file={folder}/pid",
        f"--log-facility={folder}/log",
        *more,
    )
    processes.start(place, router.machine, within(place.namespace(router.machine), argv))


def _own_resolv_conf(place: Place, machine: str) -> None:
    folder = Path("/etc/netns", place.namespace(machine))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resolv.conf").write_text("")


def _remove_shared_folders(place: Place) -> None:
    """Folders that were not there before us go again, unless somebody else uses them by now."""
    try:
        missing = (place.root / "missing-before").read_text().split()
    except FileNotFoundError:
        return
    for folder in map(Path, missing):
        if not folder.is_dir() or any(folder.iterdir()):
            continue
        for _ in range(_mounts_at(folder)):  # `ip netns add` mounts /run/netns on itself
            run("umount", str(folder), check=False)
        with contextlib.suppress(OSError):  # somebody came to use it just now
            folder.rmdir()


def _mounts_at(folder: Path) -> int:
    """How often something is mounted here; a folder mounted on itself looks like none to stat(2)."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return sum(line.split()[4] == str(folder) for line in mounts)
