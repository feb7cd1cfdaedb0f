"""The door: a unix socket, the peer's uid checked, one JSON line asked, one JSON line answered. Both ends of it.

It knows nothing of what is asked: `answer` decides, and everything it refuses comes back in words.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.core.codec import Invalid, parse_json
from appliance.core.desktop_profiles import FAULTS
from appliance.core.sentence import Sentence
from appliance.core.words import Refused as CoreRefused
from appliance.core.words import refusal

MAX_REQUEST = 65536  # octets
MAX_LIST = 2 << 20  # HQ's door takes a list of laptops as a whole
MAX_ANSWER = 8 << 20
REQUEST_WITHIN = 2.0  # seconds from connecting to the end of the line
ANSWER_WITHIN = 20.0
MAX_AT_ONCE = 16
WAITING = 128  # guests that queue before the door

Asked = Callable[[dict[str, Any], int], dict[str, Any]]


class Unreachable(ConnectionError):
    """Nobody is behind the door, or no answer came in time."""


class Refused(ValueError):
    """The daemon refused; `sentence` says so in words, `code` in short."""

    def __init__(self, code: str, sentence: Sentence) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


# -------------------------------------------------------------------------------------- the asking end


def ask(door: Path, request: Mapping[str, Any], timeout: float = ANSWER_WITHIN) -> dict[str, Any]:
    """The content of `ok`. Raises Refused or Unreachable."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(timeout)
            channel.connect(str(door))
            # Who is refused before the end of the question has an answer waiting all the same.
            with contextlib.suppress(BrokenPipeError):
                channel.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_read_line(channel, MAX_ANSWER, timeout))
    except (OSError, ValueError) as error:
        raise Unreachable(str(error)) from error
    if isinstance(answer, dict) and isinstance(answer.get("ok"), dict):
        result: dict[str, Any] = answer["ok"]
        return result
    raise _refused(answer)


def _refused(answer: Any) -> Exception:
    try:
        error = answer["error"]
        ja, en = error["what"], error["do"]
        sentence = Sentence(error["number"], ja["ja"], en["ja"], ja["en"], en["en"])
        return Refused(str(error["code"]), sentence)
    except (KeyError, TypeError):
        return Unreachable("an answer without words")


# ----------------------------------------------------------------------------------- the answering end


class Door:
    """Listens at `path`. `answer(request, uid)` returns the content of `ok` or raises core's Refused; it is
    called from a thread of the door."""

    def __init__(
        self,
        path: Path,
        uids: frozenset[int],
        answer: Asked,
        group: int = 0,
        largest: int = MAX_REQUEST,
    ) -> None:
        self._largest = largest
        self._path, self._uids, self._answer = path, uids | {0}, answer
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        if os.geteuid() == 0:
            os.chown(path, 0, group)
        path.chmod(0o660)
        self._socket.listen(WAITING)

    def start(self) -> None:
        threading.Thread(target=self._serve, name="door", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._socket.accept()
            except OSError:
                return
            # Everybody is through or out of time after REQUEST_WITHIN, unless the loop itself is slow.
            if self._places.acquire(timeout=REQUEST_WITHIN):
                threading.Thread(target=self._one, args=(channel,), name="guest", daemon=True).start()
            else:
                with channel:
                    _send(channel, _error("busy"))

    def _one(self, channel: socket.socket) -> None:
        try:
            with channel:
                _send(channel, self._decide(channel))
        finally:
            self._places.release()

    def _decide(self, channel: socket.socket) -> dict[str, Any]:
        uid = peer_uid(channel)
        if uid not in self._uids:
            return _error("not-allowed")
        try:
            request = parse_json(_read_line(channel, self._largest, REQUEST_WITHIN), self._largest)
            if not isinstance(request, dict) or not isinstance(request.get("ask"), str):
                return _error("bad-request")
            return {"ok": self._answer(request, uid)}
        except CoreRefused as error:
            return _error(error.code)
        except TimeoutError:
            return _error("busy")
        except (Invalid, ValueError) as error:
            return _error("bad-request", str(error)[:200])
        except Exception as error:  # a guest always hears something, and never the inside of it
            traceback.print_exception(error)
            return _error("trouble")


def peer_uid(channel: socket.socket) -> int:
    """Who is at the other end (unix(7), SO_PEERCRED)."""
    _, uid, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


_FAULTS = {fault.value: sentence for fault, sentence in FAULTS.items()}


def _send(channel: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # who does not listen is not told
        channel.settimeout(REQUEST_WITHIN)
        channel.sendall(json.dumps(answer).encode() + b"\n")


def _error(code: str, detail: str = "") -> dict[str, Any]:
    sentence = _FAULTS.get(code) or refusal(code)
    data = sentence.as_data()
    return {
        "error": {
            "code": code,
            "number": sentence.number,
            "what": {"ja": data["ja"]["what"], "en": data["en"]["what"]},
            "do": {"ja": data["ja"]["do"], "en": data["en"]["do"]},
            "detail": detail,
        }
    }


def _read_line(channel: socket.socket, limit: int, seconds: float) -> bytes:
    """One line within `seconds` for all of it: a slow writer does not get more time for each octet."""
    deadline = time.monotonic() + seconds
    found = bytearray()
    while not found.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole line in time")
        channel.settimeout(left)
        part = channel.recv(65536)
        if not part:
            raise Invalid("the line is not whole")
        found += part
        if len(found) > limit:
            raise Invalid("too large")
    return bytes(found)
