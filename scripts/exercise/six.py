"""A mobile router whose network speaks IPv6 only: it advertises itself, translates (NAT64, by tayga) and its name server
answers for `ipv4only.arpa` as a DNS64 does. HQ's machine may have an IPv6 address of its own.
"""

from __future__ import annotations

from scripts.exercise import processes, topology
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within
from scripts.exercise.topology import ROUTERS

NETWORK, RESOLVER = "2001:db8:b::", "2001:db8:b::1"
NAT64 = "2001:db8:64::"
HQ = "2001:db8:1::10"
_INSIDE = "192.168.255"  # where tayga keeps an IPv4 address for each of its IPv6 ones


def only_six(place: Place, router: str, *, nat64: bool = True) -> None:
    """From now on this router gives no IPv4 address, and leads to IPv4 servers through its NAT64 only."""
    here, machine = place.namespace(ROUTERS[router].machine), ROUTERS[router].machine
    processes.end(place, machine)
    for setting in ("conf/all/disable_ipv6", "conf/default/disable_ipv6", "conf/lan0/disable_ipv6"):
        set_sysctl(here, f"net/ipv6/{setting}", "0")
    set_sysctl(here, "net/ipv6/conf/all/forwarding", "1")
    run("ip", "-n", here, "address", "flush", "dev", "lan0")
    run("ip", "-n", here, "link", "set", "lan0", "addrgenmode", "none")
    for address in ("fe80::1/64", f"{RESOLVER}/64"):
        run("ip", "-n", here, "address", "replace", address, "dev", "lan0", "nodad")
    if nat64:
        _translate(place, router)
    folder = place.folder(machine)
    argv = (
        *(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-dynamic",
        ),
        *("--interface=lan0", "--except-interface=lo", "--enable-ra", "--ra-param=lan0,10,1800"),
        *(f"--dhcp-range={NETWORK},ra-only,64,1h", f"--dhcp-option=option6:dns-server,[{RESOLVER}]"),
        *([f"--host-record=ipv4only.arpa,{NAT64}192.0.0.170"] if nat64 else []),
        *(f"--dhcp-leasefile={folder}/leases", f"--pid-file={folder}/pid", f"--log-facility={folder}/log"),
    )
    processes.start(place, machine, within(here, argv))


def _translate(place: Place, router: str) -> None:
    here, machine = place.namespace(ROUTERS[router].machine), ROUTERS[router].machine
    folder = place.folder(machine)
    settings = folder / "tayga.conf"
    settings.write_text(
        f"tun-device nat64\nipv4-addr {_INSIDE}.1\nprefix {NAT64}/96\n"
        f"ipv6-addr 2001:db8:bb::1\ndynamic-pool {_INSIDE}.0/24\ndata-dir {folder}\n"
    )
    program = ("tayga", "--config", str(settings))
    run(*within(here, (*program, "--mktun")))
    run("ip", "-n", here, "link", "set", "nat64", "up")
    run("ip", "-n", here, "route", "add", f"{_INSIDE}.0/24", "dev", "nat64")
    run("ip", "-n", here, "-6", "route", "add", f"{NAT64}/96", "dev", "nat64")
    run(*within(here, ("nft", "insert", "rule", "ip", "router", "passing", "iifname", "nat64", "accept")))
    processes.start(place, f"{machine}-nat64", within(here, (*program, "--nodetach")))


def as_ever(place: Place, router: str) -> None:
    """End of `only_six`."""
    here, machine = place.namespace(ROUTERS[router].machine), ROUTERS[router].machine
    processes.end(place, f"{machine}-nat64")
    run("ip", "-n", here, "link", "delete", "nat64", check=False)
    for setting in ("conf/all/disable_ipv6", "conf/default/disable_ipv6", "conf/lan0/disable_ipv6"):
        set_sysctl(here, f"net/ipv6/{setting}", "1")
    topology.serve_as_ever(place, router)


def wire_hq(place: Place, router: str) -> None:
    """HQ's machine, the internet and this router's provider speak IPv6, too; no translation is needed."""
    provider = ROUTERS[router].internet_side
    ends = (
        ("internet", "hq0", "2001:db8:1::1/64"),
        ("hq", "wan0", f"{HQ}/64"),
        ("internet", provider, "2001:db8:2::1/64"),
        (ROUTERS[router].machine, "wan0", "2001:db8:2::2/64"),
    )
    for machine, link, address in ends:
        for where in ("all", "default", link):
            set_sysctl(place.namespace(machine), f"net/ipv6/conf/{where}/disable_ipv6", "0")
        run("ip", "-n", place.namespace(machine), "address", "replace", address, "dev", link, "nodad")
    set_sysctl(place.namespace("internet"), "net/ipv6/conf/all/forwarding", "1")
    _route(place, "internet", f"{NETWORK}/64", "2001:db8:2::2")
    _route(place, "hq", "default", "2001:db8:1::1")
    _route(place, ROUTERS[router].machine, "default", "2001:db8:2::1")


def unwire_hq(place: Place, router: str) -> None:
    for machine in ("internet", "hq", ROUTERS[router].machine):
        set_sysctl(place.namespace(machine), "net/ipv6/conf/all/disable_ipv6", "1")


def _route(place: Place, machine: str, network: str, via: str) -> None:
    run("ip", "-n", place.namespace(machine), "-6", "route", "replace", network, "via", via)
