"""How the builder runs programs and tells what it does: argument lists, and an end that says what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(RuntimeError):
    """What went wrong; the second argument says what to do."""


def run(
    *argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, text: str = ""
) -> str:
    """A program's standard output. Raises Failed with the end of what it said."""
    words = [str(x) for x in argv]
    try:
        done = subprocess.run(
            words,
            input=text,
            capture_output=True,
            text=True,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **_network(), **(env or {})},
            cwd=cwd,
            check=False,
        )
    except OSError as error:
        raise Failed(f"{words[0]}: {error}", "Run image/build: it installs what is needed.") from error
    if done.returncode:
        raise Failed(
            f"{' '.join(words)[:300]}:\n{(done.stderr or done.stdout)[-2000:]}", "See the lines above."
        )
    return done.stdout


def _network() -> dict[str, str]:
    """What the machine needs to reach mirrors; nothing else of its environment gets into an image."""
    return {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy") or k.startswith("PIP_")}


def chroot(root: Path, *argv: str, env: Mapping[str, str] | None = None) -> str:
    return run("chroot", root, *argv, env=env)


def say(text: str) -> None:
    sys.stderr.write(f"[image] {text}\n")
    sys.stderr.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    say(f"{name} …")
    start = time.monotonic()
    yield
    say(f"{name}: {time.monotonic() - start:.0f} s")
