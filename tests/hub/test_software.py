"""The courier brings an update from HQ's intake: pieces over real HTTP, cut and begun again; strangers get nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from appliance import fetching
from appliance.fetching import PIECE, bring
from appliance.hub.intake import create_app
from appliance.hub.register import close_stores
from tests.hub.fake_hub import FakeHub, address
from tests.hub.sender import Sender

OCTETS = bytes(range(256)) * (PIECE // 256 * 2) + b"and a rest"
SHA = hashlib.sha256(OCTETS).hexdigest()
WANTED = {"sha256": SHA, "size": len(OCTETS), "gently": False}


@pytest.fixture
def software(tmp_path: Path) -> Path:
    folder = tmp_path / "software"
    folder.mkdir()
    (folder / SHA).write_bytes(OCTETS)
    return folder


@pytest.fixture
def client(hub: FakeHub, url: str, software: Path) -> Iterator[FlaskClient]:
    app = create_app(hub.path, url, software)
    yield app.test_client()
    close_stores(app)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("inbox", "update"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


@pytest.fixture
def intake(
    hub: FakeHub, url: str, software: Path, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> Iterator[str]:
    """On loopback, where everybody is that box."""
    app = create_app(hub.path, url, software)
    told = app.wsgi_app

    def as_box(environment: dict[str, object], start: object) -> object:
        return told({**environment, "REMOTE_ADDR": sender.address}, start)  # type: ignore[arg-type]

    server = make_server("127.0.0.1", 0, as_box, threaded=True)  # type: ignore[arg-type]
    monkeypatch.setattr(fetching, "PORT", server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1"
    server.shutdown()
    thread.join()
    server.server_close()
    close_stores(app)


def fetched(box: Path, hub: str, most: int = 10) -> int:
    """Pieces until nothing is left to bring."""
    for count in range(most):
        if bring(box, box / "update", hub, WANTED) is None:
            return count
    raise AssertionError("it never ends")


def test_an_update_comes_in_pieces_and_is_whole(intake: str, box: Path) -> None:
    assert fetched(box, intake) == 3
    assert (box / "update" / SHA).read_bytes() == OCTETS
    assert not list((box / "inbox").iterdir())


def test_what_was_cut_goes_on_where_it_was(intake: str, box: Path) -> None:
    (box / "update" / f"{SHA}.part").write_bytes(OCTETS[: PIECE + 17])
    assert fetched(box, intake) == 2
    assert (box / "update" / SHA).read_bytes() == OCTETS


def test_what_is_not_what_hq_named_is_thrown_away_and_told(intake: str, box: Path, software: Path) -> None:
    (software / SHA).write_bytes(b"x" * len(OCTETS))
    for _ in range(3):
        bring(box, box / "update", intake, WANTED)
    assert not list((box / "update").iterdir())
    assert json.loads((box / "inbox" / "update.json").read_text()) == {"answer": {"damaged": SHA}}


def test_a_file_that_is_shorter_at_hq_brings_no_piece(intake: str, box: Path, software: Path) -> None:
    (software / SHA).write_bytes(OCTETS[:100])
    with pytest.raises(OSError, match="piece 0"):
        bring(box, box / "update", intake, WANTED)


def test_hq_out_of_reach_costs_nothing_that_is_here(intake: str, box: Path) -> None:
    bring(box, box / "update", intake, WANTED)
    with pytest.raises((OSError, http.client.HTTPException)):
        bring(box, box / "update", "127.0.0.2", {**WANTED})
    assert (box / "update" / f"{SHA}.part").stat().st_size == PIECE


def test_who_uses_the_line_goes_first(intake: str, box: Path) -> None:
    pause = bring(box, box / "update", intake, {**WANTED, "gently": True})
    assert pause is not None
    assert pause > 0


def test_what_nobody_wants_any_more_makes_room(box: Path) -> None:
    (box / "update" / "old.part").write_bytes(b"x")
    assert bring(box, box / "update", "127.0.0.1", None) is None
    assert not list((box / "update").iterdir())


def test_only_boxes_of_ours_get_a_piece(client: FlaskClient, sender: Sender) -> None:
    ours = client.get(f"/software/{SHA}/2", environ_base={"REMOTE_ADDR": sender.address})
    assert (ours.status_code, ours.data) == (200, OCTETS[2 * PIECE :])
    stranger = client.get(f"/software/{SHA}/0", environ_base={"REMOTE_ADDR": address(99)})
    assert stranger.status_code == 403


@pytest.mark.parametrize(
    "path", [f"{SHA}/3", f"{SHA}/-1", f"{'0' * 64}/0", "../register/0", f"{SHA}/99999999999", f"{SHA[:-1]}/0", "register/0"]
)  # fmt: skip
def test_nothing_else_is_handed_out(client: FlaskClient, sender: Sender, path: str) -> None:
    answer = client.get(f"/software/{path}", environ_base={"REMOTE_ADDR": sender.address})
    assert answer.status_code in (404, 308)
