"""The intake as boxes meet it: real register, real door, real signatures."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from appliance.courier import unpacked
from appliance.hub.register import latest, reports
from tests.hub.fake_hub import FakeHub, address, box
from tests.hub.sender import Sender


def post(
    intake: FlaskClient, sender: Sender, body: Any, path: str = "/reports"
) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = intake.post(path, data=data, environ_base={"REMOTE_ADDR": sender.address})
    return answer.status_code, answer.get_json()


def rows(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(reports)))


def test_a_signed_report_is_accepted_and_hq_says_the_time(intake: FlaskClient, sender: Sender) -> None:
    status, answer = post(intake, sender, sender.post(sender.sign(sender.body())))
    assert (status, answer["accepted"], answer["refused"], answer["assignment"]) == (200, [1], [], None)
    assert answer["time"] > 1.7e9


def test_a_replayed_report_is_accepted_again_without_a_second_row(
    intake: FlaskClient, sender: Sender, engine: sa.Engine
) -> None:
    envelope = sender.post(sender.sign(sender.body()))
    assert (
        post(intake, sender, envelope)[1]["accepted"] == post(intake, sender, envelope)[1]["accepted"] == [1]
    )
    assert len(rows(engine)) == 1


def test_an_altered_report_is_refused_by_its_number(
    intake: FlaskClient, sender: Sender, engine: sa.Engine
) -> None:
    signed = sender.sign(sender.body())
    signed["body"] = signed["body"].replace("PROTECTED", "BLOCKED")
    status, answer = post(intake, sender, sender.post(signed))
    assert (status, answer["accepted"], answer["refused"][0]["seq"]) == (200, [], 1)
    assert rows(engine) == []


def test_a_report_signed_by_another_box_is_refused(
    intake: FlaskClient, sender: Sender, hub: FakeHub, engine: sa.Engine
) -> None:
    other = Sender("box-0002", address(2))
    hub.add(box(2), other.public)
    signed = other.sign(other.body())
    assert post(intake, sender, sender.post(signed))[1]["accepted"] == []
    as_ours = other.sign(other.body(box="box-0001"))
    assert post(intake, sender, sender.post(as_ours))[1]["accepted"] == []
    honest_key_wrong_name = sender.sign(sender.body(box="box-0002"))
    assert post(intake, sender, sender.post(honest_key_wrong_name))[1]["accepted"] == []
    assert rows(engine) == []


def test_who_asks_for_the_time_gets_a_paper_for_that_very_question(
    intake: FlaskClient, sender: Sender, hub: FakeHub
) -> None:
    first = sender.sign(sender.body(nonce="1" * 32))
    second = sender.sign(sender.body(nonce="2" * 32, forget=True))
    paper = json.loads(post(intake, sender, sender.post(first, second))[1]["clock"])
    assert paper == {"box": "box-0001", "nonce": "2" * 32, "forget": True}
    assert [x["nonce"] for x in hub.asked if "nonce" in x] == ["2" * 32], "one signature for one post"


@pytest.mark.parametrize("nonce", [None, "", "1" * 31, "g" * 32, 7, ["1" * 32]])
def test_nothing_but_a_nonce_is_asked_to_be_signed(
    intake: FlaskClient, sender: Sender, hub: FakeHub, nonce: object
) -> None:
    status, answer = post(intake, sender, sender.post(sender.sign(sender.body(nonce=nonce))))
    assert (status, answer["accepted"], answer["clock"]) == (200, [1], None)


def test_an_old_question_is_not_answered(intake: FlaskClient, sender: Sender) -> None:
    asked = sender.sign(sender.body(nonce="1" * 32))
    late = sender.post(asked)
    late["uptime"] += 31
    assert post(intake, sender, late)[1]["clock"] is None
    other_boot = sender.post(sender.sign(sender.body(nonce="1" * 32)))
    other_boot["boot_id"] = "another"
    assert post(intake, sender, other_boot)[1]["clock"] is None


def test_a_stranger_and_a_revoked_box_are_refused(intake: FlaskClient, sender: Sender, hub: FakeHub) -> None:
    hub.boxes["box-0001"]["state"] = "revoked"
    assert post(intake, sender, sender.post(sender.sign(sender.body())))[0] == 403


def test_an_older_policy_gets_the_new_assignment(intake: FlaskClient, sender: Sender, hub: FakeHub) -> None:
    hub.boxes["box-0001"]["version"] = 4
    assert "box-0001" in post(intake, sender, sender.post(sender.sign(sender.body())))[1]["assignment"]
    assert post(intake, sender, sender.post(sender.sign(sender.body(policy=4))))[1]["assignment"] is None


def test_one_bad_report_does_not_take_the_good_ones_with_it(intake: FlaskClient, sender: Sender) -> None:
    reports: list[Any] = [
        sender.sign(sender.body()),
        sender.sign(sender.body(loss="all")),
        {"body": 5},
        sender.sign("\ud800 not json"),
        sender.sign('{"seq": 9, "box": "\\ud800"}'),
        sender.sign(sender.body()),
    ]
    status, answer = post(intake, sender, sender.post(*reports))
    assert (status, answer["accepted"]) == (200, [1, 3])
    assert sorted(r["seq"] or 0 for r in answer["refused"]) == [0, 0, 2, 9]


def test_size_and_number_are_limited(intake: FlaskClient, sender: Sender) -> None:
    signed = sender.sign(sender.body())
    assert post(intake, sender, b"x" * (256 * 1024 + 1))[0] == 413
    assert post(intake, sender, sender.post(*[{"body": "", "signature": ""}] * 201))[0] == 400
    assert post(intake, sender, sender.post(*[signed] * 100))[1]["accepted"] == [1]


def test_nonsense_is_answered_with_a_code_never_with_a_500(intake: FlaskClient, sender: Sender) -> None:
    for body in (
        b"",
        b"\x00\xff",
        b"[" * 50_000,
        b"null",
        b'{"reports": {}}',
        b'{"reports": [], "boot_id": 1}',
    ):
        for path in ("/reports", "/enrol"):
            status, answer = post(intake, sender, body, path)
            assert (status, answer["error"]["code"]) == (400, "format")
    assert intake.get("/", environ_base={"REMOTE_ADDR": sender.address}).status_code == 404


def test_enrolment_goes_to_the_door_with_the_source_address(
    intake: FlaskClient, sender: Sender, hub: FakeHub
) -> None:
    ticket = hub.do_issue_ticket("柿崎総合体育館", 3, "上杉", None)["id"]
    body = {"ticket": ticket, "tunnel_public": "a", "report_public": "b", "serial": "SN1", "model": "PC"}
    status, answer = post(intake, sender, body | {"address": "10.9.9.9"}, "/enrol")
    assert status == 200 and "signature" in answer["assignment"]
    assert hub.asked[-1]["address"] == sender.address
    status, answer = post(intake, sender, body | {"ticket": "other"}, "/enrol")
    assert (status, answer["error"]["code"]) == (409, "ticket-unknown")
    assert post(intake, sender, body | {"serial": 7}, "/enrol")[0] == 400


def test_a_dead_daemon_is_said_so_and_nothing_is_lost_on_the_box(
    intake: FlaskClient, sender: Sender, hub: FakeHub
) -> None:
    hub.stop()
    status, answer = post(intake, sender, sender.post(sender.sign(sender.body())))
    assert (status, answer["error"]["code"]) == (503, "hub-stopped")


def test_html_from_a_box_is_stored_as_text_without_control_characters(
    intake: FlaskClient, sender: Sender, engine: sa.Engine
) -> None:
    evil = {"link": "<img src=x onerror=alert(1)>\x00", "kind": "<b>"}
    post(intake, sender, sender.post(sender.sign(sender.body(uplink=evil))))
    with engine.connect() as connection:
        row = connection.execute(sa.select(latest)).mappings().one()
    assert row["uplink"] == "<img src=x onerror=alert(1)>"


def test_a_large_answer_is_packed_for_whoever_can_unpack_it_and_a_small_one_is_not(
    intake: FlaskClient, sender: Sender, hub: FakeHub
) -> None:
    def ask(accepts: str) -> Any:
        body = json.dumps(sender.post(sender.sign(sender.body())))
        headers = {"Accept-Encoding": accepts} if accepts else {}
        return intake.post(
            "/reports", data=body, environ_base={"REMOTE_ADDR": sender.address}, headers=headers
        )

    hub.boxes["box-0001"]["version"] = 9
    assert "Content-Encoding" not in ask("gzip").headers
    large = "laptop " * 5000
    hub.do_assignment = lambda box: {"assignment": large}  # type: ignore[method-assign]
    packed, plain = ask("gzip"), ask("")
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert len(packed.data) < len(plain.data) / 5
    assert json.loads(unpacked(packed.data))["assignment"] == plain.get_json()["assignment"] == large
