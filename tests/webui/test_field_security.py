"""Whom the field web answers, under which names, and what it never does without a token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from werkzeug.routing import Rule

from tests.webui import statuses
from tests.webui.door import RecordedDoor
from tests.webui.visitor import WIZARD, Visitor
from webui import security
from webui.field import ACCESS, captive, create_app
from webui.language import own_path

ACTS = ("/ticket", "/join", "/start-over", "/prove", "/lines", "/language")


def rules(phone: Visitor) -> list[Rule]:
    return list(phone.client.application.url_map.iter_rules())


def test_every_route_is_in_the_table_of_access_and_the_table_has_no_other(phone: Visitor) -> None:
    assert security.undeclared(phone.client.application, ACCESS) == []
    assert {rule.endpoint for rule in rules(phone)} == set(ACCESS)
    assert set(ACCESS.values()) == {"look", "act", "probe"}


def test_what_acts_is_a_post_and_what_looks_is_not(phone: Visitor) -> None:
    for rule in rules(phone):
        methods = (rule.methods or set()) - {"OPTIONS", "HEAD"}
        assert methods == ({"POST"} if ACCESS[rule.endpoint] == "act" else {"GET"}), rule


def test_a_route_that_nobody_declared_is_refused(tmp_path: Path) -> None:
    app = create_app(tmp_path / "door")
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    answer = app.test_client().get("/forgotten", base_url=WIZARD)
    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_looking_never_asks_the_door_for_anything_but_status_and_files(
    phone: Visitor, box: RecordedDoor
) -> None:
    for found in statuses.EVERY.values():
        box.answers["status"] = found
        for rule in rules(phone):
            if ACCESS[rule.endpoint] != "act":
                phone.get(str(rule).replace("<name>", "desk-1").replace("<path:filename>", "style.css"))
    assert {question["ask"] for question in box.asked} == {"status", "rdp-file"}


@pytest.mark.parametrize("path", ["/", "/live", "/nothing", "/static/style.css", "/captive-api", "/join"])
def test_every_answer_carries_the_headers(phone: Visitor, path: str) -> None:
    headers = phone.get(path).answer.headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    if not path.startswith(("/static", "/captive")):
        assert headers["Cache-Control"] == "no-store"


def test_no_page_has_a_script_or_a_style_of_its_own(phone: Visitor, box: RecordedDoor) -> None:
    for found in statuses.EVERY.values():
        box.answers["status"] = found
        for path in ("/", "/details", "/sheet"):
            page = phone.get(path).html
            assert page.count("<script") == page.count('<script src="/static/')
            for inline in (" style=", "<style", " onclick=", " onload=", "javascript:"):
                assert inline not in page


def test_the_cookie_is_strict_and_out_of_reach_of_scripts(phone: Visitor) -> None:
    cookie = phone.get().answer.headers["Set-Cookie"]
    assert cookie.startswith("noroshi_field=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


# ------------------------------------------------------------------------------------------ CSRF


@pytest.mark.parametrize("token", ["", "forged", "IjEi.aaaaaa.bbbbbbbb"])
@pytest.mark.parametrize("path", ACTS)
def test_nothing_happens_without_a_token(phone: Visitor, box: RecordedDoor, path: str, token: str) -> None:
    page = phone.send(path, token, ticket="NOROSHI:AAAA", answer="yes")
    assert page.code == 400
    assert "このページが古くなっていました" in page.text
    assert not {"redeem", "start-over", "prove"} & {question["ask"] for question in box.asked}


def test_a_stale_form_comes_back_fresh_with_its_text(phone: Visitor) -> None:
    page = phone.send("/ticket", "stale", ticket="NOROSHI:AAAA")
    assert ">NOROSHI:AAAA</textarea>" in page.html
    page = phone.send("/ticket", page.token, ticket="NOROSHI:AAAA")
    assert page.step == "site"
    page = phone.send("/join", "stale", ticket="NOROSHI:AAAA", answer="yes")
    assert (page.code, page.step) == (400, "site")
    assert phone.send("/join", page.token, ticket="NOROSHI:AAAA", answer="yes").code == 303


def test_a_browser_without_cookies_is_told_where_to_go(box: RecordedDoor) -> None:
    visitor = Visitor(box.path, cookies=False)
    page = visitor.send("/ticket", visitor.get().token, ticket="NOROSHI:AAAA")
    assert page.code == 400
    assert "ブラウザーで http://10.86.86.1/ を開いてください" in page.text
    assert "NOROSHI:AAAA" in page.html


def test_a_token_of_one_browser_is_no_good_in_another(box: RecordedDoor) -> None:
    phone = Visitor(box.path)
    other = phone.client.application.test_client()
    other.get("/", base_url=WIZARD)
    stolen = {"csrf_token": phone.get().token, "ticket": "NOROSHI:AAAA", "answer": "yes"}
    assert other.post("/join", base_url=WIZARD, data=stolen).status_code == 400
    assert not box.questions("redeem")


# ---------------------------------------------------------------------------- names, and captive portals


@pytest.mark.parametrize(
    "host", ["10.86.86.1", "10.86.86.1:80", "noroshi.home.arpa", "NOROSHI.home.arpa.", "10.211.0.1"]
)
def test_the_box_answers_under_its_own_names(phone: Visitor, box: RecordedDoor, host: str) -> None:
    box.answers["status"] = statuses.WORKING
    assert phone.get(base=f"http://{host}/").code == 200


def test_hosts_given_at_the_start_are_known_with_any_port(box: RecordedDoor) -> None:
    visitor = Visitor(box.path, hosts=("127.0.0.1:8801",))
    assert visitor.get(base="http://127.0.0.1:8801/").code == 200
    assert visitor.get(base="http://localhost:8801/").code == 302


@pytest.mark.parametrize("host", ["evil.example", "10.211.0.2", "10.86.86.10", "10.86.86.1.evil.example"])
def test_a_get_under_a_strange_name_is_sent_to_the_wizard_and_a_post_is_refused(
    phone: Visitor, box: RecordedDoor, host: str
) -> None:
    box.answers["status"] = statuses.WORKING
    token = phone.get().token
    page = phone.get("/some/page?x=1", base=f"http://{host}/")
    assert (page.code, page.answer.headers["Location"]) == (302, WIZARD)
    for path in ACTS:
        page = phone.send(path, token, base=f"http://{host}/", ticket="NOROSHI:AAAA", answer="yes")
        assert page.code == 403
    assert {question["ask"] for question in box.asked} == {"status"}


@pytest.mark.parametrize(
    "address",
    [
        "http://connectivitycheck.gstatic.com/generate_204",
        "http://clients3.google.com/generate_204",
        "http://captive.apple.com/hotspot-detect.html",
        "http://www.apple.com/library/test/success.html",
        "http://www.msftconnecttest.com/connecttest.txt",
        "http://www.msftconnecttest.com/redirect",
        "http://www.msftncsi.com/ncsi.txt",
        "http://detectportal.firefox.com/canonical.html",
        "http://detectportal.firefox.com/success.txt",
    ],
)
def test_a_phone_that_asks_for_the_internet_is_shown_the_wizard(phone: Visitor, address: str) -> None:
    host, _, path = address.removeprefix("http://").partition("/")
    for base in (f"http://{host}/", WIZARD):
        page = phone.get(f"/{path}", base=base)
        assert (page.code, page.answer.headers["Location"]) == (302, WIZARD)


def test_the_captive_portal_api_follows_rfc_8908(phone: Visitor, box: RecordedDoor) -> None:
    answer = phone.get("/captive-api").answer
    assert answer.headers["Content-Type"] == "application/captive+json"
    assert json.loads(answer.get_data()) == {"captive": True, "user-portal-url": WIZARD}
    box.answers["status"] = statuses.WORKING
    assert json.loads(phone.get("/captive-api").answer.get_data())["captive"] is False


def test_the_boxes_lan_address_is_the_first_of_its_network() -> None:
    assert captive.lan_address("10.211.0.64/26") == "10.211.0.65"
    assert captive.lan_address("") == ""


# ------------------------------------------------------------------------------------------ mishaps


def test_an_address_that_does_not_exist_says_so_and_leads_back(phone: Visitor) -> None:
    page = phone.get("/wp-admin")
    assert page.code == 404
    assert "このページはありません" in page.text
    assert 'href="/"' in page.html


def test_the_address_of_a_form_opened_by_hand_leads_to_the_first_screen(phone: Visitor) -> None:
    assert phone.get("/join").answer.headers["Location"] == "/"


def test_an_error_of_ours_is_a_sentence_and_a_number(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = {"phase": "PROTECTED"}  # a daemon of another version
    page = phone.get()
    assert page.code == 500
    assert "症状9-01" in page.text
    assert "Traceback" not in page.html


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/details", "/details"),
        ("//evil.example", "/"),
        ("http://evil.example", "/"),
        ("/\\evil", "/"),
        ("", "/"),
    ],
)
def test_changing_the_language_leads_back_to_a_page_of_ours_only(wanted: str, given: str) -> None:
    assert own_path(wanted) == given


def test_the_language_is_a_choice_kept_in_a_cookie(phone: Visitor) -> None:
    assert "回線は見つかりました" in phone.get(headers={"Accept-Language": "en"}).text
    page = phone.send("/language", language="en", back="/details")
    assert (page.code, page.answer.headers["Location"]) == (303, "/details")
    assert "SameSite=Strict" in page.answer.headers["Set-Cookie"]
    assert "A line was found" in phone.get().text
    phone.send("/language", language="xx")
    assert "A line was found" in phone.get().text
