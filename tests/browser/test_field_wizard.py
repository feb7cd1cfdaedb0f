"""The wizard in a real browser at phone size, with its script and without it, over the real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium, probes
from tests.browser.probes import CONTRAST, UNNAMED
from tests.webui import statuses
from tests.webui.catalogues import compile_catalogues
from tests.webui.door import RecordedDoor
from tests.webui.server import FieldServer
from tests.webui.test_photo import INVITATION, code, saved, scene

TARGETS = probes.targets(48)  # CSS pixels


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    compile_catalogues()
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RecordedDoor, FieldServer]]:
    compile_catalogues()
    run = tmp_path_factory.mktemp("field")
    with RecordedDoor(run / "door", {}) as box, FieldServer(run) as server:
        yield box, server


@pytest.fixture
def box(field: tuple[RecordedDoor, FieldServer]) -> RecordedDoor:
    """A box that joins when it is told to: redeeming changes what its status says."""
    door = field[0]
    door.asked.clear()

    def redeem(_: Any) -> dict[str, Any]:
        door.answers["status"] = statuses.JOINING
        return {"site": statuses.SITE}

    door.answers = {
        "status": statuses.FRESH,
        "read-ticket": statuses.READ,
        "redeem": redeem,
        "rdp-file": {"file": "full address:s:10.10.0.20\r\n"},
        "prove": {},
        "start-over": {},
    }
    return door


@pytest.fixture
def address(field: tuple[RecordedDoor, FieldServer]) -> str:
    return field[1].address


def body(page: Page, step: str) -> None:
    expect(page.locator(f"body[data-step={step}]")).to_be_attached(timeout=20_000)


def plug_a_line_in(page: Page, box: RecordedDoor, address: str) -> None:
    """Up to the screen that asks for the invitation, which comes by itself."""
    box.answers["status"] = statuses.NO_LINE
    page.goto(address)
    body(page, "line")
    box.answers["status"] = statuses.FRESH
    body(page, "ticket")


def test_from_the_line_to_the_desktop_without_a_reload(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    complaints: list[str] = []
    with chromium.tab(browser, complaints) as page:
        box.answers["status"] = statuses.NO_LINE
        page.goto(address)
        body(page, "line")
        box.answers["status"] = statuses.FRESH
        body(page, "ticket")  # by itself
        page.fill("textarea[name=ticket]", INVITATION)
        page.click("button[data-primary]")
        expect(page.locator("form[data-step=site] h1, h1")).to_contain_text(statuses.SITE)
        page.click("button[data-primary]")
        body(page, "joining")
        page.evaluate("window.stayed = true")
        box.answers["status"] = statuses.WORKING
        body(page, "done")
        assert page.evaluate("window.stayed") is True
        assert page.locator("body").get_attribute("data-phase") == "PROTECTED"
        with page.expect_download() as download:
            page.click("a[download]")
        assert download.value.suggested_filename == "desk-1.rdp"
        assert INVITATION not in page.url
    assert complaints == []
    assert [question["ticket"] for question in box.questions("redeem")] == [INVITATION]
    assert abs(box.questions("redeem")[0]["clock"] - time.time()) < 120, "the phone's own time goes with it"


def test_the_same_way_without_a_script(browser: Browser, box: RecordedDoor, address: str) -> None:
    with chromium.tab(browser, java_script_enabled=False) as page:
        plug_a_line_in(page, box, address)
        page.fill("textarea[name=ticket]", INVITATION)
        page.click("button[data-primary]")
        page.locator("form[data-step=site]").wait_for()
        page.click("button[data-primary]")
        body(page, "joining")
        box.answers["status"] = statuses.WORKING
        body(page, "done")
    assert len(box.questions("redeem")) == 1


@pytest.mark.parametrize("script", [True, False])
def test_a_photo_of_the_code_is_enough(
    browser: Browser, box: RecordedDoor, address: str, tmp_path: Path, script: bool
) -> None:
    picture = tmp_path / "IMG_0001.jpg"
    picture.write_bytes(saved(scene(2400, 1800, code(), turned=8, blurred=1)).getvalue())
    with chromium.tab(browser, java_script_enabled=script) as page:
        page.goto(address)
        page.set_input_files("input[name=photo]", picture)
        page.click("button[data-primary]")
        page.locator("form[data-step=site]").wait_for()
    assert box.questions("read-ticket")[0]["ticket"] == INVITATION


def test_a_screen_is_not_exchanged_under_the_hands_of_somebody_who_types(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    with chromium.tab(browser) as page:
        page.goto(address)
        page.fill("textarea[name=ticket]", "NOROSHI:HALF")
        box.answers["status"] = statuses.NO_LINE
        with page.expect_response("**/live"):
            pass
        page.wait_for_timeout(300)
        assert page.input_value("textarea[name=ticket]") == "NOROSHI:HALF"


def test_a_photo_is_acknowledged_also_on_a_screen_that_came_by_itself(
    browser: Browser, box: RecordedDoor, address: str, tmp_path: Path
) -> None:
    picture = tmp_path / "IMG_0001.jpg"
    picture.write_bytes(saved(code()).getvalue())
    with chromium.tab(browser) as page:
        plug_a_line_in(page, box, address)
        page.set_input_files("input[name=photo]", picture)
        expect(page.locator(".shoot output")).to_have_text("写真が入りました。「次へ」を押してください")


def test_a_button_that_is_held_while_the_page_renews_itself_still_works(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    rounds = [0.01 * x for x in range(1, 100)]

    def changing(_: Any) -> dict[str, Any]:
        return {**statuses.WITH_WIFI, "hub": {"round_trip": rounds.pop(), "loss": 0.0, "quality": "good"}}

    box.answers["status"] = changing
    with chromium.tab(browser) as page:
        page.goto(address + "details")
        button = page.locator("form[action='/prove'] button")
        button.scroll_into_view_if_needed()
        button.hover()
        page.mouse.down()
        with page.expect_response("**/live/details"):
            pass
        page.wait_for_timeout(200)
        with page.expect_response("**/prove"):
            page.mouse.up()
    assert len(box.questions("prove")) == 1


def test_the_keyboard_stays_where_it_was_while_the_page_renews_itself(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    rounds = [0.01 * x for x in range(1, 100)]
    with chromium.tab(browser) as page:
        box.answers["status"] = lambda _: {
            **statuses.WITH_WIFI,
            "hub": {"round_trip": rounds.pop(), "loss": 0.0, "quality": "good"},
        }
        page.goto(address + "details")
        page.evaluate("window.first = document.querySelector('.facts')")
        page.focus("form[action='/prove'] button")
        page.wait_for_function("() => !document.contains(window.first)")
        assert page.evaluate("document.activeElement.textContent") == "もう一度確かめる"


def test_somebody_s_wifi_is_looked_for_chosen_and_joined_while_the_page_tells_how_it_goes(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    line = dict(statuses.HALL["wifi_line"])

    def now(**changes: Any) -> dict[str, Any]:
        line.update(changes)
        return {**statuses.HALL, "wifi_line": dict(line)}

    box.answers |= {
        "status": now(around=[]),
        "show-wifi": lambda _: box.answers.update(status=now(looking=True)) or {},
        "join-wifi": lambda _: box.answers.update(status=now(ssid="hall", state="trying")) or {},
    }
    with chromium.tab(browser) as page:
        page.goto(address)
        body(page, "line")
        page.click("text=施設のWi-Fiを使う")
        page.click("text=まわりのWi-Fiを探す")
        expect(page.locator(".waiting")).to_contain_text("探しています")
        box.answers["status"] = now(around=statuses.HALL["wifi_line"]["around"])
        page.check("input[value=hall]")
        page.fill("#key", "hallhall")
        box.answers["status"] = now(around=[])  # nothing is taken from under the hands of who types
        with page.expect_response("**/live/wifi"):
            pass
        page.wait_for_timeout(200)
        box.answers["status"] = now(around=statuses.HALL["wifi_line"]["around"])
        page.click("text=これを回線にする")
        expect(page.locator("[data-line=trying]")).to_contain_text("hall")
        box.answers["status"] = now(state="joined", words={"ja": "つながっています", "en": "joined"})
        expect(page.locator("[data-line=joined]")).to_contain_text("つながっています")
    assert box.questions("join-wifi") == [{"ask": "join-wifi", "ssid": "hall", "key": "hallhall"}]


def test_a_second_press_sends_nothing(browser: Browser, box: RecordedDoor, address: str) -> None:
    with chromium.tab(browser) as page:
        page.goto(address)
        page.fill("textarea[name=ticket]", INVITATION)
        page.click("button[data-primary]")
        page.locator("form[data-step=site]").wait_for()
        page.dblclick("button[value=yes]", no_wait_after=True)
        body(page, "joining")
    assert len(box.questions("redeem")) == 1


def test_the_page_says_when_the_box_does_not_answer_and_when_it_does_again(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    with chromium.tab(browser) as page:
        page.goto(address)
        box.answers["status"] = statuses.JOINING
        page.goto(address)
        page.context.set_offline(True)
        page.locator("#offline").wait_for(state="visible")
        page.context.set_offline(False)
        page.locator("#offline").wait_for(state="hidden")
        box.close()
        body(page, "closed")
        box.open()
        body(page, "joining")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_screen_fits_a_small_phone_a_thumb_and_tired_eyes(
    browser: Browser, box: RecordedDoor, address: str, language: str, scheme: str
) -> None:
    complaints: list[str] = []
    with chromium.tab(browser, complaints, color_scheme=scheme) as page:
        page.context.add_cookies([{"name": "language", "value": language, "url": address}])
        for name, found in statuses.EVERY.items():
            box.answers["status"] = found
            for path in ("", "details", "sheet", "wifi", "mobile"):
                page.goto(address + path)
                where = f"{name} /{path} {language} {scheme}"
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, where
                assert page.evaluate(TARGETS) == [], where
                assert page.evaluate(CONTRAST) == [], where
                assert page.evaluate(UNNAMED) == [], where
        box.answers["status"] = statuses.FRESH
        box.answers["read-ticket"] = "expired"
        page.goto(address)
        page.fill("textarea[name=ticket]", INVITATION)
        page.click("button[data-primary]")
        page.locator("#error").wait_for()
        assert page.evaluate(CONTRAST) == []
        button = page.locator("button[data-primary]").bounding_box()
        assert button is not None
        assert 320 <= button["y"] < 640, "the one button to press is under the thumb, without scrolling"
    assert [text for text in complaints if "422" not in text] == []


def test_all_of_the_question_about_the_site_stands_above_its_two_buttons(
    browser: Browser, box: RecordedDoor, address: str
) -> None:
    with chromium.tab(browser) as page:
        for language in ("ja", "en"):
            page.context.add_cookies([{"name": "language", "value": language, "url": address}])
            page.goto(address)
            page.fill("textarea[name=ticket]", INVITATION)
            page.click("button[data-primary]")
            page.locator("form[data-step=site]").wait_for()
            said, dock = page.locator("form > p").bounding_box(), page.locator(".dock").bounding_box()
            assert said and dock and said["y"] + said["height"] <= dock["y"] + 1, language


def test_the_contrast_probe_does_find_what_is_too_faint(
    browser: Browser, address: str, box: RecordedDoor
) -> None:
    with chromium.tab(browser) as page:
        page.goto(address)
        page.evaluate("document.querySelector('h1').style.color = '#888'")
        assert len(page.evaluate(CONTRAST)) == 1


def test_the_probes_do_find_a_small_and_a_nameless_control(
    browser: Browser, address: str, box: RecordedDoor
) -> None:
    with chromium.tab(browser) as page:
        page.goto(address)
        page.evaluate("document.querySelector('main').innerHTML = '<input name=a style=height:20px>'")
        assert len(page.evaluate(TARGETS)) == len(page.evaluate(UNNAMED)) == 1


def test_the_sheet_prints_on_one_page(browser: Browser, box: RecordedDoor, address: str) -> None:
    box.answers["status"] = statuses.WITH_WIFI
    with chromium.tab(browser) as page:
        for language in ("ja", "en"):
            page.context.add_cookies([{"name": "language", "value": language, "url": address}])
            page.goto(address + "sheet")
            printed = page.pdf(prefer_css_page_size=True)
            assert printed.count(b"/Type /Page\n") == 1
