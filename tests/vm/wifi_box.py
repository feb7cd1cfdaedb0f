"""The booted box's Wi-Fi as whoever plays a scene asks for it and sees it."""

from __future__ import annotations

import json
import time
from typing import Any

from appliance.control import Refused, Unreachable, ask
from scripts.exercise import machines
from tests.vm.air import Network
from tests.vm.field import Site
from tests.vm.guest import NoAnswer
from tests.vm.stage import PATIENCE
from tests.vm.station import HALL_NETWORK

BUSY = 5  # tries


def status(site: Site) -> dict[str, Any]:
    """What the box says of itself; {} where it is silent. A turn takes seconds on an emulated processor."""
    try:
        return ask(machines.door(site.place, "box"), {"ask": "status"}, timeout=30.0)
    except (Unreachable, Refused):
        return {}


def until(site: Site, what: str, good: Any, patience: float = PATIENCE) -> dict[str, Any]:
    """The box's status once it is as wished; the last one that it told where it never is. A starved machine is silent
    now and then."""
    deadline = time.monotonic() + patience
    told = status(site)
    while not (told and good(told)) and time.monotonic() < deadline:
        time.sleep(1.0)
        told = status(site) or told
    if not told:
        raise NoAnswer(f"no status while waiting for {what}")
    return told


def own_network(site: Site) -> Network:
    own = json.loads(site.guest.succeed("noroshi", "identity", "--show", "--json"))
    return Network(ssid=own["ssid"], passphrase=own["passphrase"])


def wished(site: Site, *words: str) -> None:
    """Where a turn takes seconds, the daemon may be too busy to hear it the first time."""
    for _ in range(BUSY):
        if site.guest.tell("noroshi", "wifi", *words, timeout=180)[0] == 0:
            return
    site.guest.succeed("noroshi", "wifi", *words, timeout=180)


def join_as_line(site: Site) -> None:
    site.guest.succeed("sh", "-c", "umask 077; cat >/run/key", text=HALL_NETWORK.passphrase)
    wished(site, "--join", HALL_NETWORK.ssid, "--key-file", "/run/key")


def address_of(told: dict[str, Any]) -> str:
    return next((str(x["address"]) for x in told["uplinks"] if x["kind"] == "wifi" and x["address"]), "")
