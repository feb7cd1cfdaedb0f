"""The desktop at HQ and the laptop that opens it: a real xrdp, a real FreeRDP, a real screen."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from scripts.exercise import desk, processes, screen, topology
from scripts.exercise.desk import Desk
from scripts.exercise.laptop import Laptop, NoDesktop
from scripts.exercise.place import Place
from scripts.exercise.processes import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    place = Place(f"exk{os.getpid()}")
    topology.up(place)
    try:
        yield place
    finally:
        topology.down(place)


@pytest.fixture(scope="module")
def access(place: Place) -> Iterator[Desk]:
    yield desk.start(place)
    desk.stop(place)


@pytest.fixture(scope="module")
def laptop(place: Place, access: Desk) -> Iterator[Laptop]:
    laptop = Laptop(place)
    laptop.start()
    yield laptop
    laptop.stop()


# The laptop's own namespace has no way to HQ without a box, so these look from HQ itself.


def test_the_laptop_sees_the_desktop_and_keeps_a_picture(
    laptop: Laptop, access: Desk, tmp_path: Path
) -> None:
    opened = laptop.open_desktop(access, tmp_path / "desktop.png", machine="hq")
    assert 0 < opened.at - opened.asked < 15
    assert opened.colours > 8
    with Image.open(opened.screenshot) as picture:
        assert picture.size == desk.SIZE
        assert screen.view(picture, desk.BACKGROUND).share > 0.3


def test_a_desktop_with_another_certificate_is_not_opened(
    laptop: Laptop, access: Desk, tmp_path: Path
) -> None:
    stranger = replace(access, fingerprint="00" * 32)
    with pytest.raises(NoDesktop):
        laptop.open_desktop(stranger, tmp_path / "none.png", machine="hq", patience=2.5)


def test_the_login_dialog_does_not_count_as_a_desktop(laptop: Laptop, access: Desk, tmp_path: Path) -> None:
    forgetful = replace(access, password="wrong")
    with pytest.raises(NoDesktop):
        laptop.open_desktop(forgetful, tmp_path / "dialog.png", machine="hq", patience=4)


def test_the_login_user_and_its_password_exist_nowhere_outside(place: Place, access: Desk) -> None:
    with pytest.raises(KeyError):
        pwd.getpwnam(desk.USER)
    assert access.user not in Path("/etc/shadow").read_text()
    assert desk.read(place) == access
    assert (place.root / "desk").stat().st_mode & 0o077 == 0


def test_ending_the_desktop_ends_every_process_of_its_sessions(place: Place, access: Desk) -> None:
    namespace = place.namespace("desk")
    assert len(run("ip", "netns", "pids", namespace).split()) > 5, "guard: a session is running"
    desk.stop(place)
    assert run("ip", "netns", "pids", namespace).split() == []
    assert not desk.greets(place, "hq")
    assert processes.recorded(place, "desk") is None
