"""HQ's page of updates: a wave is started by an administrator, what boxes tell of it is shown, and it stays on record."""

from __future__ import annotations

import time
from typing import Any

import pytest

from appliance.hub import audit
from appliance.hub.register import latest, open_register
from tests.core.test_software import NEW, OLD
from tests.webui.hq.conftest import Office

SOFTWARE: dict[str, Any] = {
    "image": "noroshi-pc", "version": OLD, "slot": "A", "on_trial": False, "wish": NEW, "order": 1, "state": "fetch",
    "percent": 40, "trouble": "",
}  # fmt: skip


@pytest.fixture
def office(office: Office) -> Office:
    office.hub.bundles = [{"version": NEW, "image": "noroshi-pc", "sha256": "ab" * 32, "size": 167 << 20}]
    return office


def test_an_administrator_starts_with_one_box_and_it_stays_on_record(office: Office) -> None:
    for number in (1, 2):
        office.report(office.box(number), software=None)
    admin = office.visitor("admin")
    assert NEW in admin.get("/updates").text
    assert admin.post("/updates/start", version=NEW, percent="1").status_code == 303
    assert office.hub.asked_of("start-update")[-1]["percent"] == 1
    assert office.hub.asked_of("start-update")[-1]["now"] is False
    page = admin.get("/updates").text
    assert "2台のうち1台" in page
    assert "知らせを待っています" in page
    newest = audit.newest(office.staff, 1)[0]
    assert (newest["what"], newest["on"], newest["more"]) == ("start-update", NEW, "box-0001")
    assert admin.post("/updates/stop").status_code == 303
    assert "2台のうち0台" in admin.get("/updates").text
    assert audit.newest(office.staff, 1)[0]["what"] == "stop-update"


@pytest.mark.parametrize(
    ("told", "words", "look"),
    [
        ({}, "受け取っています (40%)", "work"),
        ({"state": "install", "percent": 7}, "書き込んでいます (7%)", "work"),
        ({"state": "wait"}, "使われていない時", "work"),
        ({"state": "wait", "on_trial": True, "slot": "B"}, "新しい版を試しています", "work"),
        ({"state": "rest", "version": NEW}, "この版で動いています", "good"),
        ({"state": "rest", "trouble": "update-rolled-back"}, "元の版に戻しました", "stop"),
        ({"state": "rest", "trouble": "<b>new"}, "&lt;b&gt;new", "stop"),
        ({"state": "rest", "wish": ""}, "知らせを待っています", "calm"),
    ],
)
def test_how_far_a_box_is_is_said_in_words(
    office: Office, told: dict[str, Any], words: str, look: str
) -> None:
    office.report(office.box(1, update_to=NEW), software=SOFTWARE | told)
    viewer = office.visitor("viewer")
    listed = viewer.get("/updates").text
    assert words in listed and "●" not in listed
    stage = {"work": "進行中", "good": "完了", "stop": "失敗", "calm": "待機"}[look]
    assert f'<span class="mark {look}">{stage}</span>' in listed
    page = viewer.get("/boxes/box-0001").text
    assert words in page
    assert f'data-update="{look}"' in page


def test_a_box_that_was_wished_nothing_shows_its_version_and_slot(office: Office) -> None:
    office.report(office.box(1), software=SOFTWARE | {"wish": "", "state": "rest", "percent": 0})
    page = office.visitor("viewer").get("/boxes/box-0001").text
    assert OLD in page
    assert "スロット A" in page
    assert "data-update" not in page


def test_the_board_shows_version_and_slot_and_what_an_update_does(office: Office) -> None:
    first, second = office.box(1), office.box(2)
    office.report(first, software=SOFTWARE)
    office.report(second, software=None)
    shown = office.visitor("viewer").get("/").text
    card, other = (x.partition("</li>")[0] for x in shown.split('data-box="box-')[1:])
    assert f'data-version="{OLD}"' in card
    assert "スロット&nbsp;A" in card
    assert "受け取っています (40%)" in card
    assert "data-version" not in other
    engine = open_register(office.url)
    with engine.begin() as connection:
        connection.execute(latest.update().values(last_ping=time.time() - 86400))
    engine.dispose()
    time.sleep(1.1)  # the picture is kept for a moment
    card = office.visitor("viewer").get("/").text.split('data-box="box-0001"')[1].partition("</li>")[0]
    assert f'data-version="{OLD}"' in card, "a silent box still runs what it ran"
    assert "受け取っています" not in card, "but what it does is not known"


def test_the_board_says_nothing_of_an_update_that_is_done(office: Office) -> None:
    office.report(office.box(1), software=SOFTWARE | {"version": NEW, "slot": "B", "state": "rest"})
    assert "data-update" not in office.visitor("viewer").get("/").text


@pytest.mark.parametrize("role", ["viewer", "officer"])
def test_only_an_administrator_starts_or_stops(office: Office, role: str) -> None:
    visitor = office.visitor(role)
    assert "/updates/start" not in visitor.get("/updates").text
    for path in ("start", "stop", "oldest"):
        assert visitor.post(f"/updates/{path}", version=NEW, percent="1").status_code == 403
    assert office.hub.asked_of("start-update") == []


def test_what_does_not_fit_is_said_in_words(office: Office) -> None:
    admin = office.visitor("admin")
    assert admin.post("/updates/start", version=NEW, percent="0").status_code == 400
    assert admin.post("/updates/start", version="9.9", percent="1").status_code == 409


def test_the_oldest_version_is_set(office: Office) -> None:
    admin = office.visitor("admin")
    assert admin.post("/updates/oldest", version=NEW).status_code == 303
    assert office.hub.asked_of("set-oldest")[-1]["version"] == NEW
    assert admin.post("/updates/oldest", version="").status_code == 303


@pytest.mark.parametrize(
    "software", [{"state": "x y"}, SOFTWARE | {"percent": 101}, SOFTWARE | {"state": "<b>"}, [], "x"]
)
def test_a_report_that_says_nonsense_of_its_software_is_refused(office: Office, software: object) -> None:
    with pytest.raises(AssertionError, match=r"software|percent|state"):
        office.report(office.box(1), software=software)
