"""The two children that speak with strangers: bounded in size and time, and gone when nobody holds them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from appliance.host import portal, sign_in


def asked(said: bytes, seconds: float = 1.0, pause: float = 0.0, most: int = 4096) -> dict[str, object]:
    """What the child tells of an answer."""
    ours, theirs = socket.socketpair()

    def stranger() -> None:
        ours.recv(4096)
        for place in range(0, len(said), 100) if pause else (0,):
            ours.send(said[place : place + 100] if pause else said)
            time.sleep(pause)
        ours.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=stranger, daemon=True)
    thread.start()
    with ours, theirs:
        done = subprocess.run(
            (
                sys.executable,
                "-IS",
                portal.INSIDE,
                "/noroshi-check?0",
                "203.0.113.10",
                str(seconds),
                str(most),
            ),
            stdin=theirs.fileno(),
            capture_output=True,
            timeout=10,
            check=True,
        )
        thread.join(5)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("said", "code", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyes and more", 200, "yes and more"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://x/\r\n\r\n", 302, ""),
        (b"SSH-2.0-OpenSSH\r\n", 0, ""),
        (b"HTTP/9.9 200\r\n\r\n", 0, ""),
        (b"", -1, ""),
    ],
)
def test_an_answer_is_told_in_a_few_octets(said: bytes, code: int, body: str) -> None:
    assert asked(said) == {"code": code, "body": body}


def test_an_endless_answer_is_cut() -> None:
    found = asked(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000)
    assert found["code"] == 200 and len(str(found["body"])) < 4096


def test_a_dripping_answer_ends_in_time() -> None:
    begun = time.monotonic()
    asked(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, seconds=0.5, pause=0.1)
    assert time.monotonic() - begun < 5


def relaying(seconds: float) -> subprocess.Popen[bytes]:
    """The relay itself, with sockets that lead nowhere."""
    listeners = [socket.socket(socket.AF_INET, x) for x in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    for x in listeners:
        x.bind(("127.0.0.1", 0))
        x.setblocking(False)
    listeners[0].listen()
    line = socket.socket()
    question = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    every = (*listeners, line, question)
    child = subprocess.Popen(
        (
            sys.executable, "-IS", sign_in.INSIDE, str(seconds), ",".join(str(x.fileno()) for x in listeners),
            str(line.fileno()), str(question.fileno()), "192.0.2.53",
        ),
        stdin=subprocess.PIPE,
        pass_fds=[x.fileno() for x in every],
    )  # fmt: skip
    for x in every:
        x.close()
    return child


def test_the_relay_ends_after_its_time_even_if_everybody_forgets_it() -> None:
    with relaying(0.5) as child:
        assert child.wait(5) == 0


def test_the_relay_ends_when_the_daemon_does() -> None:
    with relaying(60) as child:
        with pytest.raises(subprocess.TimeoutExpired):  # the guard: while it is held it stays
            child.wait(1)
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(5) == 0
