"""What keeping lines tested costs on the wire, and what HQ's wish for both lines at once costs: bytes on each line and
processor time. Bytes are a line's both directions with Ethernet headers, health reports included."""

from __future__ import annotations

import json
import time
from collections import defaultdict

from scripts.benchmarks import failover, population, stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, topology
from scripts.exercise.place import Place
from scripts.exercise.processes import run

WINDOW, IDLE, SETTLING = 30.0, 61.0, 12.0  # seconds; an idle metered spare is asked once a minute
METERED = 2000.0  # bytes a second on an idle metered line
WIREGUARD = "wireguard-go"


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)

    def look(name: str) -> None:
        time.sleep(SETTLING)
        for _ in range(runs):
            found[name].append(_window(here, IDLE if name.startswith("idle") else WINDOW))
            tell(f"{name}: " + ", ".join(f"{k} {v:.1f}" for k, v in found[name][-1].items()))

    with stand.protected(tell) as here:
        _policy(here, "--in-need", "ethernet,usb")
        look("idle, one metered line")
        topology.plug(here, "b")
        _policy(here, "--in-need", "usb")
        look("idle, metered spare")
        _policy(here, "--in-need", "")
        session = failover.open_session(here)
        look("in use")
        _policy(here, "--both-lines")
        look("in use, both lines")
        session.stop()
    return tuple(_figures(found))


def _policy(here: Place, *wish: str) -> None:
    machines.noroshi(here, "hq", "hq", "policy", "--all", *wish)


def _window(here: Place, seconds: float) -> dict[str, float]:
    """Bytes a second on both lines, and per cent of one core."""
    parts = population.parts(here)
    before, spent, begun = _bytes(here), _spent(parts), time.monotonic()
    time.sleep(seconds)
    passed, after, later = time.monotonic() - begun, _bytes(here), _spent(parts)
    return {
        **{link: (after[link] - before[link]) / passed for link in before},
        **{name: 100 * (later[name] - spent[name]) / passed for name in spent},
    }


def _bytes(here: Place) -> dict[str, float]:
    said = json.loads(run("ip", "-n", here.namespace("box"), "-s", "-json", "link"))
    known = {x["ifname"]: x["stats64"] for x in said}
    return {x: known[x]["rx"]["bytes"] + known[x]["tx"]["bytes"] for x in ("eth0", "usb0")}


def _spent(parts: dict[str, tuple[int, ...]]) -> dict[str, float]:
    return {x: population.processor_time(pids) for x, pids in parts.items() if x in ("daemon", WIREGUARD)}


def _figures(found: dict[str, list[dict[str, float]]]) -> list[Figure]:
    limits = {("idle, one metered line", "eth0"): METERED, ("idle, metered spare", "usb0"): METERED}
    return [
        Figure(
            name=f"{name}: {what}",
            unit="B/s" if what in ("eth0", "usb0") else "% core",
            values=tuple(x[what] for x in samples),
            at_most=limits.get((name, what)),
        )
        for name, samples in found.items()
        for what in samples[0]
    ]
