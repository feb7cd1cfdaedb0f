"""Who gets in, and who gets what: declared routes, roles, sessions, the brake on guessing, forged posts."""

from __future__ import annotations

import time

import pytest

from appliance.hub import audit, people
from tests.webui.hq.conftest import PASSWORD, Office, Visitor
from webui.hq.access import PUBLIC, access_table
from webui.security import HEADERS, undeclared

EVERYBODYS = {"static", "language", "sign_in.page", "sign_in.check", "sign_in.out"}


def test_every_route_declares_whom_it_serves(office: Office) -> None:
    assert undeclared(office.app, access_table(office.app)) == []


def test_only_the_known_pages_serve_strangers(office: Office) -> None:
    table = access_table(office.app)
    assert {name for name, level in table.items() if level == PUBLIC} == EVERYBODYS


def test_a_route_that_declares_nothing_serves_nobody(office: Office) -> None:
    from webui import security

    security.declare(office.app, {k: v for k, v in access_table(office.app).items() if k != "sign_in.page"})
    assert office.visitor().get("/sign-in").status_code == 403


def test_nothing_that_changes_something_can_be_done_by_get(office: Office) -> None:
    admin = office.visitor("admin")
    changing = {r.rule for r in office.app.url_map.iter_rules() if "POST" in (r.methods or ())}
    both = {r.rule for r in office.app.url_map.iter_rules() if "GET" in (r.methods or ())}
    for rule in changing - both:
        assert admin.get(rule.replace("<name>", "box-0001").replace("<number>", "1")).status_code == 405


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("viewer", ["/", "/live", "/desktops", "/password"], ["/tickets", "/people", "/audit"]),
        ("officer", ["/", "/tickets", "/desktops"], ["/people", "/audit", "/boxes/box-0001/revoke"]),
        ("admin", ["/", "/tickets", "/people", "/audit", "/boxes/box-0001/revoke"], []),
    ],
)
def test_each_role_gets_its_pages_and_no_others(
    office: Office, role: str, allowed: list[str], refused: list[str]
) -> None:
    office.box(1)
    visitor = office.visitor(role)
    assert [visitor.get(path).status_code for path in allowed] == [200] * len(allowed)
    assert [visitor.get(path).status_code for path in refused] == [403] * len(refused)


def test_a_viewer_can_change_nothing(office: Office) -> None:
    office.box(1)
    viewer = office.visitor("viewer")
    for path in ("/tickets", "/boxes/box-0001/mission", "/boxes/box-0001/revoke", "/desktops", "/people"):
        assert viewer.post(path, name="box-0001", site="x", kind="disaster", hours="1").status_code == 403
    assert {request["site"] for request in office.hub.asked if "site" in request} == set()
    assert office.hub.boxes["box-0001"]["state"] == "active"


def test_a_stranger_is_sent_to_sign_in_and_back_to_the_page_wanted(office: Office) -> None:
    visitor = office.visitor()
    answer = visitor.get("/tickets")
    assert (answer.status_code, answer.location) == (303, "/sign-in?after=/tickets")
    assert visitor.sign_in("officer-san", after="/tickets").location == "/tickets"


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"]
)
def test_signing_in_never_leads_elsewhere(office: Office, elsewhere: str) -> None:
    assert office.visitor().sign_in("viewer-san", after=elsewhere).location == "/"


def test_a_wrong_name_and_a_wrong_password_get_the_same_words(office: Office) -> None:
    one = office.visitor().sign_in("admin-san", "wrong")
    two = Visitor(office.app, "10.10.0.98").sign_in("nobody-san", "wrong")
    assert (one.status_code, two.status_code) == (403, 403)
    assert "名前か暗証番号が違います" in one.text and "名前か暗証番号が違います" in two.text


def test_guessing_slows_the_desk_it_comes_from_not_the_person(office: Office) -> None:
    guesser = Visitor(office.app, "10.10.0.66")
    assert [guesser.sign_in("admin-san", "wrong").status_code for _ in range(4)] == [403, 403, 403, 429]
    assert guesser.sign_in("admin-san").status_code == 429  # not even the right one is looked at
    assert Visitor(office.app, "10.10.0.10").sign_in("admin-san").status_code == 303


def test_the_wait_grows_is_bounded_and_is_forgotten() -> None:
    waits = [people.pause(failures, people.FREE_TRIES) for failures in range(20)]
    assert waits[:6] == [0, 0, 0, 2, 4, 8] and waits[-1] == people.LONGEST_WAIT


def test_after_the_wait_the_right_password_works_again(office: Office) -> None:
    for _ in range(3):
        people.sign_in(office.staff, "a", "admin-san", "wrong", 1000.0)
    assert isinstance(people.sign_in(office.staff, "a", "admin-san", PASSWORD, 1001.0), people.Wait)
    assert isinstance(people.sign_in(office.staff, "a", "admin-san", PASSWORD, 1003.0), people.Person)


def test_many_names_from_one_desk_are_slowed_too(office: Office) -> None:
    for number in range(people.FREE_TRIES_ADDRESS):
        people.sign_in(office.staff, "a", f"name{number}", "x", 1000.0)
    assert isinstance(people.sign_in(office.staff, "a", "admin-san", PASSWORD, 1000.5), people.Wait)


