"""HQ's page of symptom numbers: what is said on the telephone is found, however it is said and typed."""

from __future__ import annotations

import re

import pytest

from tests.webui.hq.conftest import Office


def shown(page: str) -> list[str]:
    return re.findall(r'data-symptom="([0-9-]+)"', page)


@pytest.mark.parametrize("said", ["2-04", "204", "２－０４", "2の04", " 2 - 04 "])
def test_a_number_is_found_as_people_say_it(office: Office, said: str) -> None:
    page = office.visitor("viewer").get("/symptoms", query_string={"q": said}).text
    assert shown(page) == ["2-04"]
    assert "回線はありますが、役所から返事がありません" in page


def test_words_are_found_too_in_the_reader_s_language(office: Office) -> None:
    viewer = office.visitor("viewer")
    assert shown(viewer.get("/symptoms?q=電波が弱い").text) == ["5-01"]
    viewer.post("/language", language="en", back="/")
    assert shown(viewer.get("/symptoms?q=Signal is weak").text) == ["5-01"]


def test_every_number_of_the_box_and_its_pages_is_there_once(office: Office) -> None:
    found = shown(office.visitor("viewer").get("/symptoms").text)
    assert found == sorted(set(found))
    assert {"1-01", "2-22", "3-20", "3-21", "5-23", "6-20", "7-26", "8-16", "9-01"} <= set(found)
    assert not [x for x in found if x.startswith("0-")]


def test_a_number_that_does_not_exist_says_what_to_do(office: Office) -> None:
    page = office.visitor("viewer").get("/symptoms?q=9-99").text
    assert shown(page) == [] and "もう一度、電話で聞いてください" in page
