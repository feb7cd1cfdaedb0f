"""The table of verbs: each stands under a heading of its own group's help and says what it does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.cli.asking import not_running
from appliance.cli.table import Table
from appliance.control import Unreachable


def verbs(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, verb in command.commands.items():
            yield from verbs(verb, *path, name)


@pytest.mark.parametrize("path", list(verbs(main)), ids=" ".join)
def test_every_verb_explains_itself(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*path, "--help"])
    assert told.exit_code == 0
    assert told.output.count("\n") > 4
    assert "..." not in told.output.replace("[ARGS]...", ""), "a sentence is cut off"


def test_a_group_lists_its_verbs_in_the_table_s_order() -> None:
    one, two = click.Command("zebra", help="First."), click.Command("ant", help="Second.")
    table = Table(name="t", sections={"Animals": (one, two)})
    told = CliRunner().invoke(table, ["--help"]).output
    assert told.index("Animals") < told.index("zebra") < told.index("ant")


def test_a_clone_has_the_command_from_anywhere_and_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "noroshi"
    link.symlink_to(Path(__file__).parents[1] / "scripts/noroshi")
    (tmp_path / "click.py").write_text("raise SystemExit('a file of that folder was read')")
    told = subprocess.run(
        [link, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert told.startswith("Usage: noroshi ")


@pytest.mark.parametrize("verb", [["status"], ["doctor"], ["hq", "board"], ["hq", "policy"]])
def test_where_nothing_runs_every_verb_says_so_in_words(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOROSHI_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("NOROSHI_RUN_DIR", str(tmp_path))
    told = CliRunner().invoke(main, verb)
    assert told.exit_code == 1 and "noroshi が動いていません" in told.output


def test_who_may_not_ask_is_not_told_that_nothing_runs() -> None:
    closed = Unreachable("no")
    closed.__cause__ = PermissionError()
    assert "root" in not_running(closed).message
    assert "動いていません" in not_running(Unreachable("no")).message
