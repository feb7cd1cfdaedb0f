"""Where things lie on the disk, and what is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.builder import disk, firmware, layout, modules, papers, product, target

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
    }
    asked = {"iwlwifi-x-90.ucode", "rtw/b.bin", "rtw/absent.bin"}
    assert firmware.chosen(files, asked) == {"iwlwifi-x-80.ucode", "iwlwifi-x-89.ucode", "rtw/b.bin"}


def test_papers_name_every_package_of_debian_and_of_python(tmp_path: Path) -> None:
    status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert papers.debian(status) == (("b", "1:2", "amd64"),)
    (tmp_path / "Flask_WTF-1.2.dist-info").mkdir()
    assert papers.python(tmp_path) == (("flask-wtf", "1.2"),)
    told = papers.sbom("noroshi-pc", "1", 0, papers.purls((("b", "1:2", "amd64"),), (("flask-wtf", "1.2"),)))
    assert "pkg:deb/debian/b@1:2?arch=amd64" in told
    assert "pkg:pypi/flask-wtf@1.2" in told
