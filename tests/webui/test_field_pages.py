"""The field web's pages over a real door: each step, each mishap, nothing lost, nothing remembered."""

from __future__ import annotations

import pytest

from appliance.core.update_words import TROUBLE
from tests.webui import statuses
from tests.webui.door import RecordedDoor
from tests.webui.visitor import Visitor

INVITATION = "NOROSHI:MFRGGZDFMZTWQ2LK"


@pytest.mark.parametrize("name", statuses.EVERY)
@pytest.mark.parametrize("path", ["/", "/details", "/live", "/live/details"])
def test_every_status_has_a_page(phone: Visitor, box: RecordedDoor, name: str, path: str) -> None:
    box.answers["status"] = statuses.EVERY[name]
    page = phone.get(path)
    assert page.code == 200
    assert statuses.EVERY[name]["phase"] in page.html


@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("no-line", "line", "回線の機器を青い口に差しましたか?"),
        ("plugged", "line", "回線の機器はありますが、まだ返事がありません"),
        ("fresh", "ticket", "本部から届いたQRコードを撮ってください"),
        ("joining", "joining", "あと約20秒。このままお待ちください"),
        ("hub-silent", "joining", "もう少しかかっています"),
        ("working", "done", "つながりました"),
        ("reconnecting", "done", "作業は消えません"),
        ("cut", "line", "回線が切れました"),
        ("drill", "done", "【訓練】本番のデスクトップは開きません"),
        ("stored", "standby", "この箱は点検済です"),
        ("revoked", "blocked", "本部がこの箱の利用を停止しました"),
        ("failed", "blocked", "3-12"),
    ],
)
def test_the_page_says_in_plain_words_where_the_box_stands(
    phone: Visitor, box: RecordedDoor, name: str, step: str, said: str
) -> None:
    box.answers["status"] = statuses.EVERY[name]
    page = phone.get()
    assert page.step == step
    assert said in page.text


@pytest.mark.parametrize("name", ["working", "stored", "revoked", "cut"])
def test_who_is_told_to_call_hq_finds_its_number_to_press(
    phone: Visitor, box: RecordedDoor, name: str
) -> None:
    box.answers["status"] = statuses.EVERY[name]
    for path in ("/", "/details"):
        assert 'href="tel:025-526-5111"' in phone.get(path).html
    box.answers["status"] = {**statuses.EVERY[name], "hq_phone": ""}
    assert "tel:" not in phone.get().html


def test_an_update_is_told_to_who_looks_closer(phone: Visitor, box: RecordedDoor) -> None:
    said = {"number": "8-16", **TROUBLE["update-rolled-back"].as_data()}
    software = {"version": "0.1.0-202611222228", "slot": "A", "on_trial": False, "words": said}
    working = statuses.WORKING
    box.answers["status"] = {**working, "software": software}
    details = phone.get("/details").text
    assert "0.1.0-202611222228 A" in " ".join(details.split())
    assert "元の版に戻しました" in details
    assert "8-16" in details
    box.answers["status"] = {**working, "software": {**software, "on_trial": True, "words": None}}
    assert "電源を切らないでください" in phone.get("/details").text
    box.answers["status"] = working
    assert "data-update" not in phone.get("/details").html


