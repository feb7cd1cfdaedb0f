"""A session through a line that is cut again and again: the longest stall of each cut, as the laptop sees it.

Ours is cut `runs` times, each time the line in use; the last third of them with two routers that hand out the same
subnet and the same address. Beside it, each in an exercise of its own at the same time, what is used today
(contenders.py) is cut the line in use each time, with up to ninety seconds to come back. A run that is interrupted
tells of the cuts until then; a box that is not ready for the next cut is a finding, and the run goes on.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from appliance.control import ask
from scripts.benchmarks import contenders, stand
from scripts.benchmarks.cuts import CUTS, Cut
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.session import Desk, Session
from scripts.benchmarks.stand import Tell
from scripts.exercise import machines, topology
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import run

OURS = "noroshi"
ADDRESS, PORT = "10.10.0.21", 443
FLEET = "10.211.0.0/16"
SEED = 20261122
WATCHED = 2.5  # seconds after a cut within which ours is watched, and until it flows again
PATIENCE = 90.0  # seconds that a contender has to come back
READY_WITHIN = 30.0  # seconds after a cut within which ours has a good line and a good spare again
CONTENDER_CUTS = (
    *("cable out", "blackhole, lamp on", "provider dead", "30 % loss both ways", "NAT rebinding"),
    "bloated, not dead",
)
TWIN_CUTS = ("blackhole, lamp on", "down only lost")  # of the contenders
ROUTER_OF = {"eth0": "a", "usb0": "b"}
P95, P99 = 1.0, 2.0


@dataclass(slots=True)
class Record:
    """One contender's cuts."""

    name: str
    stalls: list[tuple[str, float]] = field(default_factory=list)
    lost: int = 0
    unready: int = 0  # cuts before which the spare line was not good in time

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(x for _, x in self.stalls)


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    over = threading.Event()
    others = [
        Record("wireguard, two default routes"),
        Record("wireguard, mwan3-like tracker"),
    ]
    threads = [
        threading.Thread(target=_contend, args=(x, number, tell, over)) for number, x in enumerate(others)
    ]
    for x in threads:
        x.start()
    ours = Record(OURS)
    try:
        _ours(ours, runs, tell)
    except (KeyboardInterrupt, SystemExit):
        tell("interrupted: what follows is of the cuts until now")
        over.set()
    except BaseException:
        over.set()
        raise
    finally:
        for x in threads:
            x.join()
    _tell_kinds(ours, tell)
    return tuple(y for x in (ours, *others) if x.stalls for y in _figures(x))


