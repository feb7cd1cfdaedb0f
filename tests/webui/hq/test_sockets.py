"""The colours of a box's sockets on its page: what HQ declared is shown, an officer declares, and it stays on record."""

from __future__ import annotations

import pytest

from appliance.hub import audit
from tests.webui.hq.conftest import Office

PAGE = "/boxes/box-0001"


def test_an_officer_declares_blue_sockets_and_it_stays_on_record(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    assert "<b data-blue>なし" in officer.get(PAGE).text
    assert officer.post(f"{PAGE}/sockets", blue=["3", "1"]).status_code == 303
    assert office.hub.asked_of("declare-blue")[-1]["blue"] == [1, 3]
    assert "<b data-blue>1, 3</b>" in officer.get(PAGE).text
    newest = audit.newest(office.staff, 1)[0]
    assert (newest["what"], newest["on"], newest["more"]) == ("declare-blue", "box-0001", "1 3")


def test_none_at_all_is_refused_in_words_and_not_written_down(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    for blue in ([], ["0"], ["17"], ["x"], ["1; 2"]):
        answer = officer.post(f"{PAGE}/sockets", blue=blue)
        assert answer.status_code == 409 and "bad-sockets" in answer.text
    assert office.hub.boxes["box-0001"]["blue"] == []
    assert "declare-blue" not in {x["what"] for x in audit.newest(office.staff, 20)}


def test_who_only_looks_sees_the_colours_and_no_form(office: Office) -> None:
    office.report(office.box(1))
    viewer = office.visitor("viewer")
    page = viewer.get(PAGE).text
    assert "data-blue" in page and f"{PAGE}/sockets" not in page
    assert viewer.post(f"{PAGE}/sockets", blue=["2"]).status_code == 403


@pytest.mark.parametrize(
    ("told", "words", "look"),
    [
        (None, "知らせを待っています", "calm"),
        ({"blue": [1], "state": "in-force", "why": ""}, "知らせを待っています", "calm"),  # of an older word
        ({"blue": [1, 2], "state": "in-force", "why": ""}, "箱はこの色で動いています", "good"),
        ({"blue": [1, 2], "state": "next-start", "why": ""}, "次に電源を入れたときから", "work"),
        ({"blue": [1, 2], "state": "refused", "why": "no-line"}, "回線の口がなくなる", "stop"),
        ({"blue": [1, 2], "state": "refused", "why": "no-way-in"}, "Wi-Fiもない", "stop"),
        ({"blue": [1, 2], "state": "refused", "why": "fixed"}, "設定ファイル", "stop"),
        ({"blue": [1, 2], "state": "refused", "why": "not-saved"}, "保存できなかった", "stop"),
        ({"blue": [1, 2], "state": "refused", "why": "<b>new"}, "&lt;b&gt;new", "stop"),
    ],
)
def test_what_came_of_a_declaration_is_said_in_words(
    office: Office, told: dict[str, object] | None, words: str, look: str
) -> None:
    office.report(office.box(1, blue=[1, 2]), sockets=told)
    page = office.visitor("viewer").get(PAGE).text
    assert words in page and f'data-colours="{look}"' in page


def test_where_nothing_was_declared_nothing_is_said_of_it(office: Office) -> None:
    office.report(office.box(1), sockets=None)
    assert "data-colours" not in office.visitor("viewer").get(PAGE).text


@pytest.mark.parametrize(
    "told",
    [
        [],
        "x",
        {"blue": [0], "state": "in-force"},
        {"blue": [1], "state": "<b>"},
        {"blue": [1] * 17, "state": "x"},
    ],
)
def test_a_report_that_says_nonsense_of_its_sockets_is_refused(office: Office, told: object) -> None:
    with pytest.raises(AssertionError, match=r"sockets|blue|state"):
        office.report(office.box(1), sockets=told)
