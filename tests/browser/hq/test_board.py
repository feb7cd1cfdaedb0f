"""HQ's pages in a real browser: phone and desk, with and without JavaScript."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from werkzeug.serving import ThreadedWSGIServer

from appliance.core.card import read
from appliance.hub import people
from appliance.hub.people import Role
from tests.browser import chromium
from tests.browser.probes import CONTRAST, UNNAMED, targets
from tests.hub.fake_hub import MISSION
from tests.webui.hq.conftest import PASSWORD, Office

PHONE_SIZE = ViewportSize(width=360, height=640)
DESK_SIZE = ViewportSize(width=1280, height=800)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture
def address(office: Office) -> Iterator[str]:
    server = ThreadedWSGIServer("127.0.0.1", 0, office.app)
    server.daemon_threads = False  # closing waits for what is being answered: the stores are closed next
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE_SIZE, base_url=address, locale="ja-JP")
    yield signed_in(context)
    context.close()


def signed_in(context: BrowserContext, name: str = "admin-san") -> Page:
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[data-primary]")
    expect(page.locator(".counters")).to_be_visible()
    return page


def too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_a_box_appears_and_turns_on_the_board_without_a_reload(office: Office, phone: Page) -> None:
    phone.evaluate("window.same = true")
    sender = office.box(1, mission=MISSION)
    office.report(sender)
    expect(phone.locator("[data-box=box-0001] .mark")).to_have_text("つながっています", timeout=20_000)
    sender.uptime += 10
    office.report(sender, phase="BLOCKED", reason="step-failed")
    expect(phone.locator("[data-box=box-0001] .mark")).to_have_text("安全のため停止中", timeout=20_000)
    assert phone.evaluate("window.same") is True


def test_the_seconds_since_the_last_report_are_counted_between_two_fetches(
    office: Office, phone: Page
) -> None:
    office.report(office.box(1, mission=MISSION))
    age = phone.locator("[data-box=box-0001] time")
    expect(age).to_have_text(re.compile(r"^\d+秒前$"), timeout=20_000)
    first = int(age.inner_text().removesuffix("秒前"))
    expect(age).to_have_text(re.compile(f"^({first + 1}|{first + 2}|{first + 3})秒前$"), timeout=20_000)


def test_the_board_says_when_it_is_no_longer_fresh(office: Office, phone: Page) -> None:
    phone.context.set_offline(True)
    expect(phone.locator("#offline")).to_be_visible(timeout=30_000)
    phone.context.set_offline(False)
    expect(phone.locator("#offline")).to_be_hidden(timeout=20_000)


def test_an_invitation_is_issued_on_a_phone_and_large_enough_to_photograph(
    office: Office, phone: Page
) -> None:
    phone.goto("/tickets")
    phone.fill("[name=site]", "柿崎総合体育館")
    phone.click("button[data-primary]")
    drawn = phone.locator("svg.qr").bounding_box()
    assert drawn is not None and drawn["width"] >= 280
    with phone.expect_download() as saved:
        phone.click("button[value=png]")
    path = saved.value.path()
    assert path and Path(path).read_bytes().startswith(b"\x89PNG")
    assert "NOROSHI" not in phone.url


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_box_is_prepared_on_a_phone_and_both_files_are_saved(
    office: Office, browser: Browser, address: str, language: str
) -> None:
    context = browser.new_context(viewport=PHONE_SIZE, base_url=address)
    context.add_cookies([{"name": "language", "value": language, "url": address}])
    page = signed_in(context)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto("/prepare")
    page.fill("[name=site]", "長い名前の" * 10)
    page.click("button[data-primary]")
    saved = {}
    for button in page.locator("a[download]").all():
        with page.expect_download() as download:
            button.click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    card = read(saved.pop("noroshi.card"))
    assert saved[f"{card.identity.serial}.pdf"].startswith(b"%PDF")
    assert not too_wide(page) and said == []
    context.close()


@pytest.mark.parametrize("size", [PHONE_SIZE, DESK_SIZE], ids=["phone", "desk"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_page_is_wider_than_the_screen_and_none_breaks_a_rule(
    office: Office, browser: Browser, address: str, size: ViewportSize, language: str
) -> None:
    proof = {"at": 1.0, "ok": True, "rows": [{"what": "プリンター", "target": "10.10.0.20:9100", "expected": "closed",
             "outcome": "closed", "ok": True}]}  # fmt: skip
    office.report(
        office.box(1, mission=MISSION, site="長い名前の" * 10), milestones={"tunnel": 5.0}, proof=proof
    )
    office.hub.do_issue_ticket("長い名前の" * 10, 3, "admin-san", None)
    context = browser.new_context(viewport=size, base_url=address)
    context.add_cookies([{"name": "language", "value": language, "url": address}])
    page = signed_in(context)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda problem: said.append(str(problem)))
    macs = [f"00:11:22:33:44:{i:02x}" for i in range(4)]
    office.hub.devices = [{"name": "PC-0123456789-0123456789-012345", "title": "長い名前の" * 10, "macs": macs, "desktops": ["*"]}]  # fmt: skip
    found: dict[str, list[object]] = {}
    ticket = f"/tickets/{next(iter(office.hub.invitations))}"
    office.hub.bundles = [{"version": "0.2.0-202611222228", "image": "noroshi-pc", "sha256": "ab" * 32, "size": 167 << 20}]  # fmt: skip
    office.hub.boxes["box-0001"]["update_to"] = "0.2.0-202611222228"
    for path in ("/", "/devices", "/devices?read=1600", "/boxes/box-0001", "/boxes/box-0001/revoke", "/boxes/box-0001/mission/end", "/tickets", "/prepare",
                 ticket, f"{ticket}/sheet", "/desktops", "/desktops/desk/remove", "/updates", "/symptoms", "/people", "/audit", "/password",
                 "/nothing"):  # fmt: skip
        page.goto(path)
        assert not too_wide(page), path
        found[path] = [*page.evaluate(UNNAMED), *page.evaluate(targets(44))]
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            found[path] += page.evaluate(CONTRAST)
    assert {path: bad for path, bad in found.items() if bad} == {}
    assert [text for text in said if "Content Security Policy" in text or "Error" in text] == []
    context.close()


def test_everything_an_officer_does_works_without_javascript(
    office: Office, browser: Browser, address: str
) -> None:
    office.report(office.box(1), phase="STANDBY", reason="no-mission")
    context = browser.new_context(viewport=PHONE_SIZE, base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=name]", "officer-san")
    page.fill("[name=password]", PASSWORD)
    page.click("button[data-primary]")
    page.click("#to-box-0001")
    page.fill("[name=site]", "大潟小学校")
    page.click("section button[data-primary]")
    expect(page.get_by_text("任務を終える")).to_be_visible()
    assert office.hub.boxes["box-0001"]["mission"]["site"] == "大潟小学校"
    page.goto("/tickets")
    page.fill("[name=site]", "三和中学校")
    page.click("button[data-primary]")
    expect(page.locator("svg.qr")).to_be_visible()
    context.close()


def test_a_session_that_ended_leads_the_open_board_to_the_sign_in(office: Office, phone: Page) -> None:
    people.add(office.staff, "other-admin", Role.ADMIN, PASSWORD, by="test", now=time.time())
    people.remove(office.staff, "admin-san", by="test", now=time.time())
    expect(phone.locator("[name=password]")).to_be_visible(timeout=20_000)


def test_what_somebody_opened_on_a_boxs_page_stays_open_while_it_renews_itself(
    office: Office, phone: Page
) -> None:
    sender = office.box(1, mission=MISSION)
    line = {"at": 1.0, "source": "noroshi", "level": 6, "text": "the disk is full", "times": 1}
    office.report(sender, log=[line])
    expect(phone.locator("[data-box=box-0001] .mark")).to_have_text("つながっています", timeout=20_000)
    phone.goto("/boxes/box-0001")
    phone.locator("details:has(.log) summary").click()
    phone.locator("#part-laptops summary").click()
    phone.fill("#part-laptops [name=hours]", "7")
    phone.locator("h1").click()
    sender.uptime += 10
    office.report(sender, load=3.21, log=[line | {"text": "another one", "at": 105.0}])
    expect(phone.locator("#part-newest")).to_contain_text("3.21", timeout=20_000)
    expect(phone.locator(".log")).to_contain_text("another one")
    assert phone.locator(".log").is_visible()
    assert phone.input_value("#part-laptops [name=hours]") == "7"
    assert phone.locator("#part-laptops [name=hours]").is_visible()


def test_a_boxs_page_says_when_it_is_no_longer_fresh(office: Office, phone: Page) -> None:
    office.report(office.box(1, mission=MISSION))
    expect(phone.locator("[data-box=box-0001]")).to_be_visible(timeout=20_000)
    phone.goto("/boxes/box-0001")
    phone.context.set_offline(True)
    expect(phone.locator("#offline")).to_be_visible(timeout=30_000)
    phone.context.set_offline(False)
    expect(phone.locator("#offline")).to_be_hidden(timeout=20_000)


def test_a_page_that_answers_a_form_goes_on_renewing_itself(office: Office, phone: Page) -> None:
    sender = office.box(1)
    office.report(sender, phase="STANDBY", reason="no-mission")
    expect(phone.locator("[data-box=box-0001]")).to_be_visible(timeout=20_000)
    phone.goto("/boxes/box-0001")
    phone.evaluate("document.querySelector('[name=site]').required = false")
    phone.fill("[name=site]", "")
    phone.click("section button[data-primary]")
    expect(phone.get_by_role("alert")).to_contain_text("場所")
    sender.uptime += 10
    office.report(sender, phase="STANDBY", reason="no-mission", load=3.21)
    expect(phone.locator("#part-newest")).to_contain_text("3.21", timeout=20_000)
    assert phone.locator("#offline").is_hidden()