def test_a_line_that_policy_refuses_says_so_and_what_to_do(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.LINE_REFUSED
    page = phone.get("/")
    assert page.step == "line"
    for part in ("この種類の回線は、本部の決まりで使えません", "ほかの回線の機器を差すか", "2-20"):
        assert part in page.text
    details = phone.get("/details").text
    assert "この種類の回線は、本部の決まりで使えません" in details and "使えません" in details
    box.answers["status"] = {**statuses.LINE_REFUSED, "uplinks": [statuses.REFUSED_LINE, statuses.USB]}
    assert phone.get("/").step != "line"  # the guard: another line is there


def test_a_sign_in_page_is_told_and_offered_only_where_hq_allows_it(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = statuses.CAPTIVE
    page = phone.get("/")
    assert page.step == "captive" and "ログイン画面で止められています" in page.text
    assert "/sign-in" not in page.html
    box.answers["status"] = statuses.CAPTIVE_ALLOWED
    page = phone.get("/")
    assert 'action="/sign-in"' in page.html and "この電話で手続きする(10分)" in page.text
    assert "10分たったので" in page.text


def test_the_phone_that_signs_in_sees_the_time_left_and_the_way_there(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers.update({"status": statuses.CAPTIVE_ALLOWED, "sign-in": {}, "end-sign-in": {}})
    phone.get("/")
    assert phone.send("/sign-in").code == 303
    assert box.questions("sign-in") == [{"ask": "sign-in", "visitor": "127.0.0.1"}]
    box.answers["status"] = statuses.SIGNING_IN
    page = phone.get("/")
    assert page.step == "sign-in" and "あと10分00秒" in page.text
    assert 'href="http://203.0.113.10/noroshi-check"' in page.html
    assert "暗証番号は入れないでください" in page.text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.html
    assert phone.send("/sign-in/end").code == 303 and len(box.questions("end-sign-in")) == 1
    box.answers["status"] = statuses.SIGNING_IN_ELSEWHERE
    assert "noroshi-check" not in phone.get("/").html


def test_a_refused_sign_in_says_why_on_the_same_screen(phone: Visitor, box: RecordedDoor) -> None:
    box.answers.update({"status": statuses.CAPTIVE_ALLOWED, "sign-in": "sign-in-busy"})
    phone.get("/")
    page = phone.send("/sign-in")
    assert page.code == 422 and "ほかの電話が手続きをしています" in page.text


def test_a_pasted_invitation_becomes_the_question_about_the_site(phone: Visitor, box: RecordedDoor) -> None:
    page = phone.send("/ticket", ticket=INVITATION)
    assert (page.code, page.step) == (200, "site")
    assert f"ここは「{statuses.SITE}」ですか?" in page.text
    assert statuses.HQ in page.text
    assert f'value="{INVITATION}"' in page.html
    assert box.questions("read-ticket") == [{"ask": "read-ticket", "ticket": INVITATION}]
    assert not box.questions("redeem")


def test_yes_redeems_the_invitation_and_goes_to_the_first_screen(phone: Visitor, box: RecordedDoor) -> None:
    page = phone.send("/join", ticket=INVITATION, answer="yes")
    assert (page.code, page.answer.headers["Location"]) == (303, "/")
    assert box.questions("redeem") == [{"ask": "redeem", "ticket": INVITATION}]


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("1800000000.5", 1800000000.5),
        ("", None),
        ("nan", None),
        ("-5", None),
        ("１２", None),
        ("9" * 40, None),
    ],
)
def test_the_phones_time_goes_with_the_answer_where_it_is_a_time(
    phone: Visitor, box: RecordedDoor, told: str, taken: float | None
) -> None:
    phone.send("/join", ticket=INVITATION, answer="yes", clock=told)
    assert box.questions("redeem")[0].get("clock") == taken


@pytest.mark.parametrize("answer", [{"answer": "no"}, {}])
def test_anything_but_yes_changes_nothing(phone: Visitor, box: RecordedDoor, answer: dict[str, str]) -> None:
    page = phone.send("/join", ticket=INVITATION, **answer)
    assert page.step == "ticket"
    assert "この招待QRコードは使いませんでした" in page.text
    assert not box.questions("redeem")


def test_the_invitation_is_never_in_an_address(phone: Visitor) -> None:
    for page in (
        phone.send("/ticket", ticket=INVITATION),
        phone.send("/join", ticket=INVITATION, answer="yes"),
    ):
        assert INVITATION not in page.answer.headers.get("Location", "")
        assert not any(INVITATION in part for part in page.html.split('"') if part.startswith(("/", "http")))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("torn", "QRコードの文字が途中で切れています"),
        ("altered", "QRコードの内容が書きかえられています"),
        ("expired", "このQRコードは使用期限が過ぎています"),
        ("foreign", "これは別の役所のQRコードです"),
        ("ticket-used", "このQRコードは使用済みです"),
        ("format", "これは招待QRコードではありません"),
        ("disk-full", "この箱の保存場所がいっぱいです"),
    ],
)
@pytest.mark.parametrize("ask", ["read-ticket", "redeem"])
def test_a_refused_invitation_gets_one_sentence_and_its_text_is_kept(
    phone: Visitor, box: RecordedDoor, code: str, said: str, ask: str
) -> None:
    box.answers[ask] = code
    path = "/ticket" if ask == "read-ticket" else "/join"
    page = phone.send(path, ticket=INVITATION, answer="yes")
    assert (page.code, page.step) == (422, "ticket")
    assert said in page.text
    assert page.html.count('role="alert" id="error"') == 1
    assert f">{INVITATION}</textarea>" in page.html


