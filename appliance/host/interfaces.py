"""Addresses of interfaces, by netifaces: what it does right. Its `gateways()` is wrong wherever there is policy
routing, so routes are read in netlink.py and never here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import netifaces

from appliance.core.machine import Address
from appliance.host.namespaces import inside


def addresses(namespaces: Iterable[str]) -> frozenset[Address]:
    """Every IPv4 address of every interface in the given namespaces, but loopback's own."""
    found = set()
    for namespace in namespaces:
        with inside(namespace):
            for name in netifaces.interfaces():
                for entry in _addresses(name):
                    interface = ipaddress.IPv4Interface(f"{entry['addr']}/{entry['netmask']}")
                    if not interface.ip.is_loopback:
                        found.add(Address(namespace=namespace, link=name, address=str(interface)))
    return frozenset(found)


def _addresses(name: str) -> list[dict[str, str]]:
    try:
        found: list[dict[str, str]] = netifaces.ifaddresses(name).get(netifaces.AF_INET, [])
    except ValueError:  # the interface went away since it was listed
        return []
    return [x for x in found if "addr" in x and "netmask" in x]