def test_the_session_is_new_after_signing_in(office: Office) -> None:
    visitor = office.visitor()
    visitor.token()
    before = visitor.client.get_cookie("noroshi-hq")
    visitor.sign_in("admin-san")
    after = visitor.client.get_cookie("noroshi-hq")
    assert before and after and before.value != after.value
    planted = office.visitor()
    planted.client.set_cookie("noroshi-hq", before.value)
    assert planted.get("/").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(office: Office) -> None:
    cookie = office.visitor().sign_in("admin-san").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_a_copied_cookie_is_worth_nothing_after_signing_out(office: Office) -> None:
    admin = office.visitor("admin")
    stolen = admin.client.get_cookie("noroshi-hq")
    admin.post("/sign-out")
    thief = office.visitor()
    assert stolen
    thief.client.set_cookie("noroshi-hq", stolen.value)
    assert thief.get("/").status_code == 303


def test_half_an_hour_without_a_request_ends_the_session(office: Office) -> None:
    token = people.open_session(office.staff, "admin-san", 1000.0)
    assert people.session_person(office.staff, token, 1000.0 + people.IDLE - 1)
    assert people.session_person(office.staff, token, 1000.0 + 2 * people.IDLE - 2)  # it was used
    assert people.session_person(office.staff, token, 1000.0 + 3 * people.IDLE) is None


def test_what_a_page_fetches_by_itself_keeps_only_a_viewers_session_alive(office: Office) -> None:
    for name, lives in (("admin-san", False), ("viewer-san", True)):
        token = people.open_session(office.staff, name, 0.0)
        for moment in range(60, 3600, 60):
            people.session_person(office.staff, token, float(moment), by_hand=False)
        assert (people.session_person(office.staff, token, 3600.0) is not None) == lives


def test_a_shift_ends_even_for_who_works_all_the_time(office: Office) -> None:
    token = people.open_session(office.staff, "officer-san", 0.0)
    for moment in range(60, int(people.SHIFT), 600):
        assert people.session_person(office.staff, token, float(moment))
    assert people.session_person(office.staff, token, people.SHIFT + 1) is None


def test_removing_a_person_ends_what_they_have_open(office: Office) -> None:
    viewer = office.visitor("viewer")
    office.visitor("admin").post("/people/viewer-san/remove")
    assert viewer.get("/").status_code == 303


def test_a_post_without_the_pages_token_changes_nothing_and_says_so(office: Office) -> None:
    office.box(1)
    admin = office.visitor("admin")
    answer = admin.client.post("/boxes/box-0001/revoke", data={"name": "box-0001"})
    assert answer.status_code == 400 and "何も変えていません" in answer.text
    assert office.hub.boxes["box-0001"]["state"] == "active"


def test_a_foreign_host_name_is_refused(office: Office) -> None:
    visitor = office.visitor()
    assert visitor.get("/sign-in", headers={"Host": "evil.example"}).status_code == 403
    assert visitor.get("/sign-in", headers={"Host": "hq.example:8080"}).status_code == 200
    assert visitor.get("/sign-in", headers={"Host": "10.10.0.1:8080"}).status_code == 200


def test_every_page_carries_the_headers(office: Office) -> None:
    for path in ("/sign-in", "/nothing", "/"):
        headers = office.visitor().get(path).headers
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert headers["Cache-Control"] == "no-store"


def test_the_audit_tells_who_did_what_and_notices_a_changed_row(office: Office) -> None:
    office.box(1)
    admin = office.visitor("admin")
    admin.post("/boxes/box-0001/revoke", name="box-0001")
    office.visitor().sign_in("admin-san", "wrong")
    told = [(row["who"], row["what"]) for row in audit.newest(office.staff, 10)]
    assert ("admin-san", "revoke") in told and ("admin-san", "sign-in-failed") in told
    assert audit.broken(office.staff) is None
    with office.staff.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET who = 'other' WHERE what = 'revoke'")
    assert audit.broken(office.staff) is not None
    assert "記録の鎖が切れています" in admin.get("/audit").text


def test_a_mistyped_name_is_not_written_down_because_it_may_be_a_password(office: Office) -> None:
    office.visitor().sign_in("my-secret-password", "x")
    assert all("my-secret" not in str(dict(row)) for row in audit.newest(office.staff, 10))


def test_the_first_administrator_can_be_made_once(office: Office, tmp_path: object) -> None:
    password = people.init(office.url, "chief")
    assert len(password) >= 15
    assert isinstance(people.sign_in(office.staff, "a", "chief", password, time.time()), people.Person)
    with pytest.raises(people.PeopleProblem):
        people.init(office.url, "chief")


def test_the_last_administrator_cannot_be_removed(office: Office) -> None:
    with pytest.raises(people.PeopleProblem):
        people.remove(office.staff, "admin-san", by="x", now=1.0)


def test_people_change_their_own_password_and_are_out_everywhere(office: Office) -> None:
    one, other = office.visitor("viewer"), office.visitor("viewer")
    assert one.post("/password", old="wrong", new="n" * 12, again="n" * 12).status_code == 400
    assert one.post("/password", old=PASSWORD, new="short", again="short").status_code == 400
    assert one.post("/password", old=PASSWORD, new="n" * 12, again="n" * 12).status_code == 303
    assert other.get("/").status_code == 303
    assert office.visitor().sign_in("viewer-san", "n" * 12).status_code == 303
