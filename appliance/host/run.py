"""How every outside program is run: an argument list, a time limit, and an error that says what was asked.
Input goes through standard input, so that no secret is ever on a command line."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from typing import IO

from appliance.host.namespaces import inside

TIMEOUT = 10.0  # seconds; the programs we call answer within milliseconds


class Failed(RuntimeError):
    """The program could not be run, failed, or took too long."""


def run(arguments: Sequence[str], *, namespace: str = "", text: str = "", timeout: float = TIMEOUT) -> str:
    """Standard output of the program, run inside `namespace`. Raises Failed."""
    try:
        with inside(namespace):
            done = subprocess.run(
                arguments, input=text, capture_output=True, text=True, timeout=timeout, check=False
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{arguments[0]}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(arguments)}: {done.stderr.strip()[:500] or done.returncode}")
    return done.stdout


@contextlib.contextmanager
def streamed(arguments: Sequence[str]) -> Iterator[IO[bytes]]:
    """The program's output as it comes, for as long as it is wanted. Raises Failed where all of it was read and the
    program says that it was not right."""
    try:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        raise Failed(f"{arguments[0]}: {error}") from error
    with child:
        output = child.stdout
        assert output is not None
        try:
            yield output
            at_end = not output.read(1)
        except BaseException:
            child.kill()
            raise
        if not at_end:
            child.kill()
        elif child.wait() != 0:
            raise Failed(f"{' '.join(arguments)}: {child.returncode}")
