"""The identity on the disk: drawn once, kept for life, for root alone; and what `noroshi identity` tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.core.codec import Invalid
from appliance.core.identity import read
from appliance.core.model import Secret
from appliance.host import identity


def told(state: Path, *arguments: str) -> str:
    done = CliRunner(env={"NOROSHI_STATE_DIR": str(state)}).invoke(main, ["identity", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_box_that_nobody_prepared_draws_one_and_keeps_it(tmp_path: Path) -> None:
    assert identity.load(tmp_path) is None
    first = identity.ensure(tmp_path, "10000000abcd")
    assert identity.ensure(tmp_path, "other") == first == identity.load(tmp_path)
    assert {x.stat().st_mode & 0o777 for x in tmp_path.iterdir()} == {0o600}


def test_two_boxes_have_neither_key_nor_pin_in_common() -> None:
    boxes = [identity.make("") for _ in range(20)]
    for name in ("serial", "passphrase"):
        assert len({Secret(getattr(x, name)).reveal() for x in boxes}) == 20
    assert len({x.pin.reveal() for x in boxes}) > 15


def test_a_prepared_one_is_taken_as_it_is(tmp_path: Path) -> None:
    prepared = read({"serial": "hq-0007", "ssid": "のろし7", "passphrase": "seven-seven", "pin": "777777"})
    identity.save(tmp_path, prepared)
    assert identity.ensure(tmp_path, "10000000abcd") == prepared


def test_one_cut_in_half_is_read_from_its_second_copy(tmp_path: Path) -> None:
    first = identity.ensure(tmp_path, "10000000abcd")
    path = tmp_path / identity.NAME
    path.write_bytes(path.read_bytes()[:40])
    assert identity.ensure(tmp_path, "") == first


def test_where_both_copies_are_gone_bad_the_box_draws_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = identity.ensure(tmp_path, "10000000abcd")
    for path in tmp_path.iterdir():
        path.write_text("sha256 0\n{}")
    second = identity.ensure(tmp_path, "10000000abcd")
    assert second.passphrase.reveal() != first.passphrase.reveal() and second == identity.load(tmp_path)
    assert "identity" in capsys.readouterr().err


def test_what_is_no_identity_is_never_written(tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(Invalid):
        identity.save(tmp_path, replace(identity.make("abcd"), pin=Secret("1")))
    assert not list(tmp_path.iterdir())


def test_it_is_told_masked_unless_somebody_asks(tmp_path: Path) -> None:
    made = identity.ensure(tmp_path, "10000000abcd")
    secrets = (made.passphrase.reveal(), made.pin.reveal())
    assert made.ssid in told(tmp_path) and not [x for x in secrets if x in told(tmp_path)]
    assert not [x for x in secrets if x in told(tmp_path, "--json")]
    assert all(x in told(tmp_path, "--show") for x in secrets)
    assert json.loads(told(tmp_path, "--show", "--json"))["pin"] == made.pin.reveal()


def test_a_box_without_one_says_so(tmp_path: Path) -> None:
    done = CliRunner(env={"NOROSHI_STATE_DIR": str(tmp_path)}).invoke(main, ["identity"])
    assert done.exit_code == 1 and "there is none yet" in done.output
