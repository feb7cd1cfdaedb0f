"""Where things lie on the disk, and what is written there."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from appliance.core import boot_choice
from appliance.core.machine import Machine
from appliance.core.programs import box_program_names
from image.builder import bundle, disk, firmware, layout, modules, papers, pc, pi, product, target

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "image/overlay"


def test_partitions_follow_one_another_on_whole_mebibytes() -> None:
    parts = layout.gpt()
    assert [x.name for x in parts] == ["NOROSHI", "boot-a", "root-a", "boot-b", "root-b", "data"]
    at = layout.MIB
    for x in parts:
        assert x.start == at
        assert x.size % layout.MIB == 0
        at += x.size
    assert layout.size(parts) <= 2 * 1000**3  # the smallest card that is still sold


def test_both_slots_are_alike() -> None:
    size = {x.name: x.size for x in layout.gpt()}
    assert size["boot-a"] == size["boot-b"]
    assert size["root-a"] == size["root-b"]


def test_a_partition_is_known_by_the_same_name_in_every_image() -> None:
    assert layout.identity("root-a") == layout.identity("root-a")
    assert len({x.id for x in layout.gpt()}) == 6


def test_what_the_boot_loader_remembers_lies_in_one_sector() -> None:
    octets = disk.environment({"good": "A", "trial": ""})
    assert len(octets) == 1024
    assert octets.startswith(b"# GRUB Environment Block\ngood=A\ntrial=\n#")
    with pytest.raises(ValueError, match="one sector"):
        disk.environment({"args": "x" * 500})


@pytest.mark.parametrize("name", ["packages", "packages.pc", "packages.pi"])
def test_a_list_of_packages_is_sorted_and_names_each_once(name: str) -> None:
    found = target.listed((ROOT / "image" / name).read_text())
    assert list(found) == sorted(set(found))


def test_a_library_that_comes_from_debian_leaves_the_lock_file_with_its_hashes() -> None:
    lock = "a==1 \\\n    --hash=sha256:1\n    # via b\nnetifaces==0.11.0 \\\n    --hash=sha256:2\nz==3 \\\n    --hash=sha256:3\n"
    assert product.without(lock, product.FROM_DEBIAN) == (
        "a==1 \\\n    --hash=sha256:1\n    # via b\nz==3 \\\n    --hash=sha256:3\n"
    )


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("net/sched/sch_cake.ko.xz", True),
        ("net/sched/sch_netem.ko.xz", True),
        ("drivers/net/wireguard/wireguard.ko.xz", True),
        ("drivers/net/wireless/virtual/mac80211_hwsim.ko.xz", True),
        ("drivers/net/usb/cdc_ether.ko.xz", True),
        ("drivers/net/usb/rndis_host.ko.xz", True),
        ("drivers/net/wwan/wwan.ko.xz", True),
        ("drivers/net/ethernet/intel/igc/igc.ko.xz", True),
        ("drivers/net/ethernet/intel/ice/ice.ko.xz", False),
        ("drivers/net/veth.ko.xz", True),
        ("drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz", False),
        ("net/bluetooth/bluetooth.ko.xz", False),
        ("sound/core/snd.ko.xz", False),
        ("drivers/net/vethalike.ko.xz", False),
    ],
)
def test_a_module_stays_where_a_box_may_meet_it(path: str, stays: bool) -> None:
    assert modules.stays(path) is stays


def test_of_a_radio_s_firmware_the_newest_two_that_the_driver_takes_stay() -> None:
    files = {f"iwlwifi-x-{n}.ucode" for n in (70, 80, 89, 95)} | {
        "iwlwifi-y-20.ucode",
        "amdgpu/a.bin",
        "rtw/b.bin",
        "regulatory.db",
        "regulatory.db-debian",
    }
    asked = {"iwlwifi-x-90.ucode", "rtw/b.bin", "rtw/absent.bin"}
    assert firmware.chosen(files, asked) == {
        "iwlwifi-x-80.ucode", "iwlwifi-x-89.ucode", "rtw/b.bin", "regulatory.db", "regulatory.db-debian",
    }  # fmt: skip


def test_papers_name_every_package_of_debian_and_of_python(tmp_path: Path) -> None:
    status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert papers.debian(status) == (("b", "1:2", "amd64"),)
    (tmp_path / "Flask_WTF-1.2.dist-info").mkdir()
    assert papers.python(tmp_path) == (("flask-wtf", "1.2"),)
    told = papers.sbom("noroshi-pc", "1", 0, papers.purls((("b", "1:2", "amd64"),), (("flask-wtf", "1.2"),)))
    assert "pkg:deb/debian/b@1:2?arch=amd64" in told
    assert "pkg:pypi/flask-wtf@1.2" in told


def test_a_pi_s_slots_lie_in_the_extended_partition_with_room_for_its_links() -> None:
    parts = layout.mbr()
    assert {x.name: x.number for x in parts} == {
        "NOROSHI": 1, "data": 2, "boot-a": 5, "root-a": 6, "boot-b": 7, "root-b": 8,
    }  # fmt: skip
    for before, after in itertools.pairwise(parts):
        gap = layout.MIB if after.number > 4 else 0
        assert after.start == before.start + before.size + gap
    assert layout.size(parts) <= 2 * 1000**3
    assert layout.mbr_id(parts[-1]) == "4e6f726f-08"
    script = layout.mbr_script(parts)
    assert "1 : start=2048, size=262144, type=c, bootable" in script
    assert script.count("type=f") == 1


def test_a_pi_s_boot_loader_finds_the_letters_where_the_box_writes_them() -> None:
    block = boot_choice.block(boot_choice.Choice(good="B", trial="A"))
    assert chr(block[0x1E]) == "B"
    assert chr(block[0x26]) == "A"
    cleared = bytearray(block)
    cleared[0x26], cleared[0x27] = 0x0A, 0x23  # as boot.cmd does
    assert boot_choice.read(bytes(cleared)) == boot_choice.Choice(good="B")


@pytest.mark.parametrize("text", [pc.configuration(), pi.script()])
def test_a_boot_loader_is_told_everything(text: str) -> None:
    assert "@" not in text
    assert "systemd.import_credentials=no" in text
    assert "rauc.slot=" in text


@pytest.mark.parametrize("kind", [target.PC, target.PI])
def test_the_updater_knows_both_slots_and_takes_signed_bundles_only(kind: target.Target) -> None:
    told = bundle.configuration(kind)
    assert told.count("[slot.") == 4
    assert told.count("/dev/disk/by-partuuid/") == 4
    assert "bundle-formats=verity" in told
    assert f"compatible=noroshi-{kind.name}" in told
    assert f"compatible=noroshi-{kind.name}" in bundle.manifest(kind, "1")


def files() -> list[Path]:
    return sorted(x for x in OVERLAY.rglob("*") if x.is_file() and not x.is_symlink())


@pytest.mark.parametrize("path", files(), ids=lambda x: str(x.relative_to(OVERLAY)))
def test_the_overlay_holds_no_secret(path: Path) -> None:
    text = path.read_text()
    for word in ("PRIVATE KEY", "password=", "passphrase=", "psk="):
        assert word not in text


def test_nobody_is_waited_for_at_a_terminal_and_no_shell_is_served() -> None:
    for name in (
        "getty@.service",
        "serial-getty@.service",
        "console-getty.service",
        "debug-shell.service",
        "ssh.service",
    ):
        assert (OVERLAY / "etc/systemd/system" / name).readlink() == Path("/dev/null")
    for name in ("getty", "ssh"):
        generator = OVERLAY / f"etc/systemd/system-generators/systemd-{name}-generator"
        assert generator.readlink() == Path("/dev/null")
    assert "systemd.import_credentials=no" in (ROOT / "image/cmdline").read_text().split()


def test_the_users_of_the_image_are_those_that_the_daemon_names() -> None:
    machine = Machine()
    told = (OVERLAY / "usr/lib/sysusers.d/noroshi.conf").read_text()
    for name in ("web", "courier", "hq", "intake", "relay", "portal"):
        assert f"u noroshi-{name} " in " ".join(told.split()) + " "
        assert str(getattr(machine, f"{name}_uid")) in told


def test_every_program_that_the_daemon_starts_has_a_sandbox() -> None:
    folder = OVERLAY / "usr/lib/systemd/system"
    for name in box_program_names(Machine(uplinks=("eth0",))):
        prefix = f"{name.partition('-')[0]}-" if "-" in name else name
        assert (folder / f"noroshi-{prefix}.service.d/sandbox.conf").exists(), name
