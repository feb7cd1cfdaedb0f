"""The door with real sockets: who may ask, how much, how fast, and that everybody gets words."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from appliance.control import MAX_REQUEST, Door, Refused, Unreachable, ask
from appliance.core.desktop_profiles import FAULTS
from appliance.core.words import REFUSALS
from appliance.core.words import Refused as CoreRefused

GUEST = 64301
# By its own path: the clone, whose link leads there too, may lie in a folder that other users may not enter.
PYTHON = str(Path(sys.prefix).resolve() / "bin" / "python")
SECRET = "kakizaki-2027"


def answer(request: dict[str, Any], uid: int) -> dict[str, Any]:
    match request["ask"]:
        case "status":
            return {"uid": uid, "said": request.get("said", ""), "long": "柿" * request.get("long", 0)}
        case "refuse":
            raise CoreRefused(request["code"])
        case "crash":
            raise KeyError(SECRET)
        case "overflow":
            return {"days": int(float("inf"))}
        case "slow":
            time.sleep(0.3)
            return {}
        case "busy":
            raise TimeoutError
    raise CoreRefused("bad-request")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Path]:
    opened = Door(tmp_path / "door", frozenset({GUEST}), answer)
    opened.start()
    yield tmp_path / "door"
    opened.close()


def refused(act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value


def raw(door: Path, octets: bytes, *, close: bool = False, within: float = 10.0) -> dict[str, Any]:
    """What comes back for these octets, whatever they are."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(within)
        channel.connect(str(door))
        try:
            channel.sendall(octets)
            if close:
                channel.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        with channel.makefile("rb") as lines:
            found: dict[str, Any] = json.loads(lines.readline())
            return found


def code(found: dict[str, Any]) -> str:
    assert set(found) == {"error"}
    assert found["error"]["what"]["ja"] and found["error"]["do"]["en"] and found["error"]["number"]
    return str(found["error"]["code"])


# ------------------------------------------------------------------------------------------ who


def test_a_question_gets_its_answer_and_the_asker_s_uid_is_the_kernel_s_word(door: Path) -> None:
    assert ask(door, {"ask": "status", "said": "のろし", "uid": 0}) == {
        "uid": os.geteuid(),
        "said": "のろし",
        "long": "",
    }


def test_the_door_is_for_its_group_only(door: Path) -> None:
    assert stat.S_IMODE(door.stat().st_mode) == 0o660


