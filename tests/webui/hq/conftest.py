"""An HQ on this machine: real stores on disk, a real socket for the door, one person of each role."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.hub import people
from appliance.hub.intake import create_app as create_intake
from appliance.hub.people import Role
from appliance.hub.register import close_stores, open_staff
from tests.hub.fake_hub import FakeHub, address, box
from tests.hub.sender import Sender
from webui.hq import create_app

PASSWORD = "correct-horse-battery"


class Visitor:
    """Somebody at HQ with a browser: fills in forms as they stand in the page."""

    def __init__(self, app: Flask, address: str = "10.10.0.99") -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["REMOTE_ADDR"] = address

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def token(self) -> str:
        found = re.search(
            r'name="csrf_token" value="([^"]+)"', self.get("/sign-in", follow_redirects=True).text
        )
        assert found
        return found[1]

    def post(self, path: str, **form: object) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(), **form})

    def sign_in(self, name: str, password: str = PASSWORD, **more: object) -> TestResponse:
        return self.post("/sign-in", name=name, password=password, **more)


class Office:
    """HQ as a whole: `app` is its web, `hub` its door, `report` what a box's courier does."""

    def __init__(self, hub: FakeHub, url: str) -> None:
        self.hub, self.url = hub, url
        self.app = create_app(hub.path, url, ["hq.example"])
        self.intake = create_intake(hub.path, url).test_client()
        self.staff = open_staff(url)

    def close(self) -> None:
        self.hub.stop()
        close_stores(self.app)
        close_stores(self.intake.application)
        self.staff.dispose()

    def visitor(self, role: str = "") -> Visitor:
        visitor = Visitor(self.app)
        if role:
            assert visitor.sign_in(f"{role}-san").status_code == 303
        return visitor

    def report(self, sender: Sender, **changes: object) -> None:
        posted = sender.post(sender.sign(sender.body(**changes)))
        answer = self.intake.post("/reports", json=posted, environ_base={"REMOTE_ADDR": sender.address})
        assert answer.get_json()["refused"] == [], answer.get_json()

    def box(self, number: int, **changes: object) -> Sender:
        sender = Sender(f"box-{number:04}", address(number))
        self.hub.add(box(number, **changes), sender.public)
        return sender


@pytest.fixture(scope="session")
def employed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A staff store with one person of each role; hashing passwords is slow on purpose, so it is done once."""
    folder = tmp_path_factory.mktemp("employed")
    (folder / "staff").mkdir()
    staff = open_staff(f"sqlite:///{folder / 'register' / 'register.sqlite3'}")
    for role in Role:
        people.add(staff, f"{role.value}-san", role, PASSWORD, by="test", now=time.time())
    staff.dispose()
    return folder / "staff"


@pytest.fixture
def office(tmp_path: Path, employed: Path) -> Iterator[Office]:
    (tmp_path / "register").mkdir()
    shutil.copytree(employed, tmp_path / "staff")
    hub = FakeHub(tmp_path / "door")
    hub.start()
    office = Office(hub, f"sqlite:///{tmp_path / 'register' / 'register.sqlite3'}")
    yield office
    office.close()
