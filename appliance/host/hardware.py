"""Where a link's hardware sits, as sysfs tells it: built in or plugged in, Ethernet or Wi-Fi."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys/class/net")
_ETHERNET = "1"  # ARPHRD_ETHER, linux/if_arp.h; a modem's raw line is something else
# Drivers of mobile devices that are a network card to us: they connect by themselves, or answer DHCP at once.
_BY_THEMSELVES = frozenset({"cdc_ether", "cdc_ncm", "cdc_eem", "cdc_subset", "rndis_host", "ipheth"})
# Drivers of serial interfaces that only modems have.
_SERIAL = frozenset({"option1", "qcserial", "sierra"})
_USB = re.compile(r"/usb[0-9]+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    bus: str = ""  # below /sys/devices; "" for what is no Ethernet or Wi-Fi hardware
    plugged: bool = False
    wireless: bool = False
    modem: bool = False


NOWHERE = Place()


def place(name: str, root: Path = SYS) -> Place:
    """A bridge, a veth and a tunnel sit nowhere. On the first Raspberry Pis the built-in socket is on USB, too: the
    device tree knows what is soldered."""
    here = root / name
    try:
        device = (here / "device").resolve(strict=True)
        if _is_modem(here, device):
            return Place(bus=_below_devices(device), plugged=True, modem=True)
        if (here / "type").read_text().strip() != _ETHERNET:
            return NOWHERE
        port = int((here / "dev_port").read_text().strip() or "0")
    except (OSError, ValueError):
        return NOWHERE
    if re.fullmatch(r"virtio[0-9]+", device.name):  # numbered as drivers come, not as sockets lie
        device = device.parent
    told = _below_devices(device)
    soldered = any((x / "of_node").exists() for x in (device, device.parent))
    return Place(
        bus=f"{told}#{port}" if port else told,
        plugged=_USB.search(f"/{told}") is not None and not soldered,
        wireless=(here / "wireless").exists() or (here / "phy80211").exists(),
    )


def _below_devices(device: Path) -> str:
    return str(device).partition("/devices/")[2] or str(device)


def _is_modem(link: Path, device: Path) -> bool:
    """The kernel's own word for it, in the link's uevent."""
    try:
        said = (link / "uevent").read_text().splitlines()
        driver = (device / "driver").resolve().name
    except OSError:
        return False
    return "DEVTYPE=wwan" in said and driver not in _BY_THEMSELVES


def has_modem(classes: Path = SYS.parent) -> bool:
    """Whether there is anything that ModemManager would look at: a modem's control channel, or its serial interface."""
    if any(classes.glob("wwan/*")) or any(classes.glob("usbmisc/cdc-wdm*")):
        return True
    drivers = ((x / "device" / "driver").resolve().name for x in classes.glob("tty/ttyUSB*"))
    return any(x in _SERIAL for x in drivers)
