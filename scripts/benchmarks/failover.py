"""A session through a line that is cut again and again: the longest stall of each cut, as the laptop sees it.

Ours is cut `runs` times, each time the line in use; every third of them with two routers that hand out the same subnet
and the same address. Beside it, each in an exercise of its own at the same time, what is used today (contenders.py) is
cut five times, the line in use each time, with up to ninety seconds to come back.
"""

from __future__ import annotations

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
from scripts.exercise import machines, processes, topology
from scripts.exercise.dhcp import Client
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

OURS = "noroshi"
ADDRESS, PORT = "10.10.0.21", 443
FLEET = "10.211.0.0/16"
SEED = 20261122
WATCHED = 2.5  # seconds after a cut within which ours is watched, and until it flows again
PATIENCE = 90.0  # seconds that a contender has to come back
CONTENDER_CUTS = ("cable out", "blackhole, lamp on", "provider dead", "30 % loss both ways", "NAT rebinding")
ROUTER_OF = {"eth0": "a", "usb0": "b"}
P95, P99 = 1.0, 2.0


@dataclass(slots=True)
class Record:
    """One contender's cuts."""

    name: str
    stalls: list[tuple[str, float]] = field(default_factory=list)
    lost: int = 0

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
    try:
        ours = _ours(runs, tell)
    except BaseException:
        over.set()
        raise
    finally:
        for x in threads:
            x.join()
    _tell_kinds(ours, tell)
    return tuple(y for x in (ours, *others) if x.stalls for y in _figures(x))


def _ours(runs: int, tell: Tell) -> Record:
    chance, record = random.Random(SEED), Record(OURS)
    with stand.protected(tell) as here:
        session = _open(here)
        for number in range(runs):
            if number in (runs // 3 * 2, 0):
                _second_router(here, twin=number > 0)
            active = _ready(here, session)
            time.sleep(chance.uniform(0.0, 0.5))
            cut = CUTS[list(CUTS)[number % len(CUTS)]]
            stall = _cut(here, session, cut, ROUTER_OF[active], WATCHED, PATIENCE)
            kind = f"{cut.name}{', twins' if number >= runs // 3 * 2 > 0 else ''}"
            record.stalls.append((kind, stall))
            tell(f"{number + 1}/{runs} {kind} on {active}: {stall * 1000:.0f} ms")
        record.lost = session.lost
        session.stop()
    return record


def _open(here: Place) -> Session:
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
        machine = here.namespace("router-b")
        run("ip", "-n", machine, "address", "flush", "dev", "lan0")
        run("ip", "-n", machine, "address", "add", "192.168.1.1/24", "dev", "lan0")
        _hand_out(here, given)
    topology.plug(here, "b")


def _hand_out(here: Place, address: str) -> None:
    folder = here.folder("router-b")
    (folder / "leases").write_text("")
    argv = (
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
        *("--no-ping", "--dhcp-authoritative", "--bind-interfaces", "--interface=lan0"),
        *("--except-interface=lo", f"--dhcp-range={address},{address},255.255.255.0,1h"),
        *("--dhcp-option=option:router,192.168.1.1", f"--dhcp-leasefile={folder}/leases"),
        *(f"--pid-file={folder}/pid", f"--log-facility={folder}/log"),
    )
    processes.start(here, "router-b", within(here.namespace("router-b"), argv))


def _ready(here: Place, session: Session) -> str:
    """Until the session flows, nothing is in doubt and the spare line is tested; the line in use."""

    def look() -> str:
        seen: dict[str, Any] = ask(machines.door(here, "box"), {"ask": "snapshot"}, timeout=5.0)["observed"]
        lines = {x["link"]: x["state"] for x in seen["lines"]}
        status = machines.status(here) or {"uplinks": []}
        active = [x["link"] for x in status["uplinks"] if x["active"]]
        good = bool(active) and seen["hub"]["state"] == "good" and session.flows()
        spares = [state for link, state in lines.items() if link not in active]
        return active[0] if good and spares == ["good"] else ""

    return str(_until("a good line and a good spare", look, 120.0))


def _until(what: str, look: Any, patience: float) -> Any:
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {patience:.0f} s")
        time.sleep(0.05)
    return found


def _cut(here: Place, session: Session, cut: Cut, router: str, watched: float, patience: float) -> float:
    """One cut, healed once the session flows again; the longest stall in seconds."""
    begun = time.monotonic()
    cut.begin(here, router)
    while (now := time.monotonic()) < begun + watched or (not session.flows(0.3) and now < begun + patience):
        time.sleep(0.05)
    stall = session.stall(begun, time.monotonic())
    cut.end(here, router)
    return stall


def _contend(record: Record, number: int, tell: Tell, over: threading.Event) -> None:
    place = Place(f"{stand.place().prefix[:6]}-c{number}")
    try:
        with contenders.plain(place, tracked=number == 1):
            Desk(place, contenders_desk(place), PORT)
            session = Session(place, contenders_desk(place), PORT)
            session.start()
            _until("the contender's session", session.flows, 30.0)
            for name in CONTENDER_CUTS:
                _until("the contender's session", session.flows, 300.0)
                if over.wait(3.0):
                    return
                router = contenders.line_in_use(place)
                stall = _cut(place, session, CUTS[name], router, 15.0, PATIENCE)
                record.stalls.append((name, stall))
                tell(f"{record.name}: {name}: {stall:.1f} s")
            record.lost = session.lost + (not session.flows(1.0))
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
