"""The panel between the guest's sockets and the exercise's cables: in the namespace that is the box's elsewhere, each
cable's end is bridged with a tap that the guest holds. Nothing in the panel has an address or says a word.
"""

from __future__ import annotations

import fcntl
import os
import struct

from scripts.exercise.namespaces import entered, set_sysctl
from scripts.exercise.place import Place
from scripts.exercise.processes import run

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def open_tap(namespace: str, name: str) -> int:
    """A tap that lives in `namespace` for as long as the descriptor returned is open anywhere."""
    with entered(namespace):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            wanted = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
            fcntl.ioctl(descriptor, TUNSETIFF, wanted)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def wire(place: Place, link: str, machine: str = "box") -> int:
    """The guest's end of the cable that ends as `link` in `machine`: a descriptor for QEMU."""
    namespace = place.namespace(machine)
    for scope in ("all", "default"):
        set_sysctl(namespace, f"net/ipv6/conf/{scope}/disable_ipv6", "1")
    tap, bridge = f"t-{link}", f"p-{link}"
    descriptor = open_tap(namespace, tap)
    lines = [
        f"link add {bridge} type bridge stp_state 0 mcast_snooping 0",
        *(f"link set {x} master {bridge}" for x in (link, tap)),
        *(f"link set {x} up" for x in (link, tap, bridge)),
    ]
    try:
        run("ip", "-n", namespace, "-batch", "-", text="\n".join(lines) + "\n")
    except RuntimeError:
        os.close(descriptor)
        raise
    return descriptor


def unwire(place: Place, link: str, machine: str = "box") -> None:
    run("ip", "-n", place.namespace(machine), "link", "delete", f"p-{link}", check=False)
