"""What the exercise does in a machine's namespace, by the product's own way in and out of one."""

from __future__ import annotations

import socket

from appliance.core.machine import Sysctl
from appliance.host import sysctl
from appliance.host.namespaces import inside as entered

__all__ = ["entered", "set_sysctl", "socket_in"]


def socket_in(namespace: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    with entered(namespace):
        return socket.socket(socket.AF_INET, kind)


def set_sysctl(namespace: str, key: str, value: str) -> None:
    """`key` with slashes below /proc/sys, for example net/ipv4/ip_forward."""
    sysctl.write(Sysctl(namespace=namespace, key=key, value=value))
