"""The kernel's settings in both of a box's namespaces: what is forwarded, believed and answered."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.core.machine import Machine, Sysctl


def box_sysctls(machine: Machine, lan: Iterable[str]) -> frozenset[Sysctl]:
    """`lan`: the bridge and every port of it, the access point among them."""
    outside = {
        "net/ipv4/ip_forward": "0",
        "net/ipv4/conf/all/rp_filter": "0",  # no default route in main: even loose checking would drop replies
        "net/ipv4/conf/default/rp_filter": "0",
        "net/ipv4/conf/all/arp_ignore": "1",
        # What crosses the bridge is layer 2 only: this namespace's rules must not see it, let alone drop it.
        "net/bridge/bridge-nf-call-iptables": "0",
        "net/bridge/bridge-nf-call-ip6tables": "0",
        "net/bridge/bridge-nf-call-arptables": "0",
    }
    for name in machine.uplinks:
        outside[f"net/ipv4/conf/{name}/rp_filter"] = "0"
        outside[f"net/ipv6/conf/{name}/accept_ra"] = (
            "0"  # a router's word is read by us, into a table of its own
        )
        outside[f"net/ipv6/conf/{name}/accept_redirects"] = "0"
    for name in lan:
        outside[f"net/ipv6/conf/{name}/disable_ipv6"] = "1"
    field = {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/ip_unprivileged_port_start": "80",  # the pages' server needs no privilege
        "net/ipv4/icmp_ratelimit": "0",  # every refusal is told: programs fail fast, and a proof can count on it
        "net/ipv4/conf/all/arp_ignore": "1",  # the tunnel's address is nobody's business on the LAN
        "net/ipv4/conf/all/rp_filter": "1",
        "net/ipv4/conf/all/accept_redirects": "0",
        "net/ipv4/conf/all/send_redirects": "0",
        "net/ipv6/conf/all/disable_ipv6": "1",
        "net/ipv6/conf/default/disable_ipv6": "1",
    }
    return frozenset(
        {Sysctl(namespace=machine.outside, key=k, value=v) for k, v in outside.items()}
        | {Sysctl(namespace=machine.field, key=k, value=v) for k, v in field.items()}
    )
