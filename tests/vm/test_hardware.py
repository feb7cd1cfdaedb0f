"""Which machine QEMU plays, and what is handed in to it."""

from __future__ import annotations

import base64
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vm import control, disk, hardware
from tests.vm.disk import NoSuchPartition, Partition
from tests.vm.hardware import Hardware, Socket

PLAIN = Hardware(disk=Path("/x/disk.qcow2"), variables=Path("/x/variables.fd"), folder=Path("/x"))


def after(argv: list[str], option: str) -> list[str]:
    """Every value that an option was given."""
    return [value for word, value in itertools.pairwise(argv) if word == option]


@pytest.mark.parametrize(
    ("change", "option", "value"),
    [
        ({}, "-accel", "tcg,thread=multi"),
        ({"accelerator": "kvm"}, "-accel", "kvm"),
        ({"memory": 512}, "-m", "512"),
        ({"usb": True}, "-device", "qemu-xhci,id=usb,addr=0x1c"),
        ({"processors": 4}, "-smp", "4"),
        ({"clock": "1970-01-01T00:00:00"}, "-rtc", "base=1970-01-01T00:00:00"),
        ({}, "-device", "nvme,drive=image,serial=NOROSHI0001,addr=0x3,bootindex=0"),
        (
            {"write_log": Path("/x/log")},
            "-device",
            "virtio-blk-pci,drive=logged,serial=NOROSHI0001,addr=0x3,bootindex=0",
        ),
        ({"credentials": (("bench.keys", Path("/x/keys")),)}, "-smbios", "type=11,path=/x/keys"),
        (
            {"share": Path("/")},
            "-virtfs",
            "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ),
        ({"kernel": Path("/x/vmlinuz"), "append": "quiet"}, "-append", "quiet"),
    ],
)
def test_what_is_asked_for_is_on_the_command_line(change: dict[str, object], option: str, value: str) -> None:
    assert value in after(hardware.command(replace(PLAIN, **change)), option)  # type: ignore[arg-type]


def test_each_socket_has_its_tap_its_place_and_an_address_of_its_own() -> None:
    argv = hardware.command(replace(PLAIN, sockets=(Socket(fd=7), Socket(fd=8), Socket(fd=9, usb=True))))
    assert after(argv, "-netdev") == ["tap,id=net0,fd=7", "tap,id=net1,fd=8", "tap,id=net2,fd=9"]
    cards = [x for x in after(argv, "-device") if "netdev=" in x]
    assert [x.split(",")[0] for x in cards] == ["e1000e", "e1000e", "usb-net"]
    assert len({x.split("mac=")[1].split(",")[0] for x in cards}) == 3


def test_the_firmware_has_no_driver_for_a_socket_so_it_sends_nothing() -> None:
    argv = hardware.command(replace(PLAIN, sockets=(Socket(fd=7),), control_port=2222))
    cards = [x for x in after(argv, "-device") if x.startswith("e1000")]
    assert len(cards) == 2
    assert all("romfile=," in x for x in cards)


def test_the_tests_own_socket_leads_nowhere() -> None:
    user = [x for x in after(hardware.command(replace(PLAIN, control_port=2222)), "-netdev") if "user" in x]
    assert user == ["user,id=control,restrict=on,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22"]
    assert not [x for x in after(hardware.command(PLAIN), "-netdev") if "user" in x]


def test_sockets_are_called_what_linux_calls_them() -> None:
    assert hardware.socket_names((Socket(fd=1), Socket(fd=2), Socket(fd=3, usb=True))) == (
        "enp0s4",
        "enp0s5",
        "enx5254006e0003",
    )


def test_a_credential_is_what_systemd_reads_in_smbios() -> None:
    name, _, value = hardware.credential("bench.keys", b"ssh-ed25519 AAAA\n").partition("=")
    assert name == "io.systemd.credential.binary:bench.keys"
    assert base64.b64decode(value) == b"ssh-ed25519 AAAA\n"


def test_the_script_is_told_of_radios_and_keeps_the_first_for_the_box() -> None:
    lines = control.radios(3, channels=1)
    assert lines[0] == "modprobe mac80211_hwsim radios=3 channels=1"
    assert [x for x in lines if "set netns" in x] == [
        "iw phy phy1 set netns name station1",
        "iw phy phy2 set netns name station2",
    ]


def test_credentials_are_read_only_because_the_boot_partition_says_so() -> None:
    assert "systemd.import_credentials=yes" in control.kernel_args("quiet").split()
    assert control.kernel_args("quiet").endswith(" quiet")


TABLE = {
    "partitiontable": {
        "label": "gpt",
        "sectorsize": 512,
        "partitions": [
            {"node": "x1", "start": 2048, "size": 4096, "type": "C12A7328", "name": "NOROSHI"},
            {"node": "x2", "start": 6144, "size": 2048, "type": "0FC63DAF", "name": "root-a"},
            {"node": "x3", "start": 8192, "size": 2048, "type": "0FC63DAF"},
        ],
    }
}


def test_a_partition_table_is_read_in_octets() -> None:
    found = disk.partitions(TABLE)
    assert found[0] == Partition(number=1, name="NOROSHI", start=1048576, size=2097152)
    assert [x.name for x in found] == ["NOROSHI", "root-a", "3"]
    assert disk.named(found, "ROOT-A").number == 2
    assert found[1].holds(6144 * 512)
    assert not found[1].holds(8192 * 512)


def test_a_partition_that_is_not_there_is_named() -> None:
    with pytest.raises(NoSuchPartition, match="no partition data among NOROSHI, root-a, 3"):
        disk.named(disk.partitions(TABLE), "data")


@pytest.mark.parametrize(("accelerator", "there"), [("kvm", True), ("tcg,thread=multi", False)])
def test_an_emulated_machine_has_no_watchdog_that_would_reset_it_for_being_slow(
    accelerator: str, there: bool
) -> None:
    devices = after(hardware.command(replace(PLAIN, accelerator=accelerator)), "-device")
    assert ("i6300esb" in devices) is there
