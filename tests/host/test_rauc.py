"""Bundles by the real `rauc`, signed with keys of our own by the image's own code: what it takes for right and what not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.core.boot_choice import Choice
from appliance.core.words import Refused
from appliance.host import rauc
from appliance.host.bundles import Bundles
from appliance.host.rauc import Rauc, read
from image.builder import bundle
from image.builder.target import TARGETS
from tests.core.test_software import NEW

pytestmark = pytest.mark.skipif(
    not (shutil.which("rauc") and shutil.which("mksquashfs")), reason="needs rauc and squashfs-tools"
)


def key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    told = ["-newkey", "rsa:2048", "-noenc", "-days", "30", "-subj", f"/O=Noroshi/CN={name}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *told, *files], check=True, capture_output=True)
    return key, certificate


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle of two small file systems: as an image's, but for their size."""
    folder = tmp_path_factory.mktemp("rauc")
    root, boot = folder / "root.squashfs", folder / "boot.ext4"
    for path in (root, boot):
        path.write_bytes(os.urandom(200_000))
    key, certificate = key_pair(folder, "ours")
    key_pair(folder, "other")
    bundle.make(folder / "good.raucb", TARGETS["pc"], NEW, root, boot, key, certificate)
    return folder


def refused(place: Path, name: str, keyring: str = "ours") -> str:
    with pytest.raises(Refused) as error:
        Rauc(place / f"{keyring}.pem").check(place / name)
    return error.value.code


def test_a_signed_bundle_says_what_it_is(place: Path) -> None:
    assert Rauc(place / "ours.pem").check(place / "good.raucb") == ("noroshi-pc", NEW)


def test_hq_reads_a_bundle_without_a_key(place: Path) -> None:
    assert read(place / "good.raucb", None) == ("noroshi-pc", NEW)


def test_a_bundle_of_another_key_is_refused(place: Path) -> None:
    assert refused(place, "good.raucb", "other") == "update-foreign-key"


def test_a_truncated_bundle_is_refused(place: Path) -> None:
    octets = (place / "good.raucb").read_bytes()
    (place / "torn.raucb").write_bytes(octets[: len(octets) // 2])
    assert refused(place, "torn.raucb") == "update-unsigned"


def test_what_is_not_signed_is_refused(place: Path) -> None:
    content = place / "content"
    content.mkdir()
    (content / "manifest.raucm").write_text(bundle.manifest(TARGETS["pc"], NEW))
    shutil.copy(place / "root.squashfs", content / "root.img")
    told = ["mksquashfs", str(content), str(place / "bare.raucb"), "-noappend", "-quiet", "-no-progress"]
    subprocess.run(told, check=True, capture_output=True)
    assert refused(place, "bare.raucb") == "update-unsigned"


def test_an_altered_manifest_is_refused(place: Path) -> None:
    octets = (place / "good.raucb").read_bytes()
    at = octets.rindex(NEW.encode())
    (place / "altered.raucb").write_bytes(octets[:at] + b"9" + octets[at + 1 :])
    assert refused(place, "altered.raucb") == "update-foreign-key"


def test_no_file_is_refused(place: Path) -> None:
    assert refused(place, "nothing.raucb") == "update-unsigned"


def test_a_machine_without_slots_says_so(place: Path) -> None:
    assert Rauc(place / "ours.pem").slots(tried=True).slot == ""


def test_the_boxs_file_says_when_rauc_starts_the_other_slot() -> None:
    """RAUC writes; when the other slot is tried is the box's to say."""
    assert "activate-installed=false" in bundle.configuration(TARGETS["pc"]).splitlines()


def test_what_came_counts_only_when_it_is_what_hq_named(place: Path, tmp_path: Path) -> None:
    held = Bundles(tmp_path, 0)
    held.prepare()
    octets = (place / "good.raucb").read_bytes()
    sha256 = hashlib.sha256(octets).hexdigest()
    (held.coming / f"{sha256}.part").write_bytes(octets[:1000])
    assert held.held(sha256) == (1000, False)
    (held.coming / sha256).write_bytes(octets)
    assert held.held(sha256) == (len(octets), True)
    taken = held.seize(sha256)
    assert held.is_right(taken, sha256)
    assert taken.stat().st_mode & 0o777 == 0o600
    assert held.held(sha256) == (len(octets), True), "also after the power went in the middle of installing"
    assert held.seize(sha256) == taken
    taken.write_bytes(octets[:-1])
    assert not held.is_right(taken, sha256)
    taken.unlink()
    (held.coming / sha256).symlink_to(place / "good.raucb")
    with pytest.raises(OSError, match=r"symbolic|loop"):
        held.is_right(held.seize(sha256), sha256)
    held.forget()
    assert not list(held.own.iterdir())
    with pytest.raises(FileNotFoundError):
        held.seize(sha256)


def test_a_file_that_has_a_second_name_is_not_taken(place: Path, tmp_path: Path) -> None:
    """Whoever has the other name could write to it later."""
    held = Bundles(tmp_path, 0)
    held.prepare()
    octets = (place / "good.raucb").read_bytes()
    sha256 = hashlib.sha256(octets).hexdigest()
    (tmp_path / "mine").write_bytes(octets)
    (held.coming / sha256).hardlink_to(tmp_path / "mine")
    assert not held.is_right(held.seize(sha256), sha256)


@pytest.mark.parametrize(("slot", "ends"), [("", False), ("A", False), ("B", True)])
def test_a_trial_that_nobody_confirmed_ends_without_the_daemon(slot: str, ends: bool) -> None:
    """The timer's program, on a machine whose good slot is A."""
    assert rauc.is_on_trial(slot, Choice(good="A")) is ends


def test_what_rauc_says_of_the_next_start_is_read() -> None:
    slots = [{"root.0": {"bootname": "A"}}, {"root.1": {"bootname": "B"}}, {"boot.0": {"bootname": None}}]
    assert rauc.starts_next(json.dumps({"boot_primary": "root.1", "slots": slots})) == "B"
    for nothing in ("", "[]", "{}", json.dumps({"boot_primary": None, "slots": slots})):
        assert rauc.starts_next(nothing) == ""
