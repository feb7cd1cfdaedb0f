"""HQ prepares a box: both files come in one answer, nothing of them stays, and the audit knows who did it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from appliance.core.card import Card, read
from appliance.core.enrolment import read_ticket
from appliance.core.model import Place, Security
from tests.machines import HQ
from tests.webui.hq.conftest import Office

FORM = {
    "site": "柿崎総合体育館",
    "serial": "kakizaki-1",
    "days": "30",
    "blue": "1",
    "place": "indoors",
    "wifi": "yes",
}


def files(page: str) -> tuple[Card, bytes]:
    """The personal file and the page, out of the answer."""
    found = dict(re.findall(r'download="([^"]+)" href="data:[a-z/-]+;base64,([A-Za-z0-9+/=]+)"', page))
    assert len(found) == 2
    card = read(base64.b64decode(found.pop("noroshi.card")))
    (paper,) = found.values()
    return card, base64.b64decode(paper)


def test_an_officer_gets_a_card_with_an_invitation_and_its_page(office: Office) -> None:
    answer = office.visitor("officer").post("/prepare", **FORM)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    card, paper = files(answer.text)
    assert card.place is Place.INDOORS
    assert (card.identity.serial, card.identity.blue, card.signing_key) == (
        "kakizaki-1",
        (1,),
        HQ.signing_key,
    )
    assert read_ticket(card.ticket, HQ.signing_key).site == "柿崎総合体育館"
    assert paper.startswith(b"%PDF")
    shown = re.sub(r'href="data:[^"]+"', "", answer.text)
    assert card.identity.ssid in shown
    assert card.identity.passphrase.reveal() not in shown and card.identity.pin.reveal() not in shown


def test_without_an_invitation_the_card_pins_this_hq(office: Office) -> None:
    answer = office.visitor("officer").post("/prepare", **{**FORM, "days": "0", "blue": "2"})
    card, _ = files(answer.text)
    assert (card.ticket, card.signing_key, card.identity.blue) == ("", HQ.signing_key, (1, 2))
    assert not office.hub.asked_of("issue-ticket")


def test_laptops_join_by_wpa2_and_wpa3_unless_the_officer_wants_wpa3_alone(office: Office) -> None:
    officer = office.visitor("officer")
    assert files(officer.post("/prepare", **FORM).text)[0].identity.security is Security.MIXED
    strict = officer.post("/prepare", **{**FORM, "serial": "kakizaki-2", "wpa3": "yes"})
    assert files(strict.text)[0].identity.security is Security.WPA3


def test_a_box_without_wi_fi_has_none(office: Office) -> None:
    form = {k: v for k, v in FORM.items() if k != "wifi"}
    card, _ = files(office.visitor("officer").post("/prepare", **form).text)
    assert card.identity.ssid == ""


def test_nothing_of_it_stays_at_hq_and_the_next_one_is_another(office: Office, tmp_path: Path) -> None:
    officer = office.visitor("officer")
    one, _ = files(officer.post("/prepare", **{**FORM, "serial": ""}).text)
    two, _ = files(officer.post("/prepare", **{**FORM, "serial": ""}).text)
    assert one.identity.serial != two.identity.serial and one.identity.pin != two.identity.pin
    stored = b"".join(x.read_bytes() for x in tmp_path.rglob("*") if x.is_file())
    assert b"SQLite format" in stored, "guard: the stores lie there"
    for card in (one, two):
        assert card.identity.passphrase.reveal().encode() not in stored
        assert card.ticket[20:60].encode() not in stored


def test_it_stands_on_the_audit(office: Office) -> None:
    office.visitor("officer").post("/prepare", **FORM)
    page = office.visitor("admin").get("/audit").text
    assert "箱を準備した" in page and "kakizaki-1" in page and "招待QRコードを作った" in page


@pytest.mark.parametrize(
    "change", [{"serial": "a b"}, {"serial": "x"}, {"site": ""}, {"site": "a\u202eb"}, {"days": "91"}, {"days": "-1"}, {"blue": "9"}, {"place": "moon"}]
)  # fmt: skip
def test_a_wrong_value_is_said_and_no_invitation_is_spent_on_it(
    office: Office, change: dict[str, str]
) -> None:
    answer = office.visitor("officer").post("/prepare", **{**FORM, **change})
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert not office.hub.asked_of("issue-ticket")


def test_who_may_only_look_prepares_nothing(office: Office) -> None:
    for answer in (
        office.visitor("viewer").get("/prepare"),
        office.visitor("viewer").post("/prepare", **FORM),
    ):
        assert answer.status_code == 403
    assert office.visitor().post("/prepare", **FORM).status_code == 303, "to the sign-in"
    assert not office.hub.asked_of("issue-ticket")


def test_looking_at_the_form_changes_nothing(office: Office) -> None:
    assert office.visitor("officer").get("/prepare").status_code == 200
    assert not office.hub.asked_of("issue-ticket")
