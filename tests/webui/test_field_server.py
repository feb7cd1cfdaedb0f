"""The real server around the field web: slow clients, torn ones, too large ones. The page must still come."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.webui.door import RecordedDoor
from tests.webui.server import FieldServer
from webui import HERE
from webui.photo import LARGEST_UPLOAD

HEAVY = ("sqlalchemy", "PIL", "zxingcpp", "segno", "pyroute2", "netifaces", "hypothesis")


@pytest.fixture
def server(box: RecordedDoor) -> Iterator[FieldServer]:
    with FieldServer(box.path.parent) as running:
        yield running


def seconds_for_a_page(server: FieldServer) -> float:
    before = time.monotonic()
    assert "<h1>" in server.get()
    return time.monotonic() - before


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_connections_that_say_nothing_take_no_thread(server: FieldServer) -> None:
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        time.sleep(0.5)
        assert seconds_for_a_page(server) < 1


def test_clients_that_dribble_are_let_go_and_the_page_comes(server: FieldServer) -> None:
    with ExitStack() as stack:
        for _ in range(6):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        body = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        body.sendall(b"POST /ticket HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\n\r\nx")
        assert seconds_for_a_page(server) < 8
        assert "Traceback" not in server.log()


def test_an_upload_far_over_the_limit_still_gets_its_sentence(server: FieldServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    head = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x.jpg"\r\n\r\n'
    body = head + bytes(LARGEST_UPLOAD + (8 << 20)) + b"\r\n--b--\r\n"
    connection.request("POST", "/ticket", body, {"Content-Type": "multipart/form-data; boundary=b"})
    answer = connection.getresponse()
    assert answer.status == 413
    assert "写真が大きすぎて読み取れません" in answer.read().decode()
    connection.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # somebody tries https
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"POST /ticket HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_torn_requests_leave_the_server_well(server: FieldServer, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as torn:
        torn.sendall(raw)
        torn.shutdown(socket.SHUT_WR)
        answer = torn.recv(4096)
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert b"Traceback" not in answer
    assert seconds_for_a_page(server) < 2


def test_a_killed_worker_is_replaced_and_open_pages_still_work(server: FieldServer) -> None:
    """The key of the forms is made before the worker is, so a page from before stays good."""
    page = server.get()
    (worker,) = children(server.pid)
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while children(server.pid) in ([], [worker]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seconds_for_a_page(server) < 5
    assert 'data-step="ticket"' in page


def test_the_web_loads_nothing_heavy_before_it_is_needed() -> None:
    program = f"import sys, webui.field.wsgi; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        (sys.executable, "-c", program),
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
        timeout=30,
    )
    assert done.stdout.strip() == "[]"
