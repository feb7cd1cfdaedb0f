"""Where a link's hardware sits: sysfs of several machines, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.host.hardware import NOWHERE, Place, has_modem, place


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


@pytest.mark.parametrize(
    ("kind", "driver"), [("65534", "qmi_wwan"), ("519", "qmi_wwan"), ("1", "cdc_mbim"), ("519", "")]
)
def test_a_modem_s_link_is_the_modem_s_whatever_form_it_has(tmp_path: Path, kind: str, driver: str) -> None:
    root = modem(tmp_path, USB, kind, driver)
    assert place("wwan0", root) == Place(bus=USB, plugged=True, modem=True)


def test_a_modem_on_a_card_is_no_built_in_socket(tmp_path: Path) -> None:
    assert place("wwan0", modem(tmp_path, PCI, "519", "")).plugged


@pytest.mark.parametrize("driver", ["cdc_ether", "cdc_ncm", "rndis_host"])
def test_a_stick_that_connects_by_itself_stays_a_network_card(tmp_path: Path, driver: str) -> None:
    assert place("wwan0", modem(tmp_path, USB, "1", driver)) == Place(bus=USB, plugged=True)


def modem(folder: Path, device: str, kind: str, driver: str) -> Path:
    root = machine(folder, "wwan0", device, kind=kind)
    (root / "wwan0" / "uevent").write_text("DEVTYPE=wwan\nINTERFACE=wwan0\n")
    if driver:
        (folder / "drivers" / driver).mkdir(parents=True)
        (folder / "sys/devices" / device / "driver").symlink_to(folder / "drivers" / driver)
    return root


def test_a_modem_shows_by_its_control_channel_or_its_serial_interface(tmp_path: Path) -> None:
    assert not has_modem(tmp_path)
    port = tmp_path / "tty" / "ttyUSB0" / "device"
    port.mkdir(parents=True)
    for driver, expected in (("ftdi_sio", False), ("option1", True)):
        (tmp_path / driver).mkdir()
        (port / "driver").unlink(missing_ok=True)
        (port / "driver").symlink_to(tmp_path / driver)
        assert has_modem(tmp_path) is expected


@pytest.mark.parametrize("name", ["usbmisc/cdc-wdm0", "wwan/wwan0mbim0"])
def test_each_kind_of_control_channel_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert has_modem(tmp_path)


def test_a_radio_is_known_by_its_phy(tmp_path: Path) -> None:
    root = machine(tmp_path, "wlan0", PCI)
    (root / "wlan0" / "phy80211").mkdir()
    assert place("wlan0", root) == Place(bus=PCI, wireless=True)


def test_what_has_no_hardware_sits_nowhere(tmp_path: Path) -> None:
    (tmp_path / "br-lan").mkdir()
    assert place("br-lan", tmp_path) == place("gone", tmp_path) == NOWHERE
