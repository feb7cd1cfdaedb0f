"""What HQ's pages show and do."""

from __future__ import annotations

import re
import time

import pytest
from cryptography import x509

from appliance.core.update_words import TROUBLE
from appliance.core.words import REFUSALS
from appliance.hub.board import board_json
from appliance.hub.register import latest, open_register
from tests.hub.fake_hub import MISSION
from tests.machines import HQ
from tests.webui.hq.conftest import Office, Visitor


def card(page: str, box: str) -> str:
    """The part of the board that shows one box."""
    return page.split(f'data-box="{box}"')[1].split("</li>")[0]


def silence(office: Office, seconds: float) -> None:
    """As if the newest report had come so long ago."""
    engine = open_register(office.url)
    with engine.begin() as connection:
        connection.execute(latest.update().values(last_ping=time.time() - seconds))
    engine.dispose()


def test_the_board_shows_site_state_line_speed_and_last_report(office: Office) -> None:
    office.report(office.box(1, mission=MISSION), round_trip=0.12, loss=0.02)
    shown = card(office.visitor("viewer").get("/").text, "box-0001")
    for text in (
        "柿崎総合体育館",
        "つながっています",
        "有線",
        "使える",
        "120 ms",
        "損失 2 %",
        "災害",
    ):
        assert text in shown
    assert re.search(r">\s*[0-9]秒前", shown)


def test_the_worst_box_comes_first(office: Office) -> None:
    for number, phase, reason in (
        (1, "PROTECTED", "all-well"),
        (2, "BLOCKED", "step-failed"),
        (3, "DEGRADED", "losing-packets"),
    ):
        office.report(office.box(number, mission=MISSION), phase=phase, reason=reason)
    page = office.visitor("viewer").get("/").text
    order = [page.index(f'data-box="box-000{number}"') for number in (2, 3, 1)]
    assert order == sorted(order)


def test_a_silent_box_is_late_then_down(office: Office) -> None:
    office.report(office.box(1, mission=MISSION))
    silence(office, 30)
    assert "連絡が遅れています" in office.visitor("viewer").get("/").text
    silence(office, 60)
    time.sleep(1.1)  # the picture of the board is good for a second
    page = office.visitor("viewer").get("/").text
    assert "連絡が途絶えています" in page and 'data-presence="down"' in page


def test_a_box_in_store_may_be_switched_off_without_an_alarm(office: Office) -> None:
    office.report(office.box(1), phase="STANDBY", reason="no-mission")
    silence(office, 3600)
    shown = card(office.visitor("viewer").get("/").text, "box-0001")
    assert "保管中" in shown and "点検済" in shown and 'data-urgency="away"' in shown


def test_a_drill_is_marked(office: Office) -> None:
    office.report(office.box(1, mission=MISSION | {"kind": "drill"}))
    assert "drill-mark" in card(office.visitor("viewer").get("/").text, "box-0001")
    assert "訓練" in office.visitor("viewer").get("/boxes/box-0001").text


def test_html_from_boxes_and_from_people_stays_text(office: Office) -> None:
    evil = "<script>alert(1)</script>"
    sender = office.box(1, site=evil, model=evil, serial=evil, endpoint=evil)
    row = {"what": evil, "target": evil, "expected": "closed", "outcome": "<u>x", "ok": True}
    office.report(
        sender, uplink={"link": "<img src=x>", "kind": "<i>x"}, version=evil, desktops={"desk": "answers"},
        proof={"at": 1.0, "ok": True, "rows": [row]},
    )  # fmt: skip
    admin = office.visitor("admin")
    for path in ("/", "/live", "/boxes/box-0001", "/boxes/box-0001/revoke"):
        page = admin.get(path).text
        assert "&lt;" in page, path
        for bad in ("<script>alert", "<img src=x>", "<i>x", "<u>x"):
            assert bad not in page


def test_the_fragment_is_sent_again_only_when_something_changed(office: Office) -> None:
    sender = office.box(1, mission=MISSION)
    office.report(sender)
    viewer = office.visitor("viewer")
    first = viewer.get("/live")
    tag = first.headers["ETag"]
    assert "box-0001" in first.text and float(first.headers["Noroshi-Now"]) > 1e9
    again = viewer.get("/live", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"") and "Noroshi-Now" in again.headers
    sender.uptime += 10
    office.report(sender, phase="DEGRADED", reason="losing-packets")
    time.sleep(1.1)
    assert viewer.get("/live", headers={"If-None-Match": tag}).status_code == 200


