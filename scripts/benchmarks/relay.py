"""Laptop → desktop through the box, over UDP and then over the relay, in the same run: the line's router is told to let
no UDP through, and the box finds its way by itself."""

from __future__ import annotations

import time

from scripts.benchmarks import throughput
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell, protected
from scripts.benchmarks.throughput import BOX, DOWN, FLEET, PATIENCE, UP
from scripts.exercise import machines
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

LOST = "line-lost"
AT_LEAST = 20.0  # Mbit/s
NO_UDP = """
table ip closed {
  chain passing {
    type filter hook forward priority -5; policy accept;
    meta l4proto udp drop
  }
}
"""


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    with protected(tell) as here:
        throughput.serve(here, (BOX,))
        laptop = Client(here, "laptop")
        laptop.start()
        laptop.wait(FLEET, patience=PATIENCE)
        udp = samples(here, runs, tell, "UDP")
        run(*within(here.namespace("router-a"), ("nft", "-f", "-")), text=NO_UDP)
        took = until_relayed(here)
        tell(f"by the relay after {took:.1f} s")
        relay = samples(here, runs, tell, "relay")
    return (
        *(
            Figure(name=f"by the relay, {where}", unit="Mbit/s", values=relay[where], at_least=AT_LEAST)
            for where in (UP, DOWN)
        ),
        *(Figure(name=f"over UDP, {where}", unit="Mbit/s", values=udp[where]) for where in (UP, DOWN)),
        Figure(name="UDP cut to the relay", unit="s", values=(took,)),
    )


def samples(here: Place, runs: int, tell: Tell, way: str) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for where in (UP, DOWN):
        found[where] = tuple(throughput.sample(here, BOX, where).megabits for _ in range(runs))
        tell(f"{way}, {where}: " + ", ".join(f"{x:.0f}" for x in found[where]) + " Mbit/s")
    return found


def until_relayed(here: Place) -> float:
    """Seconds until the hub answers inside the tunnel by the relay."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        status = machines.status(here) or {"uplinks": [], "reason": LOST}
        doors = [x["door"] for x in status["uplinks"] if x["active"]]
        if doors == ["relay/443"] and status["reason"] != LOST:
            return time.monotonic() - started
        time.sleep(0.05)
    raise TimeoutError("the box did not find the relay")
