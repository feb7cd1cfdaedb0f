"""What lies on the boot partition becomes the box's own: once, whole, and from any power cut on the way."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from appliance import taking
from appliance.core.card import NAME, Card, written
from appliance.core.codec import dump_private, load
from appliance.core.identity import Identity, drawn
from appliance.core.model import Config, JoinStage
from appliance.host import boot_files, files
from appliance.host import identity as identity_file
from appliance.host.identity import PREPARED
from appliance.taking import RESULT, Box, Outcome, take
from tests.machines import HQ, NOW, SHELTER, TICKET, TICKET_TEXT, box_keys

BOX = drawn("nrs-4f2a9c", "abcdefghjkmn", "123456")
CARD = written(Card(identity=BOX, ticket=TICKET_TEXT, signing_key=HQ.signing_key))
CUT = 9  # the child's exit code where its power went
FILES = {x.__file__ for x in (taking, boot_files, files, identity_file)}


class Stick:
    """A boot partition and a box's state, as two folders."""

    def __init__(self, place: Path) -> None:
        self.boot, self.state = place / "boot", place / "state"
        self.boot.mkdir(parents=True)
        self.state.mkdir()

    def drop(self, name: str = NAME, text: str = CARD) -> None:
        (self.boot / name).write_text(text)

    def take(self, keys: int = 1, now: float = NOW) -> tuple[Outcome, ...]:
        return take(
            Box(state=self.state, serial="serial0001", new_keys=lambda: box_keys(keys), now=now), self.boot
        )

    @property
    def config(self) -> Config | None:
        data = files.read_private(self.state / "config.json")
        return None if data is None else load(Config, data)

    @property
    def identity(self) -> Identity | None:
        return identity_file.load(self.state)

    def secrets_left(self) -> bool:
        """Whether the boot partition still tells the Wi-Fi key or the invitation."""
        octets = b"".join(x.read_bytes() for x in self.boot.iterdir())
        return BOX.passphrase.reveal().encode() in octets or TICKET_TEXT[40:80].encode() in octets


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    return Stick(tmp_path)


def test_a_card_is_taken_and_gone(stick: Stick) -> None:
    stick.drop()
    assert stick.take() == (Outcome(name=NAME, code="", gone=True),)
    assert stick.identity == BOX
    config = stick.config
    assert config is not None and config.joining is not None
    assert (config.serial, config.joining.ticket.id, config.joining.stage) == (
        BOX.serial,
        TICKET.id,
        JoinStage.INVITED,
    )
    assert (stick.state / PREPARED).exists()
    assert [x.name for x in stick.boot.iterdir()] == [RESULT] and not stick.secrets_left()
    assert "取り込みました" in (stick.boot / RESULT).read_text()
    for name in ("identity.json", "config.json"):
        assert (stick.state / name).stat().st_mode & 0o777 == 0o600


def test_a_bare_ticket_is_taken_and_gone(stick: Stick) -> None:
    stick.drop(f"noroshi-{TICKET.id}.txt", f"{TICKET_TEXT}\r\n")
    assert [x.code for x in stick.take()] == [""]
    assert stick.config is not None and stick.config.joining is not None and not stick.secrets_left()
    assert stick.identity is None, "the box draws its own"


def test_an_empty_partition_or_none_changes_nothing(stick: Stick) -> None:
    assert stick.take() == ()
    assert (
        take(Box(state=stick.state, serial="s", new_keys=lambda: box_keys(1), now=NOW), stick.boot / "none")
        == ()
    )
    assert not list(stick.state.iterdir()) and not list(stick.boot.iterdir())


def test_a_box_that_joined_keeps_its_keys_and_says_why(stick: Stick) -> None:
    files.write_private(stick.state / "config.json", dump_private(SHELTER))
    before = (stick.state / "config.json").read_bytes()
    stick.drop()
    assert [x.code for x in stick.take(keys=2)] == ["card-enrolled"]
    assert (stick.state / "config.json").read_bytes() == before and stick.identity is None
    assert "6-44" in (stick.boot / RESULT).read_text()
    assert (stick.boot / NAME).read_text() == CARD, "it may be meant for another box"


def test_a_damaged_configuration_is_left_to_people(stick: Stick) -> None:
    (stick.state / "config.json").write_text("sha256 0\n{}")
    stick.drop()
    assert [x.code for x in stick.take()] == ["config-damaged"]
    assert stick.identity is None


@pytest.mark.parametrize("text", ["", "x" * 20000, "NOROSHI-CARD 1 sha256:00\n{}", CARD[:-9]])
def test_a_bad_card_changes_nothing(stick: Stick, text: str) -> None:
    stick.drop(text=text)
    assert all(x.code.startswith("card-") for x in stick.take())
    assert not list(stick.state.iterdir())


def test_a_link_is_not_followed(stick: Stick) -> None:
    (stick.state.parent / "elsewhere").write_text(CARD)
    (stick.boot / NAME).symlink_to(stick.state.parent / "elsewhere")
    assert stick.take() == () and stick.config is None


def test_where_nothing_can_be_written_nothing_is_taken_and_nothing_wiped(stick: Stick) -> None:
    stick.drop()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            stick.take()
        except OSError:
            os._exit(CUT)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == CUT
    assert (stick.boot / NAME).read_text() == CARD and stick.config is None and stick.identity is None


# ------------------------------------------------------------------------------------------ power cuts


def until_line(number: int) -> Callable[[FrameType, str, Any], Any]:
    """A tracer that ends the process before the given line of our files is carried out, counted as they run."""
    left = number

    def at_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os._exit(CUT)
        return at_line

    return at_line


def cut_at(stick: Stick, number: int) -> bool:
    """Whether the power did go before the end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            sys.settrace(until_line(number))
            stick.take()
            code = 0
        finally:
            sys.settrace(None)
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, CUT)
    return os.waitstatus_to_exitcode(status) == CUT


def test_from_a_cut_before_any_line_the_next_start_comes_to_the_same_end() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        cut_everywhere(Path(place))


def cut_everywhere(place: Path) -> None:
    cuts = old = new = 0
    while True:
        stick = Stick(place / str(cuts))
        stick.drop()
        if not cut_at(stick, cuts):
            break
        config, identity = stick.config, stick.identity
        assert identity in (None, BOX), "the old one or the new one"
        assert config is None or (config.joining is not None and config.joining.ticket.id == TICKET.id)
        old, new = old + (config is None), new + (config is not None)
        # A start with other keys, as a real one makes: what was written down counts.
        stick.take(keys=2)
        after = stick.config
        assert after is not None and after.joining is not None and stick.identity == BOX
        assert after.keys == (config.keys if config is not None else box_keys(2))
        assert not stick.secrets_left() and (stick.state / PREPARED).exists()
        assert {x.name for x in stick.boot.iterdir() if not x.name.startswith(".")} <= {RESULT}
        cuts += 1
    assert cuts > 150 and old > 20 and new > 20, (cuts, old, new)
