"""A modem as a line: what it is told to do, when, and what people are told meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.machine import FileContent, Link, Machine, Observed, Uplink
from appliance.core.model import Auth, LineKind, MobileNetwork, Phase, Policy, Reason, Secret
from appliance.core.modem import Bearer, Mobile, Modem, Order, Registration, State, Way, lease_of
from appliance.core.modem_line import chosen, missing, order, pause, with_network
from appliance.core.phase import Facts, judge
from appliance.core.plan import SetLinkUp, plan
from appliance.core.programs import box_programs
from appliance.core.uplinks import uplinks_of
from appliance.core.words import Refused
from tests.core.boxes import Hardware, desired_box
from tests.machines import NOW, SHELTER

READY = Modem(
    path="/org/freedesktop/ModemManager1/Modem/0",
    state=State.REGISTERED,
    registration=Registration.HOME,
    operator="KDDI",
    signal=60,
    link="wwan0",
)
BEARER = Bearer(link="wwan0", way=Way.STATIC, address="10.64.12.34/30", gateway="10.64.12.33")
CONNECTED = replace(READY, state=State.CONNECTED, bearer=BEARER)
NETWORK = MobileNetwork(apn="office.example", user="town", password=Secret("s3cret"), auth=Auth.CHAP)


def mobile(modem: Modem | None = READY, **more: object) -> Mobile:
    return replace(Mobile(hardware=True, modems=(modem,) if modem else ()), **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------- orders


def test_a_modem_that_is_off_is_switched_on() -> None:
    assert order(mobile(replace(READY, state=State.DISABLED)), None, changed=False) == Order(path=READY.path)


def test_one_that_found_its_carrier_is_told_to_connect_as_the_sim_knows_by_itself() -> None:
    assert order(mobile(), None, changed=False) == Order(path=READY.path, connect=True)


def test_what_the_contract_says_goes_along() -> None:
    assert order(mobile(), NETWORK, changed=False) == Order(
        path=READY.path,
        connect=True,
        apn="office.example",
        user="town",
        password=Secret("s3cret"),
        auth="chap",
    )


@pytest.mark.parametrize(
    "at",
    [
        mobile(None),
        mobile(busy=True),
        mobile(CONNECTED),
        mobile(replace(READY, link="")),
        mobile(replace(READY, locked=True)),
        mobile(replace(READY, state=State.FAILED, no_sim=True)),
        mobile(replace(READY, registration=Registration.ROAMING)),
        mobile(replace(READY, registration=Registration.DENIED)),
        *(mobile(replace(READY, state=x)) for x in State if x not in (State.DISABLED, State.REGISTERED)),
    ],
)
def test_nothing_is_asked_of_one_that_is_at_it_or_that_waits_for_people(at: Mobile) -> None:
    assert order(at, NETWORK, changed=False) is None


def test_another_network_that_somebody_wrote_down_is_dialled_anew() -> None:
    found = order(mobile(CONNECTED), NETWORK, changed=True)
    assert found is not None and found.hang_up and found.connect and found.apn == "office.example"


def test_a_password_is_never_seen_in_an_order() -> None:
    assert "s3cret" not in repr(order(mobile(), NETWORK, changed=False))


def test_of_two_modems_the_one_that_got_further_is_used() -> None:
    behind = replace(READY, path="/org/freedesktop/ModemManager1/Modem/1", state=State.FAILED)
    assert chosen((behind, READY)) is READY and chosen(()) is None


def test_pauses_grow_up_to_five_minutes() -> None:
    assert [pause(x) for x in (0, 1, 2, 3, 7, 50)] == [0.0, 5.0, 10.0, 20.0, 300.0, 300.0]


def test_another_carrier_s_network_is_used_only_where_the_contract_has_it() -> None:
    abroad = mobile(replace(READY, registration=Registration.ROAMING))
    assert order(abroad, NETWORK, changed=False) is None
    assert missing(abroad, NETWORK, waited=3.0) is Reason.MODEM_ROAMING
    wide = replace(NETWORK, roaming=True)
    found = order(abroad, wide, changed=False)
    assert found is not None and found.roaming and missing(abroad, wide, waited=3.0) is Reason.MODEM_STARTING


# --------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("at", "network", "expected"),
    [
        (Mobile(), None, None),
        (mobile(None), None, Reason.MODEM_STARTING),
        (mobile(replace(READY, state=State.FAILED, no_sim=True)), None, Reason.MODEM_NO_SIM),
        (mobile(replace(READY, state=State.LOCKED, locked=True)), None, Reason.MODEM_LOCKED),
        (mobile(replace(READY, state=State.FAILED)), None, Reason.MODEM_FAILED),
        (mobile(replace(READY, link="")), None, Reason.MODEM_UNSUPPORTED),
        (mobile(replace(READY, state=State.SEARCHING, registration=Registration.SEARCHING)), None, Reason.MODEM_SEARCHING),
        (mobile(replace(READY, registration=Registration.DENIED)), None, Reason.MODEM_DENIED),
        (mobile(replace(READY, registration=Registration.ROAMING)), None, Reason.MODEM_ROAMING),
        (mobile(), None, Reason.MODEM_STARTING),
        (mobile(failed=1), None, Reason.MODEM_NEEDS_APN),
        (mobile(failed=1), NETWORK, Reason.MODEM_REFUSED),
        (mobile(replace(READY, state=State.CONNECTING), failed=3, busy=True), NETWORK, Reason.MODEM_REFUSED),
        (mobile(replace(READY, state=State.DISABLED), failed=1), None, Reason.MODEM_FAILED),
        (mobile(CONNECTED), None, None),
        (mobile(replace(CONNECTED, bearer=Bearer(link="wwan0", way=Way.DHCP))), None, None),
        (mobile(replace(CONNECTED, bearer=Bearer(link="ttyUSB0", way=Way.PPP))), None, Reason.MODEM_UNSUPPORTED),
        (mobile(replace(CONNECTED, bearer=Bearer(link="wwan0", way=Way.STATIC))), None, Reason.MODEM_UNSUPPORTED),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(at: Mobile, network: MobileNetwork | None, expected: Reason | None) -> None:
    assert missing(at, network, waited=3.0) is expected


def test_hardware_that_nobody_understands_for_a_minute_cannot_be_used() -> None:
    assert missing(mobile(None), None, waited=121.0) is Reason.MODEM_UNSUPPORTED


def test_the_box_says_what_its_modem_lacks_where_it_has_no_other_line() -> None:
    alone = Facts(now=NOW, assigned=True, carrier=False, modem=Reason.MODEM_NO_SIM)
    assert judge(alone)[1] is Reason.MODEM_NO_SIM
    assert judge(replace(alone, modem=None))[1] is Reason.NO_UPLINK
    assert judge(replace(alone, carrier=True, address=False))[1] is Reason.NO_ADDRESS


# ------------------------------------------------------------------------------- what people write down


def test_a_network_is_kept_and_forgotten() -> None:
    config = with_network(SHELTER, "office.example", "town", "s3cret", "chap")
    assert config.mobile == NETWORK
    assert with_network(config, "", "x", "y", "z").mobile is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (("a b", "", "", ""), "apn-name"),
        (("-apn", "", "", ""), "apn-name"),
        (("x" * 101, "", "", ""), "apn-name"),
        (("接続", "", "", ""), "apn-name"),
        (("apn\n", "", "", ""), "apn-name"),
        (("apn", "us er", "", ""), "apn-key"),
        (("apn", "u", "p" * 65, ""), "apn-key"),
        (("apn", "u", "p\n", ""), "apn-key"),
        (("apn", "u", "p", "none"), "bad-request"),
    ],
)
def test_what_is_no_network_is_refused(values: tuple[str, str, str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        with_network(SHELTER, *values)
    assert refused.value.code == code


# ----------------------------------------------------------------------------------- its link is a line

MACHINE = Machine(uplinks=("eth0", "wwan0"), ports=("port1",))
WWAN0 = Link(
    namespace="", name="wwan0", up=False, carrier=True, bus="usb1/1-1/1-1:1.12", plugged=True, modem=True
)


def seen(modem: Modem | None, link: Link = WWAN0) -> Observed:
    brought = lease_of(modem, NOW) if modem else None
    return Observed(
        now=NOW,
        namespaces=frozenset({""}),
        links=(Link(namespace="", name="eth0"), link),
        mobile=mobile(modem),
        leases=(brought,) if brought else (),
    )


def test_a_modem_s_link_stays_down_until_its_modem_is_connected() -> None:
    waiting, dialled = seen(READY), seen(CONNECTED)
    up = SetLinkUp(namespace="", link="wwan0")
    for observed, expected in ((waiting, False), (dialled, True)):
        desired = desired_box(SHELTER, Phase.CONNECTING, Hardware(machine=MACHINE), observed)
        assert (up in plan(desired, observed)) is expected


def test_its_address_is_the_connection_s_and_no_dhcp_asks_on_it() -> None:
    observed = seen(CONNECTED, replace(WWAN0, up=True))
    (line,) = (x for x in uplinks_of(MACHINE, observed) if x.link == "wwan0")
    assert line.usable and line.kind == "lte" and not line.asks and line.lease is not None
    assert not programs(line) & {"dhcp-wwan0", "routers-wwan0"}


def test_nobody_asks_on_it_before_it_is_known_how_the_address_comes() -> None:
    """ModemManager sets the link up while it connects, a moment before it tells of the connection."""
    (line,) = (x for x in uplinks_of(MACHINE, seen(READY, replace(WWAN0, up=True))) if x.link == "wwan0")
    assert line.carrier and not programs(line) & {"dhcp-wwan0", "routers-wwan0"}


def test_one_that_wants_dhcp_gets_it() -> None:
    modem = replace(CONNECTED, bearer=Bearer(link="wwan0", way=Way.DHCP))
    (line,) = (x for x in uplinks_of(MACHINE, seen(modem, replace(WWAN0, up=True))) if x.link == "wwan0")
    assert line.asks and {"dhcp-wwan0", "routers-wwan0"} <= programs(line)


def programs(line: Uplink) -> set[str]:
    files = frozenset({FileContent(path="/run/noroshi/dnsmasq.conf", content="")})
    return {x.name for x in box_programs(MACHINE, (line,), files)}


def test_hq_s_order_of_kinds_counts_for_it_as_for_every_line() -> None:
    policy = Policy(in_need=(LineKind.LTE,))
    found = uplinks_of(MACHINE, seen(CONNECTED, replace(WWAN0, up=True)), policy=policy)
    assert [x.metered for x in found if x.kind == "lte"] == [True]
