"""An update on a USB stick: the wished one is taken, everything else stays on it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from appliance.host.bundles import Bundles
from appliance.host.stick import carry

OCTETS = b"a signed bundle" * 1000
SHA = hashlib.sha256(OCTETS).hexdigest()
WANTED = {"sha256": SHA, "size": len(OCTETS)}


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    made = Bundles(tmp_path / "state", os.getuid())
    made.prepare()
    return made


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def taken(stick: Path, bundles: Bundles) -> bool:
    return carry(stick, WANTED, bundles, os.getuid())


def test_the_wished_update_is_taken_whatever_it_is_called(stick: Path, bundles: Bundles) -> None:
    (stick / "a.raucb").write_bytes(b"x" * len(OCTETS))
    (stick / "こうしん.raucb").write_bytes(OCTETS)
    assert taken(stick, bundles)
    assert bundles.held(SHA) == (len(OCTETS), True)
    assert taken(stick, bundles), "and once is enough"


@pytest.mark.parametrize(
    ("name", "octets"),
    [("x.raucb", OCTETS[:-1]), ("x.raucb", OCTETS[:-1] + b"?"), ("x.img", OCTETS), ("x.raucb", b"")],
)
def test_anything_else_stays_on_the_stick(stick: Path, bundles: Bundles, name: str, octets: bytes) -> None:
    (stick / name).write_bytes(octets)
    assert not taken(stick, bundles)
    assert not list(bundles.coming.iterdir())
    assert not list(bundles.own.iterdir())


def test_names_that_lead_elsewhere_are_not_followed(stick: Path, bundles: Bundles, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(OCTETS)
    (stick / "x.raucb").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(stick / "y.raucb")
    (stick / "z.raucb").mkdir()
    assert not taken(stick, bundles)