def test_an_empty_form_says_what_to_give(phone: Visitor, box: RecordedDoor) -> None:
    page = phone.send("/ticket", ticket="  \n ")
    assert (page.code, page.step) == (422, "ticket")
    assert "QRコードも文字も入っていません" in page.text
    assert not box.questions("read-ticket")


def test_pasted_html_stays_text(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["read-ticket"] = "format"
    page = phone.send("/ticket", ticket='</textarea><script>alert("x")</script>')
    assert "<script>alert" not in page.html
    assert "&lt;/textarea&gt;" in page.html


def test_hostile_names_from_an_invitation_or_hq_stay_text(phone: Visitor, box: RecordedDoor) -> None:
    evil = '<img src=x onerror="alert(1)">'
    box.answers["read-ticket"] = {**statuses.READ, "site": evil, "hq_name": evil}
    assert "<img" not in phone.send("/ticket", ticket=INVITATION).html
    desks = [{**statuses.DESK, "title": evil}]
    box.answers["status"] = {**statuses.WITH_WIFI, "site": evil, "hq_name": evil, "desktops": desks}
    for path in ("/", "/sheet", "/details"):
        assert "<img" not in phone.get(path).html


def test_a_very_long_text_is_cut_before_it_reaches_the_door(phone: Visitor, box: RecordedDoor) -> None:
    phone.send("/ticket", ticket="NOROSHI:" + "A" * 100_000)
    (question,) = box.questions("read-ticket")
    assert len(question["ticket"]) == 8192


def test_the_invitation_may_be_read_before_there_is_a_line(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.NO_LINE
    assert phone.get().step == "line"
    assert 'href="/ticket"' in phone.get().html
    assert phone.get("/ticket").step == "ticket"
    box.answers["status"] = statuses.WORKING
    assert phone.get("/ticket").answer.headers["Location"] == "/"


def test_a_refused_joining_offers_a_new_start(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.USED_UP
    assert 'action="/start-over"' in phone.get().html
    assert phone.send("/start-over").code == 303
    assert box.questions("start-over")
    box.answers["status"] = statuses.JOINING
    assert 'action="/start-over"' not in phone.get().html


def test_a_box_prepared_in_peacetime_shows_how_far_it_is(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.REGISTERED
    page = phone.get()
    assert "役所につながりました" in page.text
    assert "デスクトップを確かめています" in page.text
    assert "招待QRコード" not in page.text


def test_a_dead_daemon_is_said_in_words_on_every_page(phone: Visitor, box: RecordedDoor) -> None:
    token = phone.get().token
    box.close()
    page = phone.get()
    assert (page.code, page.step) == (200, "closed")
    assert "安全のため停止中" in page.text
    assert "3-20" in page.text
    assert phone.get("/live").code == 200
    page = phone.send("/ticket", token, ticket=INVITATION)
    assert "この箱の中のプログラムが止まっています" in page.text
    assert INVITATION in page.html
    page = phone.send("/join", token, ticket=INVITATION, answer="yes")
    assert "この箱の中のプログラムが止まっています" in page.text
    assert phone.send("/start-over", token).step == "closed"
    for path in ("/desktops/desk-1.rdp", "/sheet", "/details", "/captive-api", "/ticket"):
        assert phone.get(path).code < 500
    assert phone.send("/prove", token).code == 422


def test_a_page_comes_back_when_the_daemon_does(phone: Visitor, box: RecordedDoor) -> None:
    box.close()
    assert phone.get().step == "closed"
    box.open()
    assert phone.get().step == "ticket"


def test_the_desktop_file_is_handed_over_as_it_came(phone: Visitor, box: RecordedDoor) -> None:
    page = phone.get("/desktops/desk-1.rdp")
    assert page.answer.headers["Content-Type"] == "application/x-rdp"
    assert page.answer.headers["Content-Disposition"] == "attachment; filename=desk-1.rdp"
    assert page.answer.get_data() == b"full address:s:10.10.0.20\r\nredirectclipboard:i:0\r\n"
    asked = {"ask": "rdp-file", "desktop": "desk-1", "visitor": "127.0.0.1"}
    assert box.questions("rdp-file") == [asked]


def test_the_leader_s_phone_is_shown_the_connection_first_and_its_own_number_only_below(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = statuses.UNREGISTERED
    page = phone.get()
    assert page.step == "done"
    places = [
        page.text.index(x)
        for x in ("つながりました", "次は、パソコンをつなぎます", "本部に電話し、この番号を", "123-456")
    ]
    assert places == sorted(places)
    assert ".rdp" not in page.html and "download>" not in page.html  # no desktop for a stranger
    assert {x["visitor"] for x in box.questions("status")} == {"127.0.0.1"}


def test_while_the_emergency_runs_its_end_is_said_and_the_desktops_are_there(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = statuses.EMERGENCY
    page = phone.get()
    assert "どのパソコンからも開けます" in page.text and "登録されていません" not in page.text
    assert "desk-1.rdp" in page.html


def test_an_unknown_desktop_is_refused_in_words(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["rdp-file"] = "unknown-desktop"
    page = phone.get("/desktops/nothing.rdp")
    assert page.code == 404
    assert "そのデスクトップは登録されていません" in page.text


def test_a_button_to_open_is_there_only_for_what_is_open(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.WORKING
    assert 'href="/desktops/desk-1.rdp"' in phone.get().html
    for closed in (statuses.RECONNECTING, statuses.STORED, statuses.REVOKED):
        box.answers["status"] = closed
        assert ".rdp" not in phone.get().html
    box.answers["status"] = statuses.DRILL
    page = phone.get()
    assert 'href="/desktops/drill.rdp"' in page.html
    assert 'href="/desktops/desk-1.rdp"' not in page.html


def test_the_wall_sheet_has_two_codes_where_there_is_wifi_and_one_where_there_is_none(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = statuses.WITH_WIFI
    page = phone.get("/sheet")
    assert page.html.count('class="qr"') == 2
    assert "noroshi-kakizaki" in page.text
    assert "ame;kaze:2026" in page.text
    assert f"発行元が「{statuses.HQ}」なら「接続」を押します" in page.text
    box.answers["status"] = statuses.WORKING
    assert phone.get("/sheet").html.count('class="qr"') == 1


def test_the_wall_sheet_is_not_made_before_it_is_true(phone: Visitor, box: RecordedDoor) -> None:
    for early in (statuses.FRESH, statuses.STORED, statuses.REVOKED):
        box.answers["status"] = early
        assert phone.get("/sheet").answer.headers["Location"] == "/"


def test_the_contractor_sees_the_proof_and_can_ask_for_another(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.WITH_WIFI
    page = phone.get("/details")
    assert "すべて思ったとおりです" in page.text
    assert "10.10.0.20:445" in page.text
    assert "31 ms" in page.text
    answer = phone.send("/prove")
    assert (answer.code, answer.answer.headers["Location"]) == (303, "/details")
    assert box.questions("prove") == [{"ask": "prove"}]


def test_somebody_on_site_says_which_line_comes_first(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.WITH_WIFI
    page = phone.get("/details")
    assert page.text.count("この回線を先に使う") == 1, "the first one is first already"
    assert page.text.count("ほかに無いときだけ使う") == 2
    box.answers["wish-line"] = {}
    answer = phone.send("/lines", page.token, link="usb0", wish="first")
    assert (answer.code, answer.answer.headers["Location"]) == (303, "/details#lines")
    assert box.questions("wish-line") == [{"ask": "wish-line", "link": "usb0", "wish": "first"}]


HOSTILE = '"><script>alert(1)</script>'
AROUND = [
    {"ssid": "hall", "signal": -40.0, "locked": True, "channel": 6},
    {"ssid": HOSTILE, "signal": -60.0, "locked": False, "channel": 1},
]
LINE_BY_AIR = {"able": True, "ssid": "", "state": "", "words": {"ja": "", "en": ""}, "around": AROUND}


def test_somebody_on_site_chooses_a_network_as_a_line(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = {**statuses.WITH_WIFI, "wifi_line": LINE_BY_AIR}
    page = phone.get("/wifi")
    assert page.code == 200 and "hall" in page.text and 'http-equiv="refresh"' not in page.html
    assert "<script>alert" not in page.html and HOSTILE in page.text
    box.answers["join-wifi"] = box.answers["show-wifi"] = box.answers["set-air"] = {}
    answer = phone.send("/wifi/line", page.token, ssid="hall", key="hallhall")
    assert (answer.code, answer.answer.headers["Location"]) == (303, "/wifi#line")
    assert box.questions("join-wifi") == [{"ask": "join-wifi", "ssid": "hall", "key": "hallhall"}]
    phone.send("/wifi/around", page.token)
    phone.send("/wifi/place", page.token, place="indoors")
    assert box.questions("set-air") == [{"ask": "set-air", "place": "indoors", "band": ""}]
    assert box.questions("show-wifi") == [{"ask": "show-wifi"}]


def test_a_key_that_cannot_be_one_is_said_on_the_same_page(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = {**statuses.WITH_WIFI, "wifi_line": LINE_BY_AIR}
    box.answers["join-wifi"] = "wifi-key"
    page = phone.get("/wifi")
    answer = phone.send("/wifi/line", page.token, ssid="hall", key="1")
    assert answer.code == 422 and "半角の8文字から63文字" in answer.text


MODEM = {"model": HOSTILE[:32], "operator": HOSTILE[:32], "signal": 67, "connected": True, "words": None,
         "number": "", "apn": "office.example", "user": "town", "auth": "chap"}  # fmt: skip


def test_the_mobile_network_is_shown_and_what_the_sim_s_papers_say_is_handed_on(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = {**statuses.WITH_WIFI, "modem": MODEM}
    page = phone.get("/mobile")
    assert page.code == 200 and "67 %" in page.text and 'value="office.example"' in page.html
    assert "<script>alert" not in page.html and "つながっています" in page.text
    assert "携帯の電波の設定" in phone.get("/details").text
    box.answers["set-apn"] = {}
    told = {"apn": " office.example ", "user": "town", "password": "s3cret", "auth": "chap"}
    answer = phone.send("/mobile/apn", page.token, **told)
    assert (answer.code, answer.answer.headers["Location"]) == (303, "/mobile")
    assert box.questions("set-apn") == [{"ask": "set-apn", **told, "apn": "office.example", "roaming": False}]


def test_a_network_s_name_that_cannot_be_one_is_said_on_the_same_page(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"], box.answers["set-apn"] = statuses.NO_SIM, "apn-name"
    page = phone.get("/mobile")
    assert "SIMカードを差し直し" in page.text
    answer = phone.send("/mobile/apn", page.token, apn="a b", user="", password="", auth="")
    assert answer.code == 422 and "半角の英数字" in answer.text


def test_a_box_without_a_modem_has_no_way_to_its_page(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.WITH_WIFI
    assert "携帯の電波の設定" not in phone.get("/details").text


def test_the_live_screen_is_sent_only_when_it_changed(phone: Visitor, box: RecordedDoor) -> None:
    box.answers["status"] = statuses.JOINING
    first = phone.get("/live")
    tag = first.answer.headers["ETag"]
    assert f'data-tag="{tag.strip(chr(34))}"' in phone.get().html
    again = phone.get("/live", headers={"If-None-Match": tag})
    assert (again.code, again.html) == (304, "")
    box.answers["status"] = {**statuses.JOINING, "now": statuses.NOW + 0.5}
    assert phone.get("/live", headers={"If-None-Match": tag}).code == 304
    box.answers["status"] = statuses.WORKING
    changed = phone.get("/live", headers={"If-None-Match": tag})
    assert changed.code == 200
    assert 'data-step="done"' in changed.html


def test_a_screen_with_a_form_has_the_same_tag_each_time_although_its_token_differs(
    phone: Visitor, box: RecordedDoor
) -> None:
    box.answers["status"] = statuses.USED_UP
    one, two = phone.get("/live"), phone.get("/live")
    assert one.answer.headers["ETag"] == two.answer.headers["ETag"]
    assert "token\ue000" not in one.html


def test_without_a_script_pages_reload_by_themselves_but_never_under_a_form(
    phone: Visitor, box: RecordedDoor
) -> None:
    for name, found in statuses.EVERY.items():
        box.answers["status"] = found
        reloads = '<noscript><meta http-equiv="refresh"' in phone.get().html
        assert reloads is (name != "fresh"), name
    box.answers["status"] = statuses.NO_LINE
    assert 'http-equiv="refresh"' not in phone.send("/ticket", ticket=INVITATION).html
    assert 'http-equiv="refresh"' not in phone.send("/ticket").html
    assert 'http-equiv="refresh"' not in phone.get("/ticket").html
