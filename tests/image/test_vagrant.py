"""The Vagrantfile by Vagrant's own check, and the boxes by Vagrant's own way of taking them. No machine is started: that
needs VirtualBox or libvirt with a real processor's help."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from image.builder import boxes

ROOT = Path(__file__).parents[2]
OCTETS = 3 << 20

pytestmark = pytest.mark.skipif(
    shutil.which("vagrant") is None or shutil.which("qemu-img") is None, reason="run scripts/setup"
)


def vagrant(home: Path, folder: Path, *argv: str) -> tuple[int, str]:
    """Vagrant with everything of its own below `home`: it asks nobody for a newer one."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "VAGRANT_HOME": str(home / "vagrant.d"),
        "VAGRANT_DOTFILE_PATH": str(home / "dot"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ("vagrant", *argv), cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vagrant")


@pytest.fixture(scope="module")
def packed(home: Path) -> dict[str, Path]:
    raw = home / "pc.img"
    raw.write_bytes(b"a disk".ljust(OCTETS, b"\0"))
    found = {x: home / f"noroshi-pc-{x}.box" for x in boxes.PROVIDERS}
    for provider, path in found.items():
        boxes.make(path, raw, provider, home / "scratch")
    return found


def test_the_vagrantfile_is_valid_and_names_the_three_machines(home: Path) -> None:
    code, told = vagrant(home, ROOT, "validate", "--ignore-provider")
    assert code == 0, told
    assert "validated successfully" in told


def test_a_wrong_word_in_it_would_be_found(home: Path, tmp_path: Path) -> None:
    """Guard: the check can fail."""
    text = (ROOT / "Vagrantfile").read_text().replace("laptop.vm.hostname", "laptop.vm.hostnmae")
    (tmp_path / "Vagrantfile").write_text(text)
    code, told = vagrant(home, tmp_path, "validate", "--ignore-provider")
    assert code != 0
    assert "hostnmae" in told


@pytest.mark.parametrize("provider", boxes.PROVIDERS)
def test_vagrant_takes_the_box_and_the_disk_in_it_is_the_image(
    home: Path, packed: dict[str, Path], provider: str
) -> None:
    code, told = vagrant(
        home, home, "box", "add", "--name", "noroshi-pc", "--provider", provider, str(packed[provider])
    )
    assert code == 0, told
    laid = next((home / "vagrant.d/boxes/noroshi-pc").glob(f"0/**/{provider}"))
    disk = next(x for x in laid.iterdir() if x.suffix in (".img", ".vmdk"))
    back = home / f"{provider}.raw"
    subprocess.run(("qemu-img", "convert", "-O", "raw", disk, back), check=True, capture_output=True)
    assert back.read_bytes() == (home / "pc.img").read_bytes()


@pytest.mark.parametrize("provider", boxes.PROVIDERS)
def test_a_machine_of_the_box_is_valid_with_its_own_settings(
    home: Path, tmp_path: Path, packed: dict[str, Path], provider: str
) -> None:
    """The Vagrantfile in the box brings a way of speaking that says nothing: nobody signs in to a box."""
    with tarfile.open(packed[provider]) as box:
        inside = box.extractfile("Vagrantfile")
        assert inside is not None
        (tmp_path / "Vagrantfile").write_bytes(
            inside.read() + b'Vagrant.configure("2") { |c| c.vm.box = "noroshi-pc" }\n'
        )
    code, told = vagrant(home, tmp_path, "validate", "--ignore-provider")
    assert code == 0, told


def test_virtualboxs_description_is_whole(packed: dict[str, Path]) -> None:
    with tarfile.open(packed["virtualbox"]) as box:
        assert box.getnames() == ["Vagrantfile", "box-disk001.vmdk", "box.ovf", "metadata.json"]
        found = box.extractfile("box.ovf")
        assert found is not None
        tree = ET.fromstring(found.read())
    names = {"o": "http://schemas.dmtf.org/ovf/envelope/1"}
    disk = tree.find("o:DiskSection/o:Disk", names)
    file = tree.find("o:References/o:File", names)
    assert disk is not None
    assert file is not None
    assert disk.get(f"{{{names['o']}}}capacity") == str(OCTETS)
    assert file.get(f"{{{names['o']}}}href") == "box-disk001.vmdk"


def test_libvirts_metadata_leaves_room_for_the_whole_disk() -> None:
    assert json.loads(boxes.metadata("libvirt", (1 << 30) + 1))["virtual_size"] == 2
    assert json.loads(boxes.metadata("libvirt", 1 << 30))["virtual_size"] == 1


@pytest.mark.parametrize("script", sorted((ROOT / "scripts/vagrant").iterdir()), ids=lambda x: x.name)
def test_a_machines_script_is_one(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run(("bash", "-n", script), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