def _ours(record: Record, runs: int, tell: Tell) -> None:
    chance = random.Random(SEED)
    kinds: list[str] = []
    while len(kinds) < runs:
        kinds += chance.sample(list(CUTS), len(CUTS))
    with stand.protected(tell) as here:
        session = open_session(here)
        try:
            for number, kind in enumerate(kinds[:runs]):
                twins = number >= runs // 3 * 2 > 0
                if number in (runs // 3 * 2, 0):
                    _second_router(here, twin=twins)
                active, ready = _ready(here, session, READY_WITHIN if number else 60.0)
                if not ready:
                    record.unready += 1
                    tell(f"before cut {number + 1} no good spare within {READY_WITHIN:.0f} s: {_said(here)}")
                time.sleep(chance.uniform(0.0, 0.5))
                stall = _cut(here, session, CUTS[kind], ROUTER_OF[active], WATCHED)
                name = f"{kind}{', twins' if twins else ''}"
                record.stalls.append((name, stall))
                tell(f"{number + 1}/{runs} {name} on {active}: {stall * 1000:.0f} ms")
        finally:
            record.lost = session.lost
            session.stop()


def open_session(here: Place) -> Session:
    """The second desktop at HQ, the laptop's address, and the session between them."""
    run("ip", "-n", here.namespace("desk"), "address", "add", f"{ADDRESS}/24", "dev", "eth0")
    Desk(here, ADDRESS, PORT)
    machines.noroshi(
        *(here, "hq", "hq", "desktop", "add", "sokudo", "--title", "速度"),
        *("--host", f"gateway={ADDRESS}", "--profile", "rd-gateway"),
    )
    laptop = Client(here, "laptop")
    laptop.start()
    laptop.wait(FLEET, patience=20)
    session = Session(here, ADDRESS, PORT)
    session.start()
    _until("the session", session.flows, 30.0)
    return session


def _second_router(here: Place, *, twin: bool) -> None:
    """Plug router B in. A twin hands out router A's own subnet, and the very address that router A gave."""
    if twin:
        topology.unplug(here, "b")
        status = machines.status(here) or {}
        given = next(x["address"] for x in status["uplinks"] if x["link"] == "eth0")
        _until("the cable's end at the box", lambda: not _has_carrier(here, "usb0"), 10.0)
        topology.serve(here, "b", "192.168.1.1/24", given, given)
    topology.plug(here, "b")


def _has_carrier(here: Place, link: str) -> bool:
    known = {x["link"]: x["carrier"] for x in (machines.status(here) or {"uplinks": []})["uplinks"]}
    return bool(known.get(link, True))


def _ready(here: Place, session: Session, patience: float) -> tuple[str, bool]:
    """Until the session flows, nothing is in doubt and the spare line is tested: the line in use, and whether that
    came in time. A box without any line in use gets as long as a contender."""
    active, deadline = "", time.monotonic() + patience
    while True:
        seen = _look(here)
        active = next(
            (x["link"] for x in (machines.status(here) or {"uplinks": []})["uplinks"] if x["active"]), ""
        )
        spares = [x["state"] for x in seen["lines"] if x["link"] != active]
        if active and seen["hub"]["state"] == "good" and spares == ["good"] and session.flows():
            return active, True
        if active and time.monotonic() > deadline:
            return active, False
        if time.monotonic() > deadline + PATIENCE:
            raise TimeoutError(f"the box has no line: {_said(here)}")
        time.sleep(0.1)


def _look(here: Place) -> dict[str, Any]:
    seen: dict[str, Any] = ask(machines.door(here, "box"), {"ask": "snapshot"}, timeout=5.0)["observed"]
    return seen


def _said(here: Place) -> str:
    """The state of the lines, for whoever reads of a finding."""
    seen = _look(here)
    return json.dumps({"hub": seen["hub"], "lines": seen["lines"], "leases": seen["leases"]})


def _until(what: str, look: Any, patience: float) -> Any:
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {patience:.0f} s")
        time.sleep(0.05)
    return found


def _cut(
    here: Place, session: Session, cut: Cut, router: str, watched: float, over: threading.Event | None = None
) -> float:
    """One cut, healed once the session flows again; the longest stall in seconds."""
    begun = time.monotonic()
    cut.begin(here, router)
    try:
        while (now := time.monotonic()) < begun + watched or (
            not session.flows(0.3) and now < begun + PATIENCE
        ):
            time.sleep(0.05)
            if over is not None and over.is_set():
                break
        return session.stall(begun, time.monotonic())
    finally:
        cut.end(here, router)


def _contend(record: Record, number: int, tell: Tell, over: threading.Event) -> None:
    place = Place(f"{stand.place().prefix[:6]}-c{number}")
    try:
        with contenders.plain(place, tracked=number == 1):
            Desk(place, contenders_desk(place), PORT)
            session = Session(place, contenders_desk(place), PORT)
            session.start()
            _until("the contender's session", session.flows, 30.0)
            cuts = [(x, False) for x in CONTENDER_CUTS] + [(x, True) for x in TWIN_CUTS]
            for count, (name, twins) in enumerate(cuts):
                if count == len(CONTENDER_CUTS):
                    contenders.make_twins(place)
                _until("the contender's session", lambda: session.flows() or over.is_set(), 300.0)
                if over.wait(3.0):
                    break
                router = contenders.line_in_use(place)
                stall = _cut(place, session, CUTS[name], router, 15.0, over)
                if not over.is_set():
                    record.stalls.append((f"{name}{', twins' if twins else ''}", stall))
                    tell(f"{record.name}: {record.stalls[-1][0]} on {router}: {stall:.1f} s")
            record.lost = session.lost + (not over.is_set() and not session.flows(1.0))
            session.stop()
    except Exception as error:  # ours is measured all the same
        tell(f"{record.name}: {error!r}")


def contenders_desk(place: Place) -> str:
    return "10.10.0.20"


def _figures(x: Record) -> tuple[Figure, ...]:
    ours = x.name == OURS
    return (
        Figure(name=f"{x.name}: stall", unit="s", values=x.values),
        Figure(name=f"{x.name}: p50", unit="s", values=(percentile(x.values, 50),)),
        Figure(
            name=f"{x.name}: p95", unit="s", values=(percentile(x.values, 95),), at_most=P95 if ours else None
        ),
        Figure(
            name=f"{x.name}: p99", unit="s", values=(percentile(x.values, 99),), at_most=P99 if ours else None
        ),
        Figure(name=f"{x.name}: sessions lost", unit="", values=(x.lost,), at_most=0 if ours else None),
        *(
            [Figure(name=f"{x.name}: not ready in time", unit="", values=(x.unready,), at_most=0)]
            if ours
            else []
        ),
    )


def objects(figures: tuple[Figure, ...]) -> dict[str, Any]:
    """One object for each contender, for `--json`."""
    known = {x.name: x for x in figures}
    names = [x.name.removesuffix(": stall") for x in figures if x.name.endswith(": stall")]
    return {
        name: {
            **{p: round(known[f"{name}: {p}"].median, 3) for p in ("p50", "p95", "p99")},
            "cuts": len(known[f"{name}: stall"].values),
            "sessions_lost": int(known[f"{name}: sessions lost"].median),
        }
        for name in names
    }


def percentile(values: tuple[float, ...], part: float) -> float:
    """The smallest value that at least `part` per cent are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(part) // 100) - 1)]


def _tell_kinds(record: Record, tell: Tell) -> None:
    counts = Counter(kind for kind, _ in record.stalls)
    for kind, count in counts.items():
        found = [x for name, x in record.stalls if name == kind]
        tell(f"{kind} ({count}): median {statistics.median(found):.2f} s, longest {max(found):.2f} s")