def test_the_board_of_a_session_that_ended_is_answered_401_to_the_script(office: Office) -> None:
    assert office.visitor().get("/live", headers={"X-Noroshi-Fetch": "1"}).status_code == 401


def test_without_javascript_the_board_reloads_itself(office: Office) -> None:
    assert '<noscript><meta http-equiv="refresh"' in office.visitor("viewer").get("/").text


def test_an_empty_hq_says_what_to_do_first(office: Office) -> None:
    assert "招待QRコードを作る" in office.visitor("officer").get("/").text


def test_a_dead_daemon_leaves_the_board_readable_and_changes_refused_in_words(office: Office) -> None:
    office.report(office.box(1, mission=MISSION))
    officer = office.visitor("officer")
    assert "柿崎総合体育館" in officer.get("/").text
    office.hub.stop()
    time.sleep(1.1)
    page = officer.get("/")
    assert page.status_code == 200 and "柿崎総合体育館" in page.text and "3-21" in page.text
    assert "柿崎総合体育館" in officer.get("/boxes/box-0001").text
    for answer in (officer.get("/tickets"), officer.post("/boxes/box-0001/mission/end")):
        assert answer.status_code == 503 and "症状番号" in answer.text


# ---------------------------------------------------------------------------------------- invitations


def issue(visitor: Visitor, **changes: str) -> str:
    form = {"site": "柿崎総合体育館", "days": "3", "kind": "disaster", "mission_days": "7"} | changes
    answer = visitor.post("/tickets", **form)
    assert answer.status_code == 303, answer.text
    return answer.location


def test_an_officer_issues_an_invitation_and_sees_its_qr(office: Office) -> None:
    officer = office.visitor("officer")
    where = issue(officer)
    asked = next(r for r in office.hub.asked if "mission" in r)
    assert asked == {
        "site": "柿崎総合体育館",
        "days": 3,
        "by": "officer-san",
        "mission": {"kind": "disaster", "days": 7},
    }
    page = officer.get(where).text
    assert 'class="qr"' in page and "NOROSHI:" in page
    assert "未使用" in officer.get("/tickets").text


def test_an_invitation_without_a_mission_says_so_at_the_door(office: Office) -> None:
    issue(office.visitor("officer"), kind="")
    assert next(r for r in office.hub.asked if "mission" in r)["mission"] is None


def test_the_invitation_is_never_in_an_address(office: Office) -> None:
    officer = office.visitor("officer")
    where = issue(officer)
    secret = office.hub.invitations[where.rsplit("/", 1)[1]]["text"]
    assert secret not in where and secret[8:] not in where
    for path in (where, where + "/sheet"):
        page = officer.get(path)
        assert not any(
            secret[8:30] in part for part in page.text.split('"') if part.startswith(("/", "http"))
        )
        assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [
        ("png", "image/png", b"\x89PNG"),
        ("svg", "image/svg+xml", b"<?xml"),
        ("txt", "text/plain; charset=utf-8", b"NOROSHI:"),
    ],
)
def test_it_is_saved_as_picture_or_text_by_post_only(
    office: Office, form: str, kind: str, begins: bytes
) -> None:
    officer = office.visitor("officer")
    where = issue(officer) + "/file"
    answer = officer.post(where, form=form)
    assert (answer.headers["Content-Type"], answer.data[: len(begins)]) == (kind, begins)
    assert "attachment" in answer.headers["Content-Disposition"]
    assert officer.get(where).status_code == 405
    assert officer.post(where, form="../x").status_code == 400


def test_the_saved_picture_reads_back_as_the_invitation(office: Office, tmp_path: object) -> None:
    import io

    import zxingcpp
    from PIL import Image

    officer = office.visitor("officer")
    where = issue(officer)
    picture = Image.open(io.BytesIO(officer.post(where + "/file", form="png").data))
    assert zxingcpp.read_barcodes(picture)[0].text == office.hub.invitations[where.rsplit("/", 1)[1]]["text"]


def test_a_withdrawn_or_unknown_invitation_is_refused_in_words(office: Office) -> None:
    officer = office.visitor("officer")
    where = issue(officer)
    assert officer.post(where + "/withdraw").status_code == 303
    for path in (where, where + "/sheet", "/tickets/unknown"):
        assert officer.get(path).status_code == 409
    assert "取り消し済み" in officer.get("/tickets").text


