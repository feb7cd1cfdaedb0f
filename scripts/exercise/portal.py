"""A router that lets nobody through before he agreed on its sign-in page, as in a hotel or a hall."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within
from scripts.exercise.topology import ROUTERS

INSIDE = Path(__file__).with_name("portal_inside.py")
RULES = """
table ip portal
delete table ip portal
table ip portal {
  set agreed { type ipv4_addr; }
  chain turned { type nat hook prerouting priority dstnat; iifname "lan0" ip saddr != @agreed tcp dport 80 redirect to :80; }
  chain held { type filter hook forward priority -10; iifname "lan0" ip saddr != @agreed drop; }
}
"""
NO_RULES = "table ip portal\ndelete table ip portal\n"


def hold(place: Place, router: str) -> None:
    """From now on: everybody sees the page, and nothing else of the world. Whoever agreed before has to again."""
    space = place.namespace(ROUTERS[router].machine)
    run(*within(space, ("nft", "-f", "-")), text=RULES)
    if processes.recorded(place, _name(router)) is None:
        argv = (sys.executable, "-B", str(INSIDE), ROUTERS[router].lan, str(log(place, router)))
        processes.start(place, _name(router), within(space, argv))
        deadline = time.monotonic() + 5
        while not log(place, router).exists() and time.monotonic() < deadline:
            time.sleep(0.02)


def release(place: Place, router: str) -> None:
    """An ordinary router again."""
    processes.end(place, _name(router))
    log(place, router).unlink(missing_ok=True)
    run(*within(place.namespace(ROUTERS[router].machine), ("nft", "-f", "-")), text=NO_RULES)


def log(place: Place, router: str) -> Path:
    """One line for each question that the page got."""
    return place.folder(ROUTERS[router].machine) / "portal.log"


def _name(router: str) -> str:
    return f"portal-{router}"
