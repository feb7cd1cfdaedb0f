"""Where a link's hardware sits: sysfs of several machines, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.host.hardware import NOWHERE, Place, place


def machine(
    folder: Path, name: str, device: str, *, kind: str = "1", port: str = "0", soldered: str = ""
) -> Path:
    """A sysfs with one link of this machine; gives its class folder."""
    there = folder / "sys/devices" / device
    net = folder / "sys/class/net" / name
    there.mkdir(parents=True)
    net.mkdir(parents=True)
    (net / "device").symlink_to(there)
    (net / "type").write_text(f"{kind}\n")
    (net / "dev_port").write_text(f"{port}\n")
    if soldered:
        (folder / "sys/devices" / soldered / "of_node").mkdir()
    return net.parent


PCI = "pci0000:00/0000:00:1c.0/0000:01:00.0"
USB = "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0"
PI3 = "platform/soc/3f980000.usb/usb1/1-1/1-1.1/1-1.1:1.0"


@pytest.mark.parametrize(
    ("device", "options", "expected"),
    [
        (PCI, {}, Place(bus=PCI)),
        (PCI, {"port": "1"}, Place(bus=f"{PCI}#1")),
        (f"{PCI}/virtio3", {}, Place(bus=PCI)),
        (USB, {}, Place(bus=USB, plugged=True)),
        (PI3, {"soldered": PI3}, Place(bus=PI3)),
        (PI3, {"soldered": str(Path(PI3).parent)}, Place(bus=PI3)),
        (PI3, {}, Place(bus=PI3, plugged=True)),
        ("platform/scb/fd580000.ethernet", {}, Place(bus="platform/scb/fd580000.ethernet")),
        (USB, {"kind": "65534"}, NOWHERE),  # a modem's raw line
    ],
)
def test_hardware_is_found_where_it_sits(
    tmp_path: Path, device: str, options: dict[str, str], expected: Place
) -> None:
    assert place("net0", machine(tmp_path, "net0", device, **options)) == expected


def test_a_radio_is_known_by_its_phy(tmp_path: Path) -> None:
    root = machine(tmp_path, "wlan0", PCI)
    (root / "wlan0" / "phy80211").mkdir()
    assert place("wlan0", root) == Place(bus=PCI, wireless=True)


def test_what_has_no_hardware_sits_nowhere(tmp_path: Path) -> None:
    (tmp_path / "br-lan").mkdir()
    assert place("br-lan", tmp_path) == place("gone", tmp_path) == NOWHERE
