"""Inside the box's namespace: the daemon's own parts, put together as `noroshi daemon` does, turned by the clock."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from appliance.daemon import Daemon
from appliance.host import surroundings
from appliance.host.namespaces import inside
from appliance.serve import assemble_field

SETTLE_WITHIN = 20.0  # seconds: it has to hear from hub and desktop itself before it is PROTECTED again
NFT = ("nft", "list", "ruleset")
QUIET = 5  # turns in a row with nothing to do


def settle(daemon: Daemon) -> None:
    deadline = time.monotonic() + SETTLE_WITHIN
    quiet = 0
    while quiet < QUIET:
        quiet = quiet + 1 if daemon.turn() else 0
        if time.monotonic() > deadline:
            raise TimeoutError("the box does not settle")
        time.sleep(0.2)


def one_turn(daemon: Daemon) -> tuple[float, float]:
    """Milliseconds on the clock, and of processor time, ended children included."""
    spent, start = _spent(), time.perf_counter()
    if not daemon.turn():
        raise RuntimeError("something changed during the measurement")
    return 1000 * (time.perf_counter() - start), 1000 * (_spent() - spent)


def _spent() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(x.ru_utime + x.ru_stime for x in both)


def programs(field: str, tunnel: str) -> float:
    """Milliseconds for the three programs that would tell a script the same."""
    start = time.perf_counter()
    for namespace, command in ((field, ("wg", "show", tunnel)), (field, NFT), ("", NFT)):
        with inside(namespace):
            subprocess.run(command, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    runs = int(sys.argv[1])
    machine = surroundings.machine()
    daemon, probes = assemble_field(machine)
    probes.start()
    settle(daemon)
    samples: dict[str, list[float]] = {"turn": [], "processor": [], "programs": []}
    for _ in range(runs):
        turn, processor = one_turn(daemon)
        samples["turn"].append(turn)
        samples["processor"].append(processor)
        samples["programs"].append(programs(machine.field, machine.tunnel))
    sys.stdout.write(json.dumps(samples))


if __name__ == "__main__":
    main()
