"""HQ's check for lines: one question of one shape is answered, whoever asks; everybody else costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.control import Door
from appliance.core.enrolment import sign
from appliance.core.machine import Finding
from appliance.core.portal import read_answer
from appliance.hub import checkpoint
from appliance.hub.checkpoint import Allowance, Checkpoint
from tests.machines import HQ

NONCE = "0123456789abcdef" * 2
QUESTION = f"GET /noroshi-check?{NONCE} HTTP/1.0\r\nHost: 203.0.113.10\r\n\r\n".encode()


def met(folder: Path, *questions: bytes, door: bool = True) -> list[bytes]:
    """What each of the questions is answered."""

    async def all_of_them() -> list[bytes]:
        server = await asyncio.start_server(
            Checkpoint(folder / "door").meet, "127.0.0.1", 0, limit=checkpoint.MOST_OCTETS
        )
        port = server.sockets[0].getsockname()[1]
        async with server:
            return [await one(port, x) for x in questions]

    async def one(port: int, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(question)
        answer = await asyncio.wait_for(reader.read(8192), 10)
        writer.close()
        return answer

    return with_door(folder, all_of_them) if door else asyncio.run(all_of_them())


def with_door(folder: Path, work: Callable[[], Awaitable[list[bytes]]]) -> list[bytes]:
    def answer(request: dict[str, object], uid: int) -> dict[str, object]:
        assert request["ask"] == "sign-check"
        return {"paper": sign({"check": request["nonce"]}, HQ.signing_private)}

    door = Door(folder / "door", frozenset(), answer)
    door.start()
    try:
        return asyncio.run(work())  # type: ignore[arg-type]
    finally:
        door.close()


def test_the_number_comes_back_signed(tmp_path: Path) -> None:
    (answer,) = met(tmp_path, QUESTION)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    body = answer.partition(b"\r\n\r\n")[2].decode()
    assert read_answer(200, body, NONCE, HQ.signing_key) is Finding.CLEAR


@pytest.mark.parametrize(
    "question",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /noroshi-check HTTP/1.0\r\n\r\n",
        f"GET /noroshi-check?{NONCE}0 HTTP/1.0\r\n\r\n".encode(),
        f"POST /noroshi-check?{NONCE} HTTP/1.0\r\n\r\n".encode(),
    ],
)
def test_any_other_question_is_answered_with_nothing_to_sign(tmp_path: Path, question: bytes) -> None:
    assert met(tmp_path, question, door=False)[0].startswith(b"HTTP/1.0 404")


def test_a_question_that_is_too_long_or_never_ends_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "ASKED_WITHIN", 0.3)
    assert met(tmp_path, b"GET " + b"x" * 5000, b"GET /noro", door=False) == [b"", b""]


def test_while_hq_itself_is_silent_the_check_says_that_it_does_not_know(tmp_path: Path) -> None:
    assert met(tmp_path, QUESTION, door=False)[0].startswith(b"HTTP/1.0 503")


def test_signatures_are_rationed_and_the_ration_comes_back() -> None:
    allowance = Allowance(0.0)
    assert sum(allowance.take(0.0) for _ in range(1000)) == checkpoint.BURST
    assert sum(allowance.take(1.0) for _ in range(1000)) == checkpoint.EACH_SECOND
