"""What every test of the webs stands on: compiled catalogues, a recorded box, a browser without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webui import statuses
from tests.webui.catalogues import compile_catalogues
from tests.webui.door import RecordedDoor
from tests.webui.visitor import Visitor


@pytest.fixture(scope="session", autouse=True)
def catalogues() -> None:
    compile_catalogues()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[RecordedDoor]:
    """A box that waits for its invitation and does what it is asked."""
    answers = {
        "status": statuses.FRESH,
        "read-ticket": statuses.READ,
        "redeem": {"site": statuses.SITE},
        "rdp-file": {"file": "full address:s:10.10.0.20\r\nredirectclipboard:i:0\r\n"},
        "prove": {},
        "start-over": {},
    }
    with RecordedDoor(tmp_path / "door", answers) as door:
        yield door


@pytest.fixture
def phone(box: RecordedDoor) -> Visitor:
    return Visitor(box.path)
