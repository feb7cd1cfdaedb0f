"""The command line's end of the door: asks, says a refusal in words, and tells who asks."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import click

from appliance.control import Refused, Unreachable, ask
from appliance.core.sentence import Sentence

LANGUAGE = click.option(
    "--language", type=click.Choice(["ja", "en"]), default="ja", help="Language of the answer."
)


def door() -> Path:
    from appliance.host.surroundings import folders

    return folders()[1] / "door"


def asked(request: dict[str, Any], language: str = "ja") -> dict[str, Any]:
    """The door's answer; a refusal becomes words and exit code 1."""
    try:
        return ask(door(), request)
    except Refused as error:
        raise said(error.sentence, language) from error
    except Unreachable as error:
        raise not_running(error) from error


def said(sentence: Sentence, language: str, more: str = "") -> click.ClickException:
    """A refusal in words; `more`: what it is about."""
    told = sentence.as_data()[language]
    return click.ClickException(
        f"{told['what']} ({sentence.number}){f': {more}' if more else ''}\n  → {told['do']}"
    )


def not_running(error: Unreachable) -> click.ClickException:
    if isinstance(error.__cause__, PermissionError):
        return click.ClickException("root で行ってください / this needs root\n  → sudo noroshi …")
    return click.ClickException("noroshi が動いていません。 / The daemon does not run.\n  → noroshi daemon")


NOBODY = 2**32 - 1  # no login: a service or a timer (linux/audit.h, AUDIT_UID_UNSET)


def who() -> str:
    """Who sits at this terminal. The kernel keeps who logged in through any sudo or su, where PAM told it."""
    user, login = _name(os.getuid()), _login()
    return f"{login} ({user})" if login and login != user else user


def _login() -> str:
    try:
        number = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        number = NOBODY
    return _name(number) if number != NOBODY else os.environ.get("SUDO_USER", "")


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
