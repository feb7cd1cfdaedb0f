"""How long a key takes to the desktop and back while somebody else fills the line, with the box's queue control and
without it.

The mobile router's line is held to its speed by a deep queue that drops late, as such lines do. One laptop types, the
other one (the phone's place, registered for this) downloads and uploads with several connections at once. `added` is
what the load adds to the round trip of a key on the same idle line.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from appliance.control import ask
from scripts.benchmarks import stand
from scripts.benchmarks.failover import percentile
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.keys import Echo, Keys
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, processes
from scripts.exercise.dhcp import Client
from scripts.exercise.place import PACE, Place
from scripts.exercise.processes import run, within

FLEET = "10.211.0.0/16"
SCREEN, BULK = "10.10.0.22", "10.10.0.21"  # two more desktops: one answers keys, one serves iperf3
SCREEN_PORT, BULK_PORT = 5900, 443
DEPTH = 400_000  # octets that the router's queue holds: a second at 3 Mbit/s, three at 1 Mbit/s
IDLE, LEARN, WATCH = 4.0, 12.0, 30.0  # seconds: of the idle line, until the rate is known, and measured
AT_MOST = 30.0  # ms
AWAY = ("netem", "delay", "15ms", "limit", "5000")  # each way, as far as a mobile carrier's network is
CONNECTIONS = 4  # each way


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    down: str = ""  # of tc(8); "" for as fast as it goes
    up: str = ""


LINES = (
    Line(name="3/1 Mbit/s", down="3mbit", up="1mbit"),
    Line(name="20/5 Mbit/s", down="20mbit", up="5mbit"),
    Line(name="unlimited"),
)


@dataclass(slots=True)
class Seen:
    """Of one line, one way of working. Milliseconds and Mbit/s."""

    added: list[float] = field(default_factory=list)
    at_first: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    found: dict[tuple[str, bool], Seen] = {}
    with stand.protected(tell) as here:
        prepare(here)
        echo = Echo(here, SCREEN, SCREEN_PORT)
        for _ in range(runs):
            for line in LINES:
                for kept in (False, True):
                    seen = found.setdefault((line.name, kept), Seen())
                    with narrowed(here, line):
                        once(here, kept, seen)
                    tell(f"{line.name}, {word(kept)}: {said(seen)}")
        echo.close()
    return tuple(figures(found))


def word(kept: bool) -> str:
    return "with" if kept else "without"


def said(seen: Seen) -> str:
    return (
        f"added p50 {percentile(tuple(seen.added), 50):.0f} p95 {percentile(tuple(seen.added), 95):.0f} ms, "
        f"at first {max(seen.at_first):.0f} ms at most, {seen.down[-1]:.1f} / {seen.up[-1]:.1f} Mbit/s, "
        f"{seen.rates[-1]}"
    )


def once(here: Place, kept: bool, seen: Seen) -> None:
    """An idle line, then a full one."""
    restart(here, kept)
    keys = Keys(here, "laptop", SCREEN, SCREEN_PORT)
    keys.start()
    time.sleep(IDLE + 1.0)
    idle = keys.between(time.monotonic() - IDLE, time.monotonic())
    usual = statistics.median(idle)
    seen.idle += idle
    load = Filling(here, LEARN + WATCH)
    begun = time.monotonic()
    time.sleep(LEARN + WATCH)
    seen.rates.append(in_force(here))
    seen.at_first += [x - usual for x in keys.between(begun, begun + LEARN)]
    seen.added += [x - usual for x in keys.between(begun + LEARN, begun + LEARN + WATCH)]
    load.wait()
    keys.stop()
    down, up = load.speeds()
    seen.down.append(down)
    seen.up.append(up)


def prepare(here: Place) -> None:
    """Two more desktops, a second registered laptop, and both laptops on the LAN."""
    for address in (SCREEN, BULK):
        run("ip", "-n", here.namespace("desk"), "address", "add", f"{address}/24", "dev", "eth0")
    argv = ("iperf3", "--server", "--bind", BULK, "--port", str(BULK_PORT))
    processes.start(here, "iperf-bulk", within(here.namespace("desk"), argv))
    told = json.loads(run("ip", "-json", "-n", here.namespace("phone"), "link", "show", "eth0"))
    mac = told[0]["address"]
    for words in (
        ("desktop", "add", "gamen", "--title", "画面", "--host", SCREEN, "--profile", "vnc"),
        (
            "desktop",
            "add",
            "sokudo",
            "--title",
            "速度",
            "--host",
            f"gateway={BULK}",
            "--profile",
            "rd-gateway",
        ),
        ("device", "add", "NS-0002", "--title", "隣のパソコン", "--mac", mac, "--desktop", "*"),
    ):
        machines.noroshi(here, "hq", "hq", *words)
    for who in ("laptop", "phone"):
        client = Client(here, who)
        client.start()
        client.wait(FLEET, patience=20.0 * PACE)
    wait_for_desktops(here)


def wait_for_desktops(here: Place) -> None:
    deadline = time.monotonic() + 30.0 * PACE
    while True:
        status: dict[str, Any] = machines.status(here) or {"desktops": []}
        if {"gamen", "sokudo"} <= {x["name"] for x in status["desktops"] if x["open"]}:
            return
        if time.monotonic() > deadline:
            raise TimeoutError("the box never opened the other desktops")
        time.sleep(0.1)


def restart(here: Place, kept: bool) -> None:
    """The box's daemon anew, with queue control or without; the kernel keeps what it made."""
    for value in (False, kept):  # off in between: what was learnt of the last line is forgotten
        stand.tell_the_box(here, {"keeps_rates": value})
        processes.end(here, "box", patience=5.0)
        machines.power_on(here, "box")
        machines.wait_for_door(here, "box")
        stand.wait_for_phase(here, *stand.OPEN)
        wait_for_desktops(here)


