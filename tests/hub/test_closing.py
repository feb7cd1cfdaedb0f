"""Whoever opens the register closes it: SQLite then folds its log into the one file, and a copy of it is whole."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from appliance.hub.register import RegisterProblem, open_register, register_schema
from tests.hub.fake_hub import FakeHub

ROOT = Path(__file__).parents[2]


def logs(url: str) -> list[str]:
    """SQLite's logs that lie beside the stores: there is one as long as somebody has a store open."""
    folder = Path(str(sa.make_url(url).database)).parents[1]
    return sorted(path.name for path in folder.glob("*/*-wal"))


def free_port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return int(finder.getsockname()[1])


def wait_for(port: int, web: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
                visitor.settimeout(30)
                assert visitor.recv(5) == b"HTTP/"
                return
        assert web.poll() is None
        time.sleep(0.1)
    raise AssertionError("the web did not begin to listen")


@pytest.mark.parametrize(
    ("settings", "stores"),
    [
        ("appliance.hub.gunicorn_intake", ["register.sqlite3-wal"]),
        ("webui.hq.gunicorn_hq", ["register.sqlite3-wal", "staff.sqlite3-wal"]),
    ],
)
def test_a_web_that_is_told_to_stop_closes_its_stores(
    hub: FakeHub, url: str, settings: str, stores: list[str]
) -> None:
    port = free_port()
    web = subprocess.Popen(
        (sys.executable, "-m", "gunicorn", "-c", f"python:{settings}", "-b", f"127.0.0.1:{port}"),
        env=os.environ | {"NOROSHI_RUN_DIR": str(hub.path.parent), "NOROSHI_DATABASE_URL": url},
        cwd=ROOT,
    )
    try:
        wait_for(port, web)
        assert logs(url) == stores
    finally:
        web.terminate()
        web.wait(30)
    assert logs(url) == []


def test_a_register_of_newer_software_is_refused_and_left_closed(url: str) -> None:
    engine = open_register(url)
    with engine.begin() as connection:
        connection.execute(register_schema.update().values(version=99))
    engine.dispose()
    with pytest.raises(RegisterProblem):
        open_register(url)
    assert logs(url) == []
