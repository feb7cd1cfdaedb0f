"""The policy section of a box's page: what counts is shown, an officer changes it, and it stays on record."""

from __future__ import annotations

from appliance.core import policy as rules
from appliance.core.model import LineKind, LineRule, NetworkClass, Policy
from appliance.hub import audit
from tests.webui.hq.conftest import Office, Visitor

EVERY = [x.value for x in LineKind]


def change(visitor: Visitor, **form: object) -> int:
    every = {f"lines-{x}": EVERY for x in NetworkClass}
    return visitor.post("/boxes/box-0001/policy", **(every | form)).status_code


def asked(office: Office) -> Policy:
    """The newest wish at the door, as the hub would take it."""
    return rules.changed(Policy(), office.hub.asked_of("set-policy")[-1]["changes"])


def test_an_officer_allows_signing_in_for_one_box_and_it_stays_on_record(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    assert 'data-switch="sign_in"' in officer.get("/boxes/box-0001").text
    assert change(officer, sign_in="yes") == 303
    assert asked(office) == Policy(sign_in=True)
    assert "この箱だけの決まり" in officer.get("/boxes/box-0001").text
    newest = audit.newest(office.staff, 1)[0]
    assert (newest["what"], newest["on"]) == ("set-policy", "box-0001") and '"sign_in": true' in newest[
        "more"
    ]


def test_lines_that_are_not_ticked_carry_nothing_of_that_class(office: Office) -> None:
    office.report(office.box(1))
    assert change(office.visitor("officer"), **{"lines-lgwan": ["closed"], "lines-mynumber": []}) == 303
    assert asked(office).lines == (
        LineRule(network=NetworkClass.LGWAN, kinds=(LineKind.CLOSED,)),
        LineRule(network=NetworkClass.MYNUMBER, kinds=()),
    )


def test_an_entrance_has_to_be_an_address_with_a_port(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    assert change(officer, **{"entrance-closed": "hq.example"}) == 400
    assert office.hub.asked_of("set-policy") == []
    assert change(officer, **{"entrance-closed": "10.0.0.1:51820 10.0.0.2:51820"}) == 303
    assert asked(office).entrances[0].endpoints == ("10.0.0.1:51820", "10.0.0.2:51820")


def test_a_box_goes_back_to_the_common_policy(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    change(officer, open_wifi="yes")
    assert change(officer, fleet="yes") == 303
    assert office.hub.asked_of("set-policy")[-1]["changes"] is None
    assert "すべての箱に共通の決まり" in officer.get("/boxes/box-0001").text


def test_a_viewer_sees_the_policy_and_changes_nothing(office: Office) -> None:
    office.report(office.box(1))
    viewer = office.visitor("viewer")
    page = viewer.get("/boxes/box-0001").text
    assert 'data-switch="sign_in"' in page and "/policy" not in page
    assert change(viewer, sign_in="yes") == 403
    assert office.hub.asked_of("set-policy") == []


def test_no_form_without_its_token_changes_the_policy(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    assert officer.client.post("/boxes/box-0001/policy", data={"sign_in": "yes"}).status_code == 400
    assert office.hub.asked_of("set-policy") == []


def test_an_officer_orders_the_kinds_of_line_and_asks_for_two_at_once(office: Office) -> None:
    office.report(office.box(1))
    officer = office.visitor("officer")
    order = {"prefer-0": "lte", "prefer-1": "", "prefer-2": "usb", "prefer-3": "lte", "prefer-4": "tin can"}
    assert change(officer, both_lines="yes", in_need=["wifi"], **order) == 303
    assert asked(office) == Policy(
        both_lines=True, prefer=(LineKind.LTE, LineKind.USB), in_need=(LineKind.WIFI,)
    )
    page = officer.get("/boxes/box-0001").text
    assert "携帯の電波 → USBの回線の機器" in page
