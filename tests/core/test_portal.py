"""Sign-in pages on a line: when one is looked for, what an answer means, who gets a hole, and what ends it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from appliance.core import firewall, portal
from appliance.core.enrolment import sign
from appliance.core.machine import Finding, Hole, HubProbe, Observed, PortalProbe, Status, Uplink
from appliance.core.marks import CHECK_MARK, SIGN_IN_MARK
from appliance.core.model import Assignment, LineEntrance, LineKind, Phase, Policy, Reason
from appliance.core.portal import Check
from appliance.core.uplinks import read_lease
from appliance.core.words import Refused
from tests.machines import ETH0, FACTORY, HQ, INVITED, LAPTOP, LAPTOPS, NOW, PHONE, SHELTER, USB0, assignment

LINE = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)
SPARE = Uplink(link="usb0", kind="usb", carrier=True, lease=USB0, table=5002)
ALLOWED = assignment(policy=Policy(sign_in=True))
CAPTIVE = Status(phase=Phase.CONNECTING, reason=Reason.LINE_CAPTIVE, since=NOW)
NONCE = "0123456789abcdef" * 2
HOLE = Hole(mac=LAPTOPS[1].mac, address=PHONE, link="eth0", source=ETH0.address, dns=("192.168.1.1",))
REGISTERED = {LAPTOPS[0].mac}


# ------------------------------------------------------------------------------------------ the check


@pytest.mark.parametrize(
    ("phase", "reason", "silence", "asked"),
    [
        (Phase.SETUP, Reason.NO_TICKET, 60, ""),
        (Phase.CONNECTING, Reason.TUNNEL_STARTING, 1, ""),
        (Phase.CONNECTING, Reason.HUB_SILENT, 60, "eth0"),
        (Phase.CONNECTING, Reason.LINE_CAPTIVE, 60, "eth0"),
        (Phase.SIGN_IN, Reason.SIGNING_IN, 60, "eth0"),
        (Phase.DEGRADED, Reason.LINE_LOST, 60, "eth0"),
        (Phase.DEGRADED, Reason.LOSING_PACKETS, 60, ""),
        (Phase.DEGRADED, Reason.SPARE_UPLINK, 0, "usb0"),
        (Phase.DEGRADED, Reason.SPARE_CAPTIVE, 0, "usb0"),
        (Phase.STANDBY, Reason.NO_MISSION, 60, ""),
        (Phase.PROTECTED, Reason.ALL_WELL, 60, ""),
        (Phase.BLOCKED, Reason.REVOKED, 60, ""),
    ],
)
def test_a_line_is_asked_only_while_hq_is_out_of_reach_or_once_it_was_left(
    phase: Phase, reason: Reason, silence: float, asked: str
) -> None:
    status = Status(phase=phase, reason=reason, since=NOW)
    found = portal.check_wanted(SHELTER, status, (LINE, SPARE), silence)
    assert (found.link if found else "") == asked


def test_the_check_goes_to_hqs_address_on_that_kind_of_line_and_to_nobody_before_there_is_an_hq() -> None:
    silent = Status(phase=Phase.CONNECTING, reason=Reason.HUB_SILENT, since=NOW)
    hq = HQ.endpoints[0].rpartition(":")[0]
    for config in (SHELTER, INVITED):
        found = portal.check_wanted(config, silent, (LINE,), 60)
        assert found == Check(link="eth0", address=hq, signing_key=HQ.signing_key)
    assert portal.check_wanted(FACTORY, silent, (LINE,), 60) is None
    own = Policy(entrances=(LineEntrance(kind=LineKind.ETHERNET, endpoints=("10.0.0.1:51820",)),))
    config = replace(SHELTER, assignment=assignment(policy=own))
    found = portal.check_wanted(config, silent, (LINE,), 60)
    assert found is not None and found.address == "10.0.0.1"


def signed(content: object) -> str:
    return sign(content, HQ.signing_private)


@pytest.mark.parametrize(
    ("code", "body", "finding"),
    [
        (200, signed({"check": NONCE}), Finding.CLEAR),
        (200, signed({"check": "f" * 32}), Finding.CAPTIVE),  # an old answer, replayed
        (
            200,
            signed({"nonce": NONCE, "time": NOW, "forgets": False}),
            Finding.CAPTIVE,
        ),  # another of HQ's papers
        (200, json.dumps({"body": json.dumps({"check": NONCE}), "signature": "AA=="}), Finding.CAPTIVE),
        (200, "<html>ようこそ</html>", Finding.CAPTIVE),
        (200, "[" * 4000, Finding.CAPTIVE),
        (302, signed({"check": NONCE}), Finding.CAPTIVE),
        (404, "", Finding.CAPTIVE),
        (511, "", Finding.CAPTIVE),
        (0, "", Finding.CAPTIVE),
        (503, "", Finding.UNKNOWN),
    ],
)
def test_only_hqs_word_over_this_very_number_clears_a_line(code: int, body: str, finding: Finding) -> None:
    assert portal.read_answer(code, body, NONCE, HQ.signing_key) is finding


def test_a_finding_counts_for_the_line_it_was_made_on() -> None:
    here = PortalProbe(link="eth0", finding=Finding.CAPTIVE)
    assert portal.is_captive(here, (LINE, SPARE), 0)
    assert not portal.is_spare_captive(here, (LINE, SPARE))
    there = replace(here, link="usb0")
    assert not portal.is_captive(there, (LINE, SPARE), 0)
    assert portal.is_spare_captive(there, (LINE, SPARE))


def test_the_routers_own_hint_counts_after_a_while_and_never_against_hqs_word() -> None:
    hinted = replace(LINE, lease=replace(ETH0, portal=True))
    assert portal.is_captive(PortalProbe(), (hinted,), 60)
    assert not portal.is_captive(PortalProbe(), (hinted,), 1)
    assert not portal.is_captive(PortalProbe(), (LINE,), 60)
    assert not portal.is_captive(PortalProbe(link="eth0", finding=Finding.CLEAR), (hinted,), 60)


@pytest.mark.parametrize(
    ("said", "hinted"),
    [
        (b"https://portal.example/", True),
        (b"http://192.168.1.1/", True),
        (b"urn:ietf:params:capport:unrestricted", False),
        (b"javascript:alert(1)", False),
        (b"", False),
    ],
)
def test_option_114_is_a_hint_and_nothing_more(said: bytes, hinted: bool) -> None:
    told = {"interface": "eth0", "ip": "192.168.1.5", "mask": "24", "router": "192.168.1.1"}
    lease = read_lease({**told, "opt114": said.hex()}, NOW)
    assert lease is not None and lease.portal is hinted
    torn = read_lease({**told, "opt114": "zz"}, NOW)
    assert torn is not None and not torn.portal


# ------------------------------------------------------------------------------------------- the hole


def hole(
    address: str = PHONE,
    held: Assignment | None = ALLOWED,
    status: Status = CAPTIVE,
    uplinks: tuple[Uplink, ...] = (LINE,),
    present: Hole | None = None,
) -> Hole:
    return portal.hole_for(address, held, status, uplinks, LAPTOPS, REGISTERED, present)


def test_the_phone_that_asks_gets_the_way_by_its_own_addresses_and_for_the_line_in_use() -> None:
    assert replace(hole(), dns=()) == replace(HOLE, dns=())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"held": assignment()}, "sign-in-not-allowed"),
        ({"held": None}, "sign-in-not-allowed"),
        ({"held": assignment(policy=Policy(sign_in=True), revoked=True)}, "sign-in-not-allowed"),
        ({"status": replace(CAPTIVE, reason=Reason.HUB_SILENT)}, "sign-in-not-needed"),
        ({"status": Status(phase=Phase.PROTECTED, reason=Reason.ALL_WELL, since=NOW)}, "sign-in-not-needed"),
        ({"uplinks": ()}, "sign-in-not-needed"),
        ({"address": LAPTOP}, "sign-in-laptop"),
        ({"address": "10.211.0.9"}, "sign-in-unknown"),
        ({"present": replace(HOLE, address="10.211.0.9")}, "sign-in-busy"),
    ],
)
def test_nobody_else_gets_it(changed: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as caught:
        hole(**changed)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_asking_twice_is_one_hole() -> None:
    assert hole(present=HOLE) is HOLE


SEEN = Observed(now=NOW + 5, laptops=LAPTOPS)


@pytest.mark.parametrize(
    ("observed", "held", "uplinks", "why"),
    [
        (SEEN, ALLOWED, (LINE,), ""),
        (replace(SEEN, now=NOW + 599.9), ALLOWED, (LINE,), ""),
        (replace(SEEN, now=NOW + 600), ALLOWED, (LINE,), "time"),
        (replace(SEEN, now=NOW - 1), ALLOWED, (LINE,), "time"),  # a clock that went back prolongs nothing
        (SEEN, assignment(), (LINE,), "withdrawn"),
        (replace(SEEN, hub=HubProbe(last_answer=NOW - 1)), ALLOWED, (LINE,), ""),
        (replace(SEEN, hub=HubProbe(last_answer=NOW + 4)), ALLOWED, (LINE,), "done"),
        (SEEN, ALLOWED, (replace(LINE, active=False), replace(SPARE, active=True)), "line"),
        (SEEN, ALLOWED, (replace(LINE, lease=replace(ETH0, address="192.168.1.7/24")),), "line"),
        (SEEN, ALLOWED, (replace(LINE, carrier=False, lease=None, active=False),), "line"),
        (replace(SEEN, laptops=LAPTOPS[:1]), ALLOWED, (LINE,), "gone"),
        (replace(SEEN, laptops=(replace(LAPTOPS[1], mac="02:00:00:00:00:09"),)), ALLOWED, (LINE,), "gone"),
    ],
)
def test_everything_that_ends_a_hole(
    observed: Observed, held: Assignment, uplinks: tuple[Uplink, ...], why: str
) -> None:
    assert portal.why_closed(HOLE, NOW, held, uplinks, observed) == why


# ------------------------------------------------------------------------------------------ the rules


def field(hole: Hole | None) -> str:
    rules = firewall.FieldRules(
        phase=Phase.SIGN_IN,
        box_addresses=("10.86.86.1", "10.211.0.1"),
        lan_network="10.211.0.0/26",
        hole=hole,
    )
    return firewall.field(rules)


def test_the_rules_name_one_phone_and_close_by_themselves() -> None:
    pair = f"{HOLE.mac} . {HOLE.address} timeout 10m"
    assert pair in field(HOLE) and field(HOLE).count("timeout 10m") == 1
    assert "sign-in" not in field(None) and "dnat" not in field(None)
    ways = ("eth0",), [("203.0.113.10", 51820)]
    opened = firewall.outside(*ways, hole=HOLE)
    assert '"eth0" timeout 10m' in opened and "udp dport 53" in opened
    assert f"{SIGN_IN_MARK:#x}" not in firewall.outside(*ways)


def test_the_check_may_reach_hqs_port_80_and_nothing_else() -> None:
    ruleset = firewall.outside(("eth0",), [("203.0.113.10", 51820)], check=("eth0", "203.0.113.10"))
    lines = [x.strip() for x in ruleset.splitlines() if f"{CHECK_MARK:#x}" in x]
    assert lines == [f'meta mark {CHECK_MARK:#x} oifname "eth0" ip daddr 203.0.113.10 tcp dport 80 accept']
