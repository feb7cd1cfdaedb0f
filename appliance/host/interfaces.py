"""Addresses of interfaces, by netifaces: what it does right. Its `gateways()` is wrong wherever there is policy
routing, so routes are read in netlink.py and never here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import netifaces

from appliance.core.machine import Address
from appliance.host.namespaces import inside


def addresses(namespaces: Iterable[str]) -> frozenset[Address]:
    """Every address of every interface in the given namespaces, but loopback's own and the kernel's link-local ones."""
    found = set()
    for namespace in namespaces:
        with inside(namespace):
            for name in netifaces.interfaces():
                for entry in _addresses(name):
                    interface = ipaddress.ip_interface(
                        f"{entry['addr']}/{entry['netmask'].rpartition('/')[2]}"
                    )
                    if not interface.ip.is_loopback and not (
                        interface.version == 6 and interface.is_link_local
                    ):
                        found.add(Address(namespace=namespace, link=name, address=str(interface)))
    return frozenset(found)


def _addresses(name: str) -> list[dict[str, str]]:
    try:
        known = netifaces.ifaddresses(name)
    except ValueError:  # the interface went away since it was listed
        return []
    found: list[dict[str, str]] = [*known.get(netifaces.AF_INET, []), *known.get(netifaces.AF_INET6, [])]
    return [x for x in found if "%" not in x.get("addr", "%") and "netmask" in x]
