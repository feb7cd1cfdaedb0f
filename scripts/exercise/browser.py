"""A real browser on one of the exercise's machines, driven by `walker.py` in that machine's namespace."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.exercise import processes
from scripts.exercise.place import Place
from scripts.exercise.processes import within


class PageStuck(Exception):
    """A page did not become what it should; the text says what it was instead."""


@dataclass(slots=True)
class Browser:
    """`shape` is "phone" (360 pixels wide, touch) or "desk"."""

    place: Place
    machine: str
    shape: str
    _walker: subprocess.Popen[bytes] | None = None
    _unread: bytes = b""

    @property
    def _name(self) -> str:
        return f"{self.machine}-browser"

    def start(self, *, patience: float = 60.0) -> None:
        """Open the browser with an empty page."""
        folder = self.place.folder(self.machine, "tmp")
        argv = (sys.executable, "-m", "scripts.exercise.walker", self.shape)
        self._unread = b""
        self._walker = processes.start(
            self.place,
            self._name,
            within(self.place.namespace(self.machine), argv),
            env={"TMPDIR": str(folder), "HOME": str(folder)},
            pipe=True,
            cwd=Path(__file__).parents[2],
        )
        self._expect("ready", patience)

    def stop(self) -> None:
        if self._walker is not None and self._walker.poll() is None:
            self._say({"do": "end"})
            deadline = time.monotonic() + 5
            while self._walker.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        processes.end(self.place, self._name)
        self._walker = None

    def order(self, done: str, patience: float, **order: Any) -> dict[str, Any]:
        """Have something done and wait for its answer `done`; `order["do"]` names it."""
        self._say({**order, "seconds": patience})
        return self._expect(done, patience + 10)

    def look(self, url: str, screenshot: Path, *, patience: float = 20.0, **order: str) -> None:
        """One page, one picture. With `name` and `password` a sign-in form on the way is filled in; with
        `wanted` (a CSS selector) the picture is taken once that is on the page."""
        seen = self.order("seen", patience, do="look", url=url, screenshot=str(screenshot), **order)
        if seen["why"]:
            raise PageStuck(f"{url}: {seen['why']}")

    def _say(self, message: dict[str, Any]) -> None:
        assert self._walker is not None and self._walker.stdin is not None, "the browser is not open"
        try:
            self._walker.stdin.write(json.dumps(message).encode() + b"\n")
            self._walker.stdin.flush()
        except BrokenPipeError:
            raise PageStuck(f"the browser ended: see logs/{self._name}.log") from None

    def _expect(self, event: str, seconds: float) -> dict[str, Any]:
        assert self._walker is not None and self._walker.stdout is not None, "the browser is not open"
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self._unread:
                line, self._unread = self._unread.split(b"\n", 1)
                message: dict[str, Any] = json.loads(line)
                if message["event"] == event:
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._walker.stdout], [], [], left)[0]:
                raise PageStuck(
                    f"the browser did not say '{event}' in {seconds:.0f} s: see logs/{self._name}.log"
                )
            part = self._walker.stdout.read1(65536)  # type: ignore[attr-defined]
            if not part:
                raise PageStuck(f"the browser ended: see logs/{self._name}.log")
            self._unread += part
