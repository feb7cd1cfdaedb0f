"""Kernel settings under /proc/sys/net; each namespace has its own, seen by the thread that is inside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from appliance.core.machine import Sysctl
from appliance.host.namespaces import inside

ROOT = Path("/proc/sys")


def read(wanted: Iterable[Sysctl]) -> frozenset[Sysctl]:
    """The present values of the wanted keys; keys that do not exist are left out."""
    found = set()
    by_namespace: dict[str, list[str]] = {}
    for x in wanted:
        by_namespace.setdefault(x.namespace, []).append(x.key)
    for namespace, keys in by_namespace.items():
        try:
            with inside(namespace):
                for key in keys:
                    try:
                        value = (ROOT / key).read_text().strip()
                    except OSError:
                        continue
                    found.add(Sysctl(namespace=namespace, key=key, value=value))
        except FileNotFoundError:
            continue
    return frozenset(found)


def write(sysctl: Sysctl) -> None:
    with inside(sysctl.namespace):
        (ROOT / sysctl.key).write_text(sysctl.value)


def silence_ipv6(namespace: str, link: str) -> None:
    """A port of the deaf bridge speaks no IPv6 of its own."""
    write(Sysctl(namespace=namespace, key=f"net/ipv6/conf/{link}/disable_ipv6", value="1"))
