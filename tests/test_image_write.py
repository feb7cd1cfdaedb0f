"""`noroshi image write` and `noroshi card`, as somebody in the IT section types them, with real parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli import main
from appliance.core.card import Card, read
from appliance.core.enrolment import read_ticket
from appliance.host import fat, files
from appliance.host import identity as identity_file
from tests.images import FAT_AT, MIB, make
from tests.machines import HQ, TICKET, TICKET_TEXT


def noroshi(*words: str | Path, **more: Any) -> Result:
    return CliRunner().invoke(main, [str(x) for x in words], **more)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("image"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody works: papers are made here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def card_on(target: Path) -> Card:
    return read(fat.read(f"{target}@@{FAT_AT}", "noroshi.card").encode())


def test_one_command_makes_a_card_that_is_somebody_s_box(image: Path, desk: Path) -> None:
    (desk / "ticket.txt").write_text(TICKET_TEXT + "\n")
    done = noroshi(
        "image", "write", f"{image}.zst", "out.img", "--ticket", "ticket.txt", "--serial", "kakizaki-1",
        "--ssid", "柿崎", "--blue", "1", "--blue", "3", "--yes",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = card_on(desk / "out.img")
    assert (card.identity.serial, card.identity.ssid, card.identity.blue) == ("kakizaki-1", "柿崎", (1, 3))
    assert card.signing_key == HQ.signing_key and read_ticket(card.ticket, card.signing_key).id == TICKET.id
    assert (desk / "kakizaki-1.pdf").read_bytes().startswith(b"%PDF")
    for name in ("out.img", "kakizaki-1.pdf"):
        assert (desk / name).stat().st_mode & 0o777 == 0o600
    secret = card.identity.passphrase.reveal()
    assert secret not in done.output and card.identity.pin.reveal() not in done.output
    # Everything but the boot partition is the image, octet for octet.
    rest = 33 * MIB
    assert (desk / "out.img").read_bytes()[rest:] == image.read_bytes()[rest:]


def test_two_boxes_have_nothing_in_common(image: Path, desk: Path) -> None:
    for name in ("a", "b"):
        assert noroshi("image", "write", image, name, "--yes", "--paper", f"{name}.pdf").exit_code == 0
    a, b = card_on(desk / "a").identity, card_on(desk / "b").identity
    assert not {a.serial, a.ssid, a.passphrase.reveal(), a.pin.reveal()} & {
        b.serial, b.ssid, b.passphrase.reveal(), b.pin.reveal(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("--ticket", "no-such-file"), "6-01"),
        (("--ticket", TICKET_TEXT[:-30]), "6-02"),
        (("--ticket", TICKET_TEXT, "--hq-key", HQ.public_key), "6-04"),
        (("--serial", "a b"), "7-03"),
        (("--ssid", "x" * 33), "7-03"),
        (("--site", "a\nb"), "7-03"),
        (("--blue", "0"), "7-03"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    image: Path, desk: Path, words: tuple[str, ...], number: str
) -> None:
    done = noroshi("image", "write", image, "out.img", "--yes", *words)
    assert done.exit_code == 1 and number in done.output
    assert not list(desk.iterdir())


def test_another_image_is_refused_in_words(desk: Path) -> None:
    (desk / "in").mkdir()
    other = make(desk / "in", label="BOOT")
    done = noroshi("image", "write", other, "out.img", "--yes", "--language", "en")
    assert done.exit_code == 1 and "no boot partition called NOROSHI" in done.output


@pytest.mark.parametrize(
    ("target", "number"),
    [("/dev/no-such-disk", "7-60"), ("/dev/null", "7-61"), ("/", "7-61"), ("no/such/folder", "7-60")],
)
def test_what_is_no_disk_is_not_written_to(image: Path, desk: Path, target: str, number: str) -> None:
    done = noroshi("image", "write", image, target, "--yes")
    assert done.exit_code == 1 and number in done.output


def test_the_image_itself_is_never_the_target(image: Path, desk: Path) -> None:
    before = image.read_bytes()
    assert noroshi("image", "write", image, image, "--yes").exit_code == 1
    assert image.read_bytes() == before


def test_what_is_there_is_overwritten_only_after_a_yes(image: Path, desk: Path) -> None:
    (desk / "out.img").write_text("precious")
    assert noroshi("image", "write", image, "out.img", input="n\n").exit_code == 1
    assert (desk / "out.img").read_text() == "precious"
    assert noroshi("image", "write", image, "out.img", input="y\n").exit_code == 0
    assert card_on(desk / "out.img")


def test_a_card_made_on_its_own_is_what_a_box_takes(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert noroshi("card", "make", "--ticket", TICKET_TEXT, "--no-wifi").exit_code == 0
    made = read((desk / "noroshi.card").read_bytes())
    assert made.identity.ssid == "" and (desk / f"{made.identity.serial}.pdf").exists()
    monkeypatch.setenv("NOROSHI_STATE_DIR", str(desk / "state"))
    (desk / "boot").mkdir()
    (desk / "noroshi.card").rename(desk / "boot" / "noroshi.card")
    taken = noroshi("card", "take", "--from", "boot")
    assert taken.exit_code == 0 and "取り込みました" in taken.output, taken.output
    assert identity_file.load(desk / "state") == made.identity
    assert files.read_private(desk / "state" / "config.json")["signing_key"] == HQ.signing_key
    assert noroshi("card", "take", "--from", "boot").exit_code == 0, "nothing is left to take"
