"""The first row: without our rules and namespaces every single probe is seen. A tap that sees nothing where something
is to be seen would make every other row worthless."""

from __future__ import annotations

from dataclasses import replace

from tests.net.leaks.contenders import Unguarded
from tests.net.leaks.volley import Shot, Station, fire
from tests.net.leaks.watch import Leak

BEHIND = ("10.210.", "10.10.")  # without a tunnel they are the internet's, like everything else


def unseen(subject: Unguarded) -> list[str]:
    """Every probe that was fired and that no tap saw."""
    subject.enter("boot")
    missing = []
    for station in subject.stations():
        subject.watch.leaks()
        fire([station])
        seen = subject.watch.leaks()
        again = [x for x in station.shots if not _is_seen(x, station, seen)]
        fire([replace(station, shots=tuple(again))])  # the first packet to a neighbour may be lost
        seen += subject.watch.leaks()
        missing += [f"{station.uid} {x}" for x in again if not _is_seen(x, station, seen)]
    return missing


def _is_seen(shot: Shot, station: Station, seen: list[Leak]) -> bool:
    kind, host, port, link = shot
    laptop = station.namespace.endswith("laptop")
    beside = "%" in host or host.startswith(("224.", "255.")) or host.endswith(".255")
    if (laptop and beside) or (kind == "ping" and station.uid) or link not in ("", "eth0"):
        return True  # stays on its own wire, or this person may not send it
    name = {"ping": "icmp6" if ":" in host else "icmp"}.get(kind, kind)
    bare = host.partition("%")[0]
    return any((x.frame.kind, x.frame.target, x.frame.dport) == (name, bare, port) for x in seen)
