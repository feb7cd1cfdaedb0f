"""Laptop → desktop through the box (A), against plain `wg-quick` between the same two ends (B), in turns.

The desktop's side is iperf3 on an address of the desktop machine that HQ has registered as a second desktop: what
the box lets through, it lets through by its own rules. B has the box's MTU; wg-quick's own default is told aside.
"""

from __future__ import annotations

import json
import time

from scripts.benchmarks import plain, stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, processes
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

AT_LEAST = 0.95
SECONDS = 4  # of each sample; the first of them does not count
USUAL_MTU = 1420  # wg-quick(8) over an Ethernet of 1500
ADDRESS, PORT = "10.10.0.21", 443
FLEET = "10.211.0.0/16"
PATIENCE = 20.0


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    with stand.protected(tell) as here, plain.way(here) as folder:
        serve(here)
        laptop = Client(here, "laptop")
        laptop.start()
        laptop.wait(FLEET, patience=PATIENCE)
        plain.up(here, folder, mtu_of_the_box(here))
        samples = in_turns(here, runs, tell, reverse=False)
        back = in_turns(here, runs, tell, reverse=True)
        plain.up(here, folder, USUAL_MTU)
        usual = [megabits(here, plain.DESKTOP, reverse=False) for _ in range(runs)]
    return (
        Figure(name="box ÷ wg-quick, laptop to desktop", unit="", values=ratios(samples), at_least=AT_LEAST),
        Figure(name="box ÷ wg-quick, desktop to laptop", unit="", values=ratios(back), at_least=AT_LEAST),
        *(
            Figure(name=f"{who}, {where}", unit="Mbit/s", values=tuple(x[i] for x in found))
            for where, found in (("laptop to desktop", samples), ("desktop to laptop", back))
            for i, who in enumerate(("box", "wg-quick"))
        ),
        Figure(
            name=f"wg-quick with its usual MTU of {USUAL_MTU}, to desktop", unit="Mbit/s", values=tuple(usual)
        ),
    )


def mtu_of_the_box(here: Place) -> int:
    tunnel = machines.table(here)["box"].told["tunnel"]
    found = json.loads(run("ip", "-json", "-n", here.namespace("field"), "link", "show", tunnel))
    return int(found[0]["mtu"])


def ratios(samples: list[tuple[float, float]]) -> tuple[float, ...]:
    return tuple(box / other for box, other in samples)


def in_turns(here: Place, runs: int, tell: Tell, *, reverse: bool) -> list[tuple[float, float]]:
    """Megabits a second, (box, plain), one after the other; who begins changes."""
    found = []
    for number in range(runs):
        order = (ADDRESS, plain.DESKTOP) if number % 2 == 0 else (plain.DESKTOP, ADDRESS)
        seen = {address: megabits(here, address, reverse=reverse) for address in order}
        found.append((seen[ADDRESS], seen[plain.DESKTOP]))
        tell(
            f"{'desktop to laptop' if reverse else 'laptop to desktop'}: box {found[-1][0]:.0f}, wg-quick {found[-1][1]:.0f} Mbit/s"
        )
    return found


def serve(here: Place) -> None:
    """One iperf3 for each way, on the desktop machine; the box's is registered at HQ like any desktop."""
    run("ip", "-n", here.namespace("desk"), "address", "add", f"{ADDRESS}/24", "dev", "eth0")
    for name, address in (("iperf-box", ADDRESS), ("iperf-plain", plain.DESKTOP)):
        argv = ("iperf3", "--server", "--bind", address, "--port", str(PORT))
        processes.start(here, name, within(here.namespace("desk"), argv))
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


def megabits(here: Place, address: str, *, reverse: bool) -> float:
    """One sample. iperf3 serves one guest at a time, and the box greets its desktops now and then: ask again."""
    argv = [
        "iperf3",
        "--client",
        address,
        "--port",
        str(PORT),
        "--time",
        str(SECONDS),
        "--omit",
        "1",
        "--json",
    ]
    argv += ["--connect-timeout", "3000"] + (["--reverse"] if reverse else [])
    deadline = time.monotonic() + PATIENCE
    while True:
        said = json.loads(run(*within(here.namespace("laptop"), argv), check=False) or "{}")
        if "end" in said and "sum_received" in said["end"]:
            return float(said["end"]["sum_received"]["bits_per_second"]) / 1e6
        if time.monotonic() > deadline:
            raise RuntimeError(f"iperf3 to {address}: {said.get('error', 'no answer')}")
        time.sleep(0.3)
