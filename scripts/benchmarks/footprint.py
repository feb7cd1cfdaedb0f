"""Memory and idle processor time of the box's own processes while it is PROTECTED and nobody does anything.

WireGuard's program and the DHCP client are listed aside. Measured twice: with no page open, and with a phone that
keeps the status page open as the page's own script does.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from appliance.core.ladder import RELAY_STAYS
from scripts.benchmarks import population, stand
from scripts.benchmarks.figures import Figure
from scripts.benchmarks.stand import Tell
from scripts.exercise.dhcp import Client
from scripts.exercise.namespaces import entered
from scripts.exercise.place import Place

OWN = ("daemon", "web", "courier", "dnsmasq")
MEMORY, PROCESSOR = 120.0, 2.0  # megabytes; per cent of one core
WINDOW, SETTLING = 60.0, 15.0  # seconds
LIVE = re.compile(rb'data-live="([^"]+)"')
TAG = re.compile(rb'data-tag="([^"]+)"')
PACE = re.compile(rb'data-pace="([0-9.]+)"')


def measure(runs: int, tell: Tell) -> tuple[Figure, ...]:
    quiet: list[dict[str, float]] = []
    watched: list[dict[str, float]] = []
    memory: list[dict[str, tuple[float, float]]] = []
    with stand.protected(tell) as here:
        phone = Client(here, "phone")
        phone.start()
        phone.wait(patience=20)
        with page_open(here):  # the pages have been looked at once, as on any box in use
            time.sleep(SETTLING)
        without_relay(here)
        for number in range(runs):
            quiet.append(idle(here))
            with page_open(here) as answers:
                watched.append(idle(here))
            memory.append(sizes(here))
            tell(f"{number + 1} of {runs}: {own(quiet[-1]):.2f} %, with a page open {own(watched[-1]):.2f} %")
            if not answers:
                raise RuntimeError("the phone never got the status page")
    return (
        *memory_figures(memory),
        *processor_figures(quiet, ""),
        *processor_figures(watched, ", a page open"),
    )


def without_relay(here: Place) -> None:
    """The relay was wanted while the box joined; it ends by itself once nobody has wanted it for a while."""
    deadline = time.monotonic() + RELAY_STAYS + WINDOW
    while "relay" in population.parts(here):
        if time.monotonic() > deadline:
            raise TimeoutError("the relay never ended")
        time.sleep(1.0)


def idle(here: Place) -> dict[str, float]:
    """Per cent of one core by part, over a minute."""
    before = population.parts(here)
    spent = {name: population.processor_time(pids) for name, pids in before.items()}
    start = time.monotonic()
    time.sleep(WINDOW)
    passed = time.monotonic() - start
    after = population.parts(here)
    if before != after:
        raise RuntimeError(f"processes came or went: {before} → {after}")
    return {
        name: 100 * (population.processor_time(pids) - spent[name]) / passed for name, pids in after.items()
    }


def sizes(here: Place) -> dict[str, tuple[float, float]]:
    """(PSS, pages of its own or shared with nobody else's) by part, and "" for all our own parts together."""
    found = population.parts(here)
    together = [pid for name in OWN for pid in found[name]]
    by_part = {name: (population.proportional(x), population.alone(x)) for name, x in found.items()}
    return {"": (population.proportional(together), population.alone(together)), **by_part}


def own(spent: dict[str, float]) -> float:
    return sum(spent[name] for name in OWN)


def memory_figures(memory: list[dict[str, tuple[float, float]]]) -> Iterator[Figure]:
    yield Figure(
        name="memory, own processes (PSS)", unit="MB", values=tuple(x[""][0] for x in memory), at_most=MEMORY
    )
    yield Figure(
        name="memory, if nobody else shared a page", unit="MB", values=tuple(x[""][1] for x in memory)
    )
    for name in in_order(memory[0].keys() - {""}):
        yield Figure(name=f"  {labelled(name)}", unit="MB", values=tuple(x[name][0] for x in memory))


def processor_figures(spent: list[dict[str, float]], when: str) -> Iterator[Figure]:
    limit = None if when else PROCESSOR
    total = tuple(own(x) for x in spent)
    yield Figure(name=f"idle processor{when}", unit="% core", values=total, at_most=limit)
    for name in in_order(spent[0].keys()):
        yield Figure(name=f"  {labelled(name)}{when}", unit="% core", values=tuple(x[name] for x in spent))


def in_order(names: Iterable[str]) -> list[str]:
    return [*OWN, *sorted(set(names) - set(OWN))]


def labelled(name: str) -> str:
    return name if name in OWN else f"({name}, aside)"


@contextmanager
def page_open(here: Place) -> Iterator[list[int]]:
    """A phone with the status page open for as long as the block runs; the statuses it was answered with."""
    closed = threading.Event()
    answers: list[int] = []
    phone = threading.Thread(target=_poll, args=(here.namespace("phone"), closed, answers), daemon=True)
    phone.start()
    try:
        yield answers
    finally:
        closed.set()
        phone.join(10)


def _poll(namespace: str, closed: threading.Event, answers: list[int]) -> None:
    """What webui/static/page.js does: the part that changes, only if it changed, at the page's own pace."""
    with entered(namespace):
        connection = http.client.HTTPConnection("10.86.86.1", timeout=8)
        connection.connect()
    connection.request("GET", "/")
    page = connection.getresponse().read()
    live, tag, pace = LIVE.search(page), TAG.search(page), PACE.search(page)
    if not (live and tag and pace):
        return
    known = f'"{tag[1].decode()}"'
    while not closed.wait(float(pace[1])):
        connection.request("GET", live[1].decode(), headers={"If-None-Match": known})
        answer = connection.getresponse()
        answer.read()
        known = answer.headers.get("ETag", known)
        answers.append(answer.status)
    connection.close()
