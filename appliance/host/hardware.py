"""Where a link's hardware sits, as sysfs tells it: built in or plugged in, Ethernet or Wi-Fi."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys/class/net")
_ETHERNET = "1"  # ARPHRD_ETHER, linux/if_arp.h; a modem's raw line is something else
_USB = re.compile(r"/usb[0-9]+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    bus: str = ""  # below /sys/devices; "" for what is no Ethernet or Wi-Fi hardware
    plugged: bool = False
    wireless: bool = False


NOWHERE = Place()


def place(name: str, root: Path = SYS) -> Place:
    """A bridge, a veth and a tunnel sit nowhere. On the first Raspberry Pis the built-in socket is on USB, too: the
    device tree knows what is soldered."""
    here = root / name
    try:
        device = (here / "device").resolve(strict=True)
        if (here / "type").read_text().strip() != _ETHERNET:
            return NOWHERE
        port = int((here / "dev_port").read_text().strip() or "0")
    except (OSError, ValueError):
        return NOWHERE
    if re.fullmatch(r"virtio[0-9]+", device.name):  # numbered as drivers come, not as sockets lie
        device = device.parent
    told = str(device).partition("/devices/")[2] or str(device)
    soldered = any((x / "of_node").exists() for x in (device, device.parent))
    return Place(
        bus=f"{told}#{port}" if port else told,
        plugged=_USB.search(f"/{told}") is not None and not soldered,
        wireless=(here / "wireless").exists() or (here / "phy80211").exists(),
    )
