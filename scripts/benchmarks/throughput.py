"""Laptop → desktop through the box (A), against plain `wg-quick` between the same two ends (B), in turns.

The desktop's side is iperf3 on an address of the desktop machine that HQ has registered as a second desktop: what
the box lets through, it lets through by its own rules. B has the box's MTU; wg-quick's own default is told aside.
Queue control is off: where a processor carries less than a line of 100 Mbit/s, the box would hold its tunnel below that.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks import plain, population, stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, processes
from scripts.exercise.dhcp import Client
from scripts.exercise.place import PACE, Place
from scripts.exercise.processes import run, within

AT_LEAST = 0.95
SECONDS = 4  # of each sample
UP, DOWN = "laptop to desktop", "desktop to laptop"
USUAL_MTU = 1420  # wg-quick(8) over an Ethernet of 1500
ADDRESS, PORT = "10.10.0.21", 443
FLEET = "10.211.0.0/16"
PATIENCE = 20.0 * PACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`cost`: seconds of processor time a gigabyte, of everything on the way: what the kernel does for a packet
    counts for the program that handed it in. It says what is dear even where other work disturbs the clock."""

    megabits: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    name: str
    address: str
    machines: tuple[str, ...]  # where its WireGuard runs

    @property
    def server(self) -> str:
        return f"iperf-{self.name}"


BOX = Way(name="box", address=ADDRESS, machines=("box", "field", "hq"))
PLAIN = Way(name="wg-quick", address=plain.DESKTOP, machines=plain.OWN)
Pair = tuple[Sample, Sample]


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    with stand.protected(tell, keeps_rates=False) as here, plain.way(here) as folder:
        serve(here)
        laptop = Client(here, "laptop")
        laptop.start()
        laptop.wait(FLEET, patience=PATIENCE)
        plain.up(here, folder, mtu_of_the_box(here))
        found = {where: in_turns(here, runs, tell, where) for where in (UP, DOWN)}
        plain.up(here, folder, USUAL_MTU)
        usual = tuple(sample(here, PLAIN, UP).megabits for _ in range(runs))
    return (
        *figures(found),
        Figure(name=f"wg-quick, {UP}, its usual MTU {USUAL_MTU}", unit="Mbit/s", values=usual),
    )


def figures(found: Mapping[str, Sequence[Pair]]) -> Iterator[Figure]:
    """From (box, plain) samples by direction."""
    for where, pairs in found.items():
        ratios = tuple(box.megabits / other.megabits for box, other in pairs)
        yield Figure(name=f"box ÷ wg-quick, {where}", unit="", values=ratios, at_least=AT_LEAST)
    for where, pairs in found.items():
        ratios = tuple(other.cost / box.cost for box, other in pairs)
        yield Figure(name=f"the same by processor time, {where}", unit="", values=ratios)
    for where, pairs in found.items():
        for i, way in enumerate((BOX, PLAIN)):
            name = f"{way.name}, {where}"
            yield Figure(name=name, unit="Mbit/s", values=tuple(x[i].megabits for x in pairs))
            yield Figure(name=f"  {name}", unit="s/GB", values=tuple(x[i].cost for x in pairs))


def mtu_of_the_box(here: Place) -> int:
    tunnel = machines.table(here)["box"].told["tunnel"]
    found = json.loads(run("ip", "-json", "-n", here.namespace("field"), "link", "show", tunnel))
    return int(found[0]["mtu"])


def in_turns(here: Place, runs: int, tell: Tell, where: str) -> list[Pair]:
    """(box, plain), one after the other; who begins changes."""
    found = []
    for number in range(runs):
        order = (BOX, PLAIN) if number % 2 == 0 else (PLAIN, BOX)
        seen = {way.name: sample(here, way, where) for way in order}
        found.append((seen[BOX.name], seen[PLAIN.name]))
        tell(f"{where}: " + ", ".join(f"{name} {x.megabits:.0f} Mbit/s" for name, x in seen.items()))
    return found


def serve(here: Place, ways: Sequence[Way] = (BOX, PLAIN)) -> None:
    """One iperf3 for each way, on the desktop machine; the box's is registered at HQ like any desktop."""
    run("ip", "-n", here.namespace("desk"), "address", "add", f"{ADDRESS}/24", "dev", "eth0")
    for way in ways:
        argv = ("iperf3", "--server", "--bind", way.address, "--port", str(PORT))
        processes.start(here, way.server, within(here.namespace("desk"), argv))
    machines.noroshi(
        *(here, "hq", "hq", "desktop", "add", "sokudo", "--title", "速度"),
        *("--host", f"gateway={ADDRESS}", "--profile", "rd-gateway"),
    )
    deadline = time.monotonic() + PATIENCE
    while not any(
        x["name"] == "sokudo" and x["open"] for x in (machines.status(here) or {"desktops": []})["desktops"]
    ):
        if time.monotonic() > deadline:
            raise TimeoutError("the box never opened the second desktop")
        time.sleep(0.1)


def sample(here: Place, way: Way, where: str) -> Sample:
    """iperf3 serves one guest at a time, and the box greets its desktops now and then: ask again."""
    argv = ("iperf3", "--client", way.address, "--port", str(PORT), "--time", str(SECONDS), "--json")
    argv += ("--connect-timeout", "3000", *(("--reverse",) if where == DOWN else ()))
    working = workers(here, way)
    deadline = time.monotonic() + PATIENCE
    while True:
        before = spent(working)
        said = json.loads(run(*within(here.namespace("laptop"), argv), check=False) or "{}")
        if "end" in said and "sum_received" in said["end"]:
            end = said["end"]["sum_received"]
            cost = (spent(working) - before) / end["bytes"] * 1e9
            return Sample(megabits=end["bits_per_second"] / 1e6, cost=cost)
        if time.monotonic() > deadline:
            raise RuntimeError(f"iperf3 to {way.address}: {said.get('error', 'no answer')}")
        time.sleep(0.3)


def workers(here: Place, way: Way) -> tuple[int, ...]:
    """WireGuard's programs on this way, where the kernel has none, and the desktop's iperf3."""
    server = processes.recorded(here, way.server)
    assert server is not None
    found = [server.pid]
    for machine in way.machines:
        pids = [int(x) for x in run("ip", "netns", "pids", here.namespace(machine)).split()]
        found += [x for x in pids if name_of(x) == "wireguard-go"]
    return tuple(found)


def name_of(pid: int) -> str:
    """ "" for one that has ended since."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def spent(pids: tuple[int, ...]) -> float:
    """Seconds of processor time of these, and of the clients we have run to their end."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return population.processor_time(pids) + ended.ru_utime + ended.ru_stime
