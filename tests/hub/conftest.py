"""A register on disk, a hub's door on a socket, an intake between them: all real, all small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from appliance.hub.intake import create_app
from appliance.hub.register import close_stores, open_register
from tests.hub.fake_hub import FakeHub, address, box
from tests.hub.sender import Sender


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "register").mkdir()
    (tmp_path / "staff").mkdir()
    return f"sqlite:///{tmp_path / 'register' / 'register.sqlite3'}"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    hub = FakeHub(tmp_path / "door")
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def sender(hub: FakeHub) -> Sender:
    sender = Sender("box-0001", address(1))
    hub.add(box(1), sender.public)
    return sender


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_register(url)
    yield engine
    engine.dispose()


@pytest.fixture
def intake(hub: FakeHub, url: str) -> Iterator[FlaskClient]:
    app = create_app(hub.path, url)
    yield app.test_client()
    close_stores(app)