def far(here: Place) -> bool:
    """Router A's line gets a distance, both ways; False where this kernel has no netem."""
    router = here.namespace("router-a")
    try:
        for link in ("lan0", "wan0"):
            run(*within(router, ("tc", "qdisc", "replace", "dev", link, "root", "handle", "1:", *AWAY)))
    except RuntimeError:
        return False
    return True


@contextmanager
def narrowed(here: Place, line: Line) -> Iterator[None]:
    """Router A's line at this speed, with a queue that is too long, behind its distance."""
    router = here.namespace("router-a")
    place = ("parent", "1:") if far(here) else ("root",)
    for link, rate in (("lan0", line.down), ("wan0", line.up)):
        if rate:
            shape = ("tbf", "rate", rate, "burst", "3000", "limit", str(DEPTH))
            run(*within(router, ("tc", "qdisc", "replace", "dev", link, *place, *shape)))
    try:
        yield
    finally:
        for link in ("lan0", "wan0"):
            run(*within(router, ("tc", "qdisc", "delete", "dev", link, "root")), check=False)


class Filling:
    """iperf3 both ways at once, CUBIC as Windows has it. It serves one guest at a time, and the box greets its
    desktops now and then: who is sent away asks again."""

    def __init__(self, here: Place, seconds: float) -> None:
        self._argv: tuple[str, ...] = (
            "iperf3",
            "--client",
            BULK,
            "--port",
            str(BULK_PORT),
            "--bidir",
            "--json",
        )
        self._argv += ("--congestion", "cubic", "--parallel", str(CONNECTIONS), "--time", str(int(seconds)))
        self._inside = here.namespace("phone")
        self._said: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            self._said = json.loads(run(*within(self._inside, self._argv), check=False, timeout=120) or "{}")
            if "sum_received" in self._said.get("end", {}):
                return
            time.sleep(0.3)

    def wait(self) -> None:
        self._thread.join(60)

    def speeds(self) -> tuple[float, float]:
        """(down, up) in Mbit/s as received."""
        told = self._said.get("end", {})
        if "sum_received" not in told:
            raise RuntimeError(f"iperf3: {self._said.get('error', 'no answer')}")
        back = told["sum_received_bidir_reverse"]["bits_per_second"]
        return back / 1e6, told["sum_received"]["bits_per_second"] / 1e6


def in_force(here: Place) -> str:
    """Which discipline holds the tunnel, and to what."""
    seen: dict[str, Any] = ask(machines.door(here, "box"), {"ask": "snapshot"}, timeout=5.0)["observed"]
    rates = {x["down"]: x["rate"] / 1e6 for x in seen["shapers"]}
    if not rates:
        return "not held"
    shown = run(*within(here.namespace("field"), ("tc", "qdisc", "show")))
    kind = "CAKE" if "qdisc cake" in shown else "HTB"
    return f"held by {kind} to {rates.get(True, 0.0):.2f} / {rates.get(False, 0.0):.2f} Mbit/s"


def figures(found: dict[tuple[str, bool], Seen]) -> Iterator[Figure]:
    for (line, kept), x in found.items():
        name, added = f"{line}, {word(kept)}", tuple(x.added)
        limit = AT_MOST if kept and line != LINES[-1].name else None
        yield Figure(name=f"{name}: a key, line idle", unit="ms", values=tuple(x.idle))
        yield Figure(name=f"{name}: added p50", unit="ms", values=(percentile(added, 50),))
        yield Figure(name=f"{name}: added p95", unit="ms", values=(percentile(added, 95),), at_most=limit)
        yield Figure(name=f"{name}: added p99", unit="ms", values=(percentile(added, 99),))
        yield Figure(name=f"{name}: longest in the first {LEARN:.0f} s", unit="ms", values=(max(x.at_first),))
        yield Figure(name=f"{name}: download", unit="Mbit/s", values=tuple(x.down))
        yield Figure(name=f"{name}: upload", unit="Mbit/s", values=tuple(x.up))


def objects(figures: tuple[Figure, ...]) -> dict[str, Any]:
    """One object for each line and way of working, for `--json`."""
    told: dict[str, Any] = {}
    for x in figures:
        who, _, what = x.name.partition(": ")
        told.setdefault(who, {})[what] = round(x.median, 2)
    return told
