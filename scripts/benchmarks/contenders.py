"""What is used today, on the same routers with the same cuts: one WireGuard tunnel and two default routes, alone or
with a tracker as mwan3 runs it at its defaults. The box is a plain Linux router; it filters nothing.

Both may ignore a route whose cable is out at once (`ignore_routes_with_linkdown`), as a network manager would.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.exercise import processes, topology
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import Place, started_at
from scripts.exercise.processes import Running, run, within

HUB, PORT = "203.0.113.10", 51820
LAPTOP, BOX_LAN = "10.30.0.2", "10.30.0.1"
ADDRESSES = {"a": ("eth0", "192.168.1.100", "192.168.1.1"), "b": ("usb0", "192.168.8.100", "192.168.8.1")}
SOMEBODY = "192.0.2.80"  # the tracker asks some well-known server

# mwan3's defaults (its README and /etc/config/mwan3): ping count 1, timeout 4 s, interval 10 s, down 5, up 5
TIMEOUT, INTERVAL, DOWN, UP = 4, 10.0, 5, 5


@contextmanager
def plain(place: Place, *, tracked: bool) -> Iterator[None]:
    """A whole exercise of its own with the contender inside."""
    over = threading.Event()
    topology.up(place)
    trackers = []
    try:
        _wire(place)
        _tunnel(place)
        if tracked:
            trackers = [threading.Thread(target=_track, args=(place, x, over)) for x in "ab"]
            for x in trackers:
                x.start()
        yield
    finally:
        over.set()
        for x in trackers:
            x.join()
        for machine in ("box", "hq"):
            pids = run("ip", "netns", "pids", place.namespace(machine), check=False).split()
            processes.finish([Running(int(x), started_at(int(x))) for x in pids])
            Path("/run/wireguard", f"{_link(place, machine)}.sock").unlink(missing_ok=True)
        topology.down(place)


def _ip(place: Place, machine: str, *lines: str) -> None:
    run("ip", "-n", place.namespace(machine), "-batch", "-", text="\n".join(lines) + "\n")


def _wire(place: Place) -> None:
    box = place.namespace("box")
    for machine in ("box", "hq"):
        set_sysctl(place.namespace(machine), "net/ipv4/ip_forward", "1")
    for key in ("all", "default", "eth0", "usb0"):
        set_sysctl(box, f"net/ipv4/conf/{key}/ignore_routes_with_linkdown", "1")
        set_sysctl(box, f"net/ipv4/conf/{key}/rp_filter", "0")
    _ip(place, "box", "link set port1 up", f"address add {BOX_LAN}/24 dev port1")
    _ip(place, "laptop", f"address add {LAPTOP}/24 dev eth0", f"route add default via {BOX_LAN}")
    for router, (link, address, _) in ADDRESSES.items():
        _ip(place, "box", f"link set {link} up", f"address add {address}/24 dev {link}")
        topology.plug(place, router)
        _route(place, router, add=True)


def make_twins(place: Place) -> None:
    """From now on router B hands out router A's subnet, and the box has the same address on both lines."""
    link, own, gateway = ADDRESSES["b"]
    _, twin, same = ADDRESSES["a"]
    _route(place, "b", add=False)
    _ip(place, "box", f"address delete {own}/24 dev {link}", f"address add {twin}/24 dev {link}")
    _ip(place, "router-b", f"address delete {gateway}/24 dev lan0", f"address add {same}/24 dev lan0")
    _route(place, "b", add=True)


def _route(place: Place, router: str, *, add: bool) -> None:
    link, gateway = ADDRESSES[router][0], _gateway(place, router)
    metric = "100" if router == "a" else "200"
    verb = "replace" if add else "delete"
    run(
        *("ip", "-n", place.namespace("box"), "route", verb, "default", "via", gateway, "dev", link),
        *("metric", metric),
        check=False,
    )


def _gateway(place: Place, router: str) -> str:
    """The router's address by now."""
    said = json.loads(
        run("ip", "-n", place.namespace(f"router-{router}"), "-json", "address", "show", "lan0")
    )
    return str(said[0]["addr_info"][0]["local"])


def _tunnel(place: Place) -> None:
    folder = place.folder("plain", mode=0o700)
    keys = {}
    for machine in ("box", "hq"):
        private = run("wg", "genkey").strip()
        keys[machine] = (private, run("wg", "pubkey", text=private).strip())
    (box, box_public), (hub, hub_public) = keys["box"], keys["hq"]
    texts = {
        "hq": f"[Interface]\nAddress = 10.50.0.1/24\nListenPort = {PORT}\nPrivateKey = {hub}\n"
        f"[Peer]\nPublicKey = {box_public}\nAllowedIPs = 10.50.0.2/32, 10.30.0.0/24\n",
        "box": f"[Interface]\nAddress = 10.50.0.2/24\nPrivateKey = {box}\n"
        f"[Peer]\nPublicKey = {hub_public}\nAllowedIPs = 10.50.0.1/32, 10.10.0.0/24\n"
        f"Endpoint = {HUB}:{PORT}\nPersistentKeepalive = 25\n",
    }
    for machine, text in texts.items():
        conf = folder / f"{_link(place, machine)}.conf"
        conf.touch(mode=0o600)
        conf.write_text(text)
        run(*within(place.namespace(machine), ("wg-quick", "up", str(conf)), mounts=False))


def line_in_use(place: Place) -> str:
    """The router that the tunnel's packets come in by: the device stays where it last heard the hub, whatever the
    routes say."""

    def received() -> dict[str, int]:
        found = json.loads(run("ip", "-n", place.namespace("box"), "-s", "-json", "link"))
        return {x["ifname"]: x["stats64"]["rx"]["bytes"] for x in found}

    before = received()
    time.sleep(1.0)
    after = received()
    return max(ADDRESSES, key=lambda x: after[ADDRESSES[x][0]] - before[ADDRESSES[x][0]])


def _link(place: Place, machine: str) -> str:
    return f"{place.prefix[:10]}-{machine[0]}"


def _track(place: Place, router: str, over: threading.Event) -> None:
    """Out after five pings in a row without an answer, in again after five with one."""
    link = ADDRESSES[router][0]
    argv = ("ping", "-q", "-n", "-I", link, "-c", "1", "-W", str(TIMEOUT), SOMEBODY)
    up, count = True, 0
    while not over.is_set():
        said = run(*within(place.namespace("box"), argv), check=False)
        good = " 1 received" in said
        count = 0 if good is up else count + 1
        if count >= (DOWN if up else UP):
            up, count = not up, 0
        _route(place, router, add=up) if up else _route(place, router, add=False)
        over.wait(INTERVAL)
