"""A real door (unix socket, one JSON line each way) with a recorded box behind it, for tests of the webs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from appliance.control import Door
from appliance.core.words import Refused

Answer = dict[str, Any] | str | Callable[[Mapping[str, Any]], dict[str, Any]]


class RecordedDoor:
    """Answers each question with what was recorded for it: a dict, the code of a refusal, or a function.

    `asked` keeps every question, so that a test can say what must not have been asked.
    """

    def __init__(self, path: Path, answers: Mapping[str, Answer], uids: frozenset[int] = frozenset()) -> None:
        self.path = path
        self.answers: dict[str, Answer] = dict(answers)
        self.asked: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._uids = uids
        self._door: Door | None = None

    def __enter__(self) -> RecordedDoor:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        self._door = Door(self.path, self._uids, self._answer)
        self._door.start()

    def close(self) -> None:
        """As when the daemon dies: from now on nobody is behind the door."""
        if self._door is not None:
            self._door.close()
        self._door = None

    def questions(self, ask: str) -> list[dict[str, Any]]:
        with self._lock:
            return [question for question in self.asked if question["ask"] == ask]

    def _answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        with self._lock:
            self.asked.append(request)
        answer = self.answers.get(str(request["ask"]), "bad-request")
        if isinstance(answer, str):
            raise Refused(answer)
        return dict(answer) if isinstance(answer, dict) else answer(request)
