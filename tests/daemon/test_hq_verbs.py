"""What is changed at HQ's terminal is written down like what is changed on its pages. Real daemon's role, real door."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.control import Door
from appliance.hub import audit, register
from tests.daemon.world import World

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def told(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """What the audit holds, newest last."""
    place = world.hub_machine._place
    url = f"sqlite:///{place.state}/register/register.sqlite3"
    register.prepare(url, web_uid=os.getuid(), group=os.getgid())
    monkeypatch.setenv("NOROSHI_STATE_DIR", place.state)
    monkeypatch.setenv("NOROSHI_RUN_DIR", place.run)
    Path(place.run).mkdir(exist_ok=True)
    door = Door(Path(place.run) / "door", frozenset({os.getuid()}), lambda asked, _uid: world._hub(asked, 0))
    door.start()
    staff = register.open_staff(url)

    def rows() -> list[Any]:
        return [(x["what"], x["on"], x["more"]) for x in reversed(audit.newest(staff, 50))]

    yield rows
    assert audit.broken(staff) is None
    assert all(x["who"].endswith(" (noroshi hq)") and ME in x["who"] for x in audit.newest(staff, 50))
    staff.dispose()
    door.close()


def run(*argv: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["hq", *argv])
    return done.exit_code, done.output


def test_every_change_is_written_down(told: Callable[[], list[Any]], world: World, tmp_path: Path) -> None:
    world.joined()
    listed = tmp_path / "laptops.csv"
    listed.write_text("pc-2,二号,00-11-22-33-44-99,*\n")
    for argv in (
        ["ticket", "浦川原体育館", "--quiet"],
        ["mission", "start", "box-0001", "--hours", "4"],
        ["mission", "end", "box-0001"],
        ["emergency", "box-0001", "--hours", "2"],
        ["policy", "box-0001", "--sign-in"],
        ["sockets", "box-0001", "--blue", "1", "--blue", "2"],
        ["phone", "025-526-5111"],
        ["desktop", "add", "kikaku", "--title", "企画課", "--host", "10.10.0.77"],
        ["device", "add", "pc-1", "--mac", "00:11:22:33:44:98", "--desktop", "kikaku"],
        ["device", "import", str(listed)],
        ["device", "remove", "pc-1"],
        ["desktop", "remove", "kikaku"],
        ["revoke", "box-0001"],
    ):
        code, output = run(*argv)
        assert code == 0 and output.strip(), (argv, output)
    rows = told()
    assert [x[0] for x in rows] == [
        "issue-ticket", "start-mission", "end-mission", "emergency", "set-policy", "declare-blue", "set-phone", "add-desktop", "add-device", "import-devices",
        "remove-device", "remove-desktop", "revoke",
    ]  # fmt: skip
    assert rows[1][1:] == ("box-0001", "disaster · 柿崎総合体育館 · 4 h")
    assert rows[-1][1:] == ("box-0001", "柿崎総合体育館")


def test_what_hq_refused_did_not_happen_and_is_not_written_down(
    told: Callable[[], list[Any]], world: World
) -> None:
    code, output = run("revoke", "box-0999")
    assert code == 1 and "7-01" in output and told() == []


def test_what_cannot_be_written_down_is_not_done(
    told: Callable[[], list[Any]], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.joined()
    staff = Path(world.hub_machine._place.state) / "staff"
    kept = staff.rename(staff.with_name("kept"))
    staff.write_text("not a folder")
    code, output = run("mission", "end", "box-0001")
    assert code == 1 and "audit" in output
    assert world.hub_config().boxes[0].mission is not None
    staff.unlink()
    kept.rename(staff)


def test_the_names_that_other_verbs_ask_for_are_listed(told: Callable[[], list[Any]], world: World) -> None:
    run("desktop", "add", "kikaku", "--title", "企画課", "--host", "10.10.0.77", "--drill")
    code, output = run("desktop", "list")
    assert code == 0
    (line,) = [x for x in output.splitlines() if x.startswith("kikaku")]
    assert "10.10.0.77" in line and "企画課" in line and "訓練" in line