def as_user(door: Path, uid: int) -> str:
    """A child with another uid asks; its own words about what happened."""
    program = (
        "import json, socket, sys\n"
        "c = socket.socket(socket.AF_UNIX); c.settimeout(5)\n"
        "try:\n"
        '    c.connect(sys.argv[1]); c.sendall(b\'{"ask": "status"}\\n\')\n'
        "except BrokenPipeError: pass\n"
        "except OSError as error: print(type(error).__name__); sys.exit()\n"
        "found = json.loads(c.makefile('rb').readline())\n"
        "print(found['error']['code'] if 'error' in found else found['ok']['uid'])\n"
    )
    done = subprocess.run(
        [PYTHON, "-I", "-c", program, str(door)],
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.fixture
def reachable(door: Path) -> Path:
    """The same door where file permissions stop nobody: only the uid check is left."""
    if os.geteuid() != 0:
        pytest.skip("other uids need root")
    door.chmod(0o666)
    for folder in door.parents:
        if stat.S_IMODE(folder.stat().st_mode) & 0o011 != 0o011 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    return door


def test_a_known_uid_is_served_and_a_wrong_one_is_told_no_even_where_permissions_would_let_it(
    reachable: Path,
) -> None:
    assert as_user(reachable, GUEST) == str(GUEST)
    assert as_user(reachable, 65534) == "not-allowed"
    assert as_user(reachable, GUEST + 1) == "not-allowed"


def test_permissions_stop_a_wrong_uid_before_the_door_does(reachable: Path) -> None:
    reachable.chmod(0o660)
    assert as_user(reachable, 65534) == "PermissionError"


# ------------------------------------------------------------------------------------------- what


@pytest.mark.parametrize(
    "octets",
    [
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b"{}\n",
        b'{"ask": 5}\n',
        b'{"ask": null}\n',
        b'{"ask": ["status"]}\n',
        b'{"ask": "never heard of"}\n',
        b'{"ask": "status", "n": NaN}\n',
        b"\xff\xfe\n",
        b"[" * 60_000 + b"\n",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n",
        b'{"ask": "status"}\n{"ask": "status"}\n',
        b"1" * 60_000 + b"\n",
    ],
)
def test_what_is_no_question_is_a_bad_request(door: Path, octets: bytes) -> None:
    assert code(raw(door, octets)) == "bad-request"
    assert ask(door, {"ask": "status"})["uid"] == os.geteuid()


def test_a_half_line_and_then_nothing_is_a_bad_request(door: Path) -> None:
    assert code(raw(door, b'{"ask": "sta', close=True)) == "bad-request"


@pytest.mark.parametrize("size", [MAX_REQUEST + 1, 4 << 20])
def test_a_question_that_is_too_long_is_refused_in_words(door: Path, size: int) -> None:
    assert refused(lambda: ask(door, {"ask": "status", "said": "x" * size})).code == "bad-request"


def test_a_long_answer_arrives_whole(door: Path) -> None:
    assert len(ask(door, {"ask": "status", "long": 1 << 20})["long"]) == 1 << 20


def test_half_a_character_is_carried_without_harm(door: Path) -> None:
    assert ask(door, {"ask": "status", "said": "\ud800"})["said"] == "\ud800"


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_every_refusal_arrives_with_its_own_words(door: Path, name: str) -> None:
    error = refused(lambda: ask(door, {"ask": "refuse", "code": name}))
    assert error.code == name and error.sentence == REFUSALS[name]


@pytest.mark.parametrize("fault", [x for x in FAULTS if x.value not in REFUSALS])
def test_every_fault_of_a_desktop_arrives_with_its_own_words(door: Path, fault: Any) -> None:
    error = refused(lambda: ask(door, {"ask": "refuse", "code": fault.value}))
    assert (error.code, error.sentence) == (fault.value, FAULTS[fault])


@pytest.mark.parametrize("what", ["crash", "overflow"])
def test_a_mistake_of_ours_is_told_without_its_inside_and_the_door_stays_open(
    door: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = raw(door, json.dumps({"ask": what}).encode() + b"\n")
    assert code(found) == "trouble" and SECRET not in json.dumps(found)
    assert "Error" in capfd.readouterr().err
    assert ask(door, {"ask": "status"})["uid"] == os.geteuid()


def test_a_loop_that_does_not_come_round_is_said_to_be_busy(door: Path) -> None:
    assert refused(lambda: ask(door, {"ask": "busy"})).code == "busy"


# ------------------------------------------------------------------------------------------ how fast


def test_a_slow_writer_gets_no_more_time_for_each_octet(door: Path) -> None:
    start = time.monotonic()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(10)
        channel.connect(str(door))
        for octet in b'{"ask": "status"' + b" " * 60:
            try:
                channel.send(bytes([octet]))
            except OSError:
                break
            time.sleep(0.1)
        with channel.makefile("rb") as lines:
            assert code(json.loads(lines.readline())) == "busy"
    assert time.monotonic() - start < 5.0


def test_who_connects_and_says_nothing_does_not_keep_others_out(door: Path) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(8)]
    try:
        for channel in silent:
            channel.connect(str(door))
        start = time.monotonic()
        assert ask(door, {"ask": "status"})["uid"] == os.geteuid()
        assert time.monotonic() - start < 2.5
    finally:
        for channel in silent:
            channel.close()


def test_fifty_guests_at_once_are_all_answered(door: Path) -> None:
    with ThreadPoolExecutor(50) as guests:
        asked = [guests.submit(ask, door, {"ask": "status", "said": str(i)}) for i in range(50)]
        assert [x.result(20)["said"] for x in asked] == [str(i) for i in range(50)]


def test_fifty_slow_guests_are_all_answered_and_leave_no_thread_behind(door: Path) -> None:
    with ThreadPoolExecutor(50) as guests:
        asked = [guests.submit(ask, door, {"ask": "slow"}) for _ in range(50)]
        assert all(x.result(20) == {} for x in asked)
    deadline = time.monotonic() + 5
    while any(x.name == "guest" for x in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_guest_who_hangs_up_is_nobody_s_trouble(door: Path) -> None:
    for octets in (b"", b'{"ask": "slow"}\n'):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(door))
            channel.sendall(octets)
    assert ask(door, {"ask": "status"})["uid"] == os.geteuid()


# ---------------------------------------------------------------------------------- nobody behind it


def test_no_door_and_a_dead_door_are_unreachable(tmp_path: Path, door: Path) -> None:
    with pytest.raises(Unreachable):
        ask(tmp_path / "nothing", {"ask": "status"})
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(Unreachable):
        ask(tmp_path / "dead", {"ask": "status"})


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]\n", b'{"error": "x"}\n', b'{"ok": 1}\n', b'{"error": {"code": "x"}}\n']
)
def test_an_answer_without_sense_is_unreachable(tmp_path: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as fake:
        fake.bind(str(tmp_path / "fake"))
        fake.listen(1)

        def one() -> None:
            guest, _ = fake.accept()
            with guest:
                guest.recv(4096)
                guest.sendall(said)

        thread = threading.Thread(target=one)
        thread.start()
        with pytest.raises(Unreachable):
            ask(tmp_path / "fake", {"ask": "status"}, timeout=5)
        thread.join()


def test_a_door_left_by_a_daemon_that_died_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    opened = Door(path, frozenset(), answer)
    opened.start()
    assert ask(path, {"ask": "status"})["uid"] == os.geteuid()
    opened.close()
    assert not path.exists()