@pytest.mark.parametrize(
    "changes",
    [{"site": ""}, {"site": "x" * 61}, {"site": "a\x07b"}, {"days": "0"}, {"days": "-1"}, {"days": "9" * 40},
     {"days": "三"}, {"kind": "war"}, {"mission_days": ""}],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_said_and_the_rest_is_kept(
    office: Office, changes: dict[str, str]
) -> None:
    form = {"site": "体育館", "days": "3", "kind": "disaster", "mission_days": "7"} | changes
    answer = office.visitor("officer").post("/tickets", **form)
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert office.hub.invitations == {}


# --------------------------------------------------------------------------------------------- a box


def test_a_boxs_page_shows_its_story_its_proof_and_its_start(office: Office) -> None:
    sender = office.box(1, mission=MISSION)
    proof = {"at": 5.0, "ok": False, "rows": [
        {"what": "SMB", "target": "10.10.0.20:445", "expected": "closed", "outcome": "open", "ok": False}]}  # fmt: skip
    office.report(sender, milestones={"power-on": 1e9, "tunnel": 1e9 + 4.2}, proof=proof)
    page = office.visitor("viewer").get("/boxes/box-0001").text
    for text in (
        "連絡あり",
        "電源を入れた",
        "4.2秒",
        "SMB",
        "決まりと違うものがあります",
        '<svg class="day"',
        "SN000001",
    ):
        assert text in page


def test_a_boxs_page_shows_what_its_programs_said_and_believes_none_of_it(office: Office) -> None:
    sender = office.box(1)
    office.report(sender)
    assert "変わったことは何も書かれていません" in office.visitor("viewer").get("/boxes/box-0001").text
    line = {"at": 1.0, "source": "kernel", "level": 3, "text": "<script>x</script>", "times": 3}
    office.report(sender, log=[line])
    page = office.visitor("viewer").get("/boxes/box-0001").text
    assert "&lt;script&gt;x" in page and "×3" in page and "<script>x" not in page


def test_a_mission_is_started_and_ended(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    answer = officer.post("/boxes/box-0001/mission", site="大潟小学校", kind="drill", hours="5")
    assert (answer.status_code, office.hub.boxes["box-0001"]["mission"]["kind"]) == (303, "drill")
    asked = next(r for r in office.hub.asked if "hours" in r)
    assert (asked["by"], asked["hours"], asked["site"]) == ("officer-san", 5, "大潟小学校")
    asked_first = officer.get("/boxes/box-0001/mission/end").text
    assert "すぐに切れます" in asked_first and office.hub.boxes["box-0001"]["mission"]
    assert officer.post("/boxes/box-0001/mission/end").status_code == 303
    assert office.hub.boxes["box-0001"]["mission"] is None
    bad = officer.post("/boxes/box-0001/mission", site="", kind="drill", hours="5")
    assert bad.status_code == 400 and "場所" in bad.text


def test_revoking_asks_for_the_boxs_name_first(office: Office) -> None:
    office.box(1)
    admin = office.visitor("admin")
    assert "もとには戻せません" in admin.get("/boxes/box-0001/revoke").text
    assert admin.post("/boxes/box-0001/revoke", name="box-0002").status_code == 400
    assert office.hub.boxes["box-0001"]["state"] == "active"
    assert admin.post("/boxes/box-0001/revoke", name="box-0001").status_code == 303
    assert office.hub.boxes["box-0001"]["state"] == "revoked"
    assert "利用停止" in admin.get("/boxes/box-0001").text


def test_unknown_things_are_not_found_in_words(office: Office) -> None:
    admin = office.visitor("admin")
    for path in ("/boxes/box-9999", "/boxes/%3Cscript%3E", "/desktops/x/remove", "/nothing"):
        answer = admin.get(path)
        assert answer.status_code == 404 and "一覧から選び直してください" in answer.text


# -------------------------------------------------------------------------------- desktops, people


def test_a_desktop_is_added_through_a_profile_and_removed(office: Office) -> None:
    admin = office.visitor("admin")
    form = {
        "name": "tax",
        "title": "税務課",
        "profile": "rdp",
        "kind": "shared-host",
        "network": "lgwan",
        "hosts": "10.10.0.21",
    }
    assert admin.post("/desktops", **form).status_code == 303
    asked = next(r for r in office.hub.asked if r.get("name") == "tax")
    assert (asked["hosts"], asked["drill"], asked["by"]) == ({"host": ["10.10.0.21"]}, False, "admin-san")
    assert "税務課" in admin.get("/desktops").text
    assert admin.post("/desktops", **form).status_code == 409
    assert admin.post("/desktops", **(form | {"profile": "nothing"})).status_code == 400
    assert admin.post("/desktops/tax/remove").status_code == 303
    assert "<h2>税務課" not in admin.get("/desktops").text


def test_the_authority_that_laptops_are_to_trust_is_handed_out(office: Office) -> None:
    viewer = office.visitor("viewer")
    assert 'href="/desktops/authority.cer"' in viewer.get("/desktops").text
    answer = viewer.get("/desktops/authority.cer")
    assert answer.headers["Content-Disposition"] == "attachment; filename=noroshi.cer"
    authority = x509.load_der_x509_certificate(answer.data)
    signer = x509.load_pem_x509_certificates(HQ.publisher.encode())[0]
    signer.verify_directly_issued_by(authority)


def test_a_new_persons_password_is_shown_once_and_works(office: Office) -> None:
    admin = office.visitor("admin")
    page = admin.post("/people", name="sato", role="officer").text
    password = page.split('class="secret">')[1].split("<")[0]
    assert password not in admin.get("/people").text
    assert office.visitor().sign_in("sato", password).status_code == 303
    assert admin.post("/people", name="sato", role="officer").status_code == 409
    assert admin.post("/people", name="<b>", role="officer").status_code == 409
    assert admin.post("/people", name="x", role="king").status_code == 400


def test_taking_a_person_out_is_asked_first(office: Office) -> None:
    admin = office.visitor("admin")
    assert 'href="/people/viewer-san/remove"' in admin.get("/people").text
    assert "「viewer-san」を外しますか?" in admin.get("/people/viewer-san/remove").text
    assert admin.get("/people/nobody/remove").status_code == 404
    assert office.visitor("viewer").get("/").status_code == 200


def test_hq_is_never_told_to_call_hq(office: Office) -> None:
    office.report(office.box(1))
    office.hub.refused = REFUSALS["trouble"]
    page = office.visitor("officer").post("/boxes/box-0001/mission/end").text
    assert "8-04" in page and "機械の担当に「症状8-04」" in page
    for said in TROUBLE.values():
        assert "本部に電話" not in said.do_ja and "Call HQ" not in said.do_en


def test_the_audit_says_a_mission_s_kind_in_words(office: Office) -> None:
    office.report(office.box(1))
    admin = office.visitor("admin")
    admin.post("/boxes/box-0001/mission", site="大潟小学校", kind="drill", hours="5")
    assert "訓練 · 大潟小学校 · 5 h" in admin.get("/audit").text


def test_the_last_administrator_stays_and_the_page_says_why(office: Office) -> None:
    answer = office.visitor("admin").post("/people/admin-san/remove")
    assert answer.status_code == 409 and "最後の管理者" in answer.text


def test_english_by_choice_has_no_japanese_left_but_names(office: Office) -> None:
    office.report(office.box(1, site="Gym"), phase="STANDBY", reason="no-mission")
    admin = office.visitor("admin")
    admin.post("/language", language="en", back="/")
    office.hub.desktops = []
    for path in (
        "/",
        "/tickets",
        "/people",
        "/audit",
        "/boxes/box-0001",
        "/boxes/box-0001/revoke",
        "/password",
    ):
        page = admin.get(path).text.replace("日本語", "").replace("言語", "")
        left = {c for c in page if "\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff"}
        assert left == set(), path


def test_the_board_as_data_for_the_command_line(office: Office) -> None:
    office.report(office.box(1, mission=MISSION), milestones={"tunnel": 5.0})
    told = board_json(office.hub.path, office.url)
    (only,) = told["boxes"]
    assert (only["name"], only["presence"], only["phase"], only["uplink"]) == (
        "box-0001",
        "up",
        "PROTECTED",
        "ethernet",
    )
    assert only["milestones"] == {"tunnel": 5.0} and only["first_ping"] <= only["last_ping"] <= told["now"]


def test_what_people_on_site_say_on_the_phone_is_on_the_box_s_page(office: Office) -> None:
    office.report(office.box(1, mission=MISSION))
    office.report(office.box(2, mission=MISSION), phase="BLOCKED", reason="step-failed")
    viewer = office.visitor("viewer")

    def band(box: str) -> str:
        return viewer.get(f"/boxes/{box}").text.split('id="part-band"')[1].split("</div>")[0]

    board = viewer.get("/").text
    assert "(3-12)" in card(board, "box-0002") and "0-00" not in board
    assert "症状番号" not in band("box-0001")
    assert "症状番号" in band("box-0002") and "3-12" in band("box-0002")
    assert "現地の画面: 電源を入れ直しても同じなら" in band("box-0002") and "現地の画面" not in band(
        "box-0001"
    )
