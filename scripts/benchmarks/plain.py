"""What throughput is compared with: the same laptop and the same desktop, joined by plain `wg-quick`.

    laptop ── box ──(wg-quick)── router A ── internet ── hub ── desktop

Of its own are the box and the hub, each a namespace that forwards and filters nothing; router A masquerades for
both. Cables and addresses are beside those of the exercise, so that both ways exist at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import Place, started_at
from scripts.exercise.processes import Running, run, within

LAPTOP, DESKTOP = "10.30.0.2", "10.40.0.20"
HUB = "203.0.114.10"
PORT = 51820
LINK = "plain0"

# (machine, link, address) of both ends of each cable; "box" and "hub" are the plain ones.
CABLES = (
    (("laptop", LINK, f"{LAPTOP}/24"), ("plain-box", "lan0", "10.30.0.1/24")),
    (("router-a", LINK, "192.168.2.1/24"), ("plain-box", "wan0", "192.168.2.2/24")),
    (("internet", LINK, "203.0.114.1/24"), ("plain-hub", "wan0", f"{HUB}/24")),
    (("desk", LINK, f"{DESKTOP}/24"), ("plain-hub", "corp0", "10.40.0.1/24")),
)
ROUTES = (
    ("laptop", "10.40.0.0/24", "10.30.0.1"),
    ("desk", "10.30.0.0/24", "10.40.0.1"),
    ("plain-box", "default", "192.168.2.1"),
    ("plain-hub", "default", "203.0.114.1"),
)
OWN = ("plain-box", "plain-hub")


@contextmanager
def way(here: Place) -> Iterator[Path]:
    """The plain way from laptop to desktop, inside an exercise that is up. Yields the folder of its settings."""
    _remove(here)
    folder = here.folder("plain", mode=0o700)
    try:
        for machine in OWN:
            run("ip", "netns", "add", here.namespace(machine))
            run("ip", "-n", here.namespace(machine), "link", "set", "lo", "up")
            set_sysctl(here.namespace(machine), "net/ipv4/ip_forward", "1")
        for near, far in CABLES:
            _cable(here, near, far)
        for machine, network, gateway in ROUTES:
            run("ip", "-n", here.namespace(machine), "route", "add", network, "via", gateway)
        inside_router = within(
            here.namespace("router-a"),
            (
                "nft",
                "insert",
                "rule",
                "ip",
                "router",
                "passing",
                "iifname",
                LINK,
                "oifname",
                "wan0",
                "accept",
            ),
        )
        run(*inside_router)
        _keys(folder)
        yield folder
    finally:
        _remove(here)


def up(here: Place, folder: Path, mtu: int) -> None:
    """(Re)make both ends of the tunnel with this MTU."""
    for machine in OWN:
        down(here, machine)
    _write(folder / f"{link(here, 'plain-hub')}.conf", _hub(folder, mtu))
    _write(folder / f"{link(here, 'plain-box')}.conf", _box(folder, mtu))
    for machine in ("plain-hub", "plain-box"):
        run(*_quick(here, machine, "up"))


def down(here: Place, machine: str) -> None:
    run(*_quick(here, machine, "down"), check=False)
    _end(here, machine)


def link(here: Place, machine: str) -> str:
    """wireguard-go keeps one folder of sockets for the whole machine: a name of its own for each."""
    return f"{here.prefix[:8]}-p{machine[6]}"


def _quick(here: Place, machine: str, verb: str) -> tuple[str, ...]:
    # In a session of its own, as a service has it: the kernel shares the processors out between sessions, and
    # wireguard-go in the benchmark's own would have had to share with iperf3.
    conf = here.root / "plain" / f"{link(here, machine)}.conf"
    return within(here.namespace(machine), ("setsid", "--wait", "wg-quick", verb, str(conf)), mounts=False)


def _keys(folder: Path) -> None:
    for name in ("box", "hub"):
        private = run("wg", "genkey").strip()
        _write(folder / f"{name}.key", private)
        _write(folder / f"{name}.pub", run("wg", "pubkey", text=private).strip())


def _hub(folder: Path, mtu: int) -> str:
    own, other = (folder / "hub.key").read_text(), (folder / "box.pub").read_text()
    return (
        f"[Interface]\nAddress = 10.50.0.1/24\nMTU = {mtu}\nListenPort = {PORT}\nPrivateKey = {own}\n"
        f"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.50.0.2/32, 10.30.0.0/24\n"
    )


def _box(folder: Path, mtu: int) -> str:
    own, other = (folder / "box.key").read_text(), (folder / "hub.pub").read_text()
    return (
        f"[Interface]\nAddress = 10.50.0.2/24\nMTU = {mtu}\nPrivateKey = {own}\n"
        f"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.50.0.1/32, 10.40.0.0/24\n"
        f"Endpoint = {HUB}:{PORT}\nPersistentKeepalive = 25\n"
    )


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _cable(here: Place, near: tuple[str, str, str], far: tuple[str, str, str]) -> None:
    machine, name, _ = near
    peer = here.namespace(far[0])
    run(
        *("ip", "-n", here.namespace(machine), "link", "add", name, "type", "veth"),
        "peer",
        "name",
        far[1],
        "netns",
        peer,
    )
    for where, which, address in (near, far):
        run("ip", "-n", here.namespace(where), "address", "add", address, "dev", which)
        run("ip", "-n", here.namespace(where), "link", "set", which, "up")


def _end(here: Place, machine: str) -> None:
    """Every process in one of our own namespaces: wireguard-go goes into the background."""
    pids = [int(x) for x in run("ip", "netns", "pids", here.namespace(machine), check=False).split()]
    processes.finish([Running(x, started_at(x)) for x in pids])
    (Path("/run/wireguard") / f"{link(here, machine)}.sock").unlink(missing_ok=True)


def _remove(here: Place) -> None:
    """Also what a benchmark that was killed has left."""
    for machine in OWN:
        if Path("/run/netns", here.namespace(machine)).exists():
            _end(here, machine)
            run("ip", "netns", "delete", here.namespace(machine))
    for machine in ("laptop", "router-a", "internet", "desk"):
        run("ip", "-n", here.namespace(machine), "link", "delete", LINK, check=False)
    shutil.rmtree(here.root / "plain", ignore_errors=True)
