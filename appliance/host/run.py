"""How every outside program is run: an argument list, a time limit, and an error that says what was asked.
Input goes through standard input, so that no secret is ever on a command line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

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
