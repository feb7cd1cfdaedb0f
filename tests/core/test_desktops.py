"""From profile to desktop, what is refused on the way, and what may be opened."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.desktop_profiles import (
    FAULTS,
    BadDesktop,
    Fault,
    GreetingKind,
    NeedsNames,
    Profile,
    load_profiles,
)
from appliance.core.desktops import (
    ENDPOINTS_MOST,
    Pinhole,
    WhyRefused,
    add_desktop,
    check_desktop,
    desktop_from_profile,
    greetings,
    hosts_from_text,
    judge_answers,
    must_stay_closed,
    pinholes,
    refusals,
)
from appliance.core.machine import Answer
from appliance.core.model import Desktop, DesktopKind, Endpoint, MissionKind, NetworkClass, Part, Protocol
from appliance.core.words import REFUSALS

TEXT = resources.files("appliance.core").joinpath("desktop_profiles.toml").read_text("utf-8")
PROFILES = load_profiles(TEXT)
NETWORK = "10.10.0.0/24"
TCP, UDP = Protocol.TCP, Protocol.UDP


def desktop(profile: str = "rdp", *hosts: str, **changes: object) -> Desktop:
    named: dict[str, object] = {
        "name": "soumu",
        "title": "総務課のデスクトップ",
        "kind": DesktopKind.SHARED_HOST,
        "network": NetworkClass.LGWAN,
        "hosts": hosts_from_text(PROFILES[profile], hosts or ("10.10.0.20",)),
        "desktops_network": NETWORK,
    }
    return desktop_from_profile(PROFILES[profile], **(named | changes))  # type: ignore[arg-type]


def opened(profile: Profile) -> set[str]:
    return {
        f"{p.protocol} {p.first}{'' if p.first == p.last else f'-{p.last}'}"
        for x in profile.endpoints
        if not x.optional
        for p in x.open
    }


# ------------------------------------------------------------------------------------------ the table

TABLE = {
    "rdp": ({"tcp 3389", "udp 3389"}, {445, 139, 9100}, NeedsNames.NO),
    "rd-gateway": ({"tcp 443", "udp 3391"}, {3389}, NeedsNames.YES),
    "parallels-ras-gateway": ({"tcp 443", "udp 443"}, {20009, 20000, 3389}, NeedsNames.YES),
    "parallels-ras-direct": ({"tcp 443", "udp 443", "tcp 3389", "udp 3389"}, {20009}, NeedsNames.ASK),
    "skydiv": ({"tcp 3389", "udp 3389"}, {445, 139}, NeedsNames.ASK),
    "horizon": ({"tcp 443", "tcp 8443", "tcp 4172", "udp 4172"}, {9427, 32111}, NeedsNames.YES),
    "citrix": ({"tcp 443", "udp 443"}, {1494, 2598, 16500, 16505, 16509}, NeedsNames.YES),
    "splashtop": ({"tcp 443"}, {6783, 6784, 6785}, NeedsNames.NO),
    "vnc": ({"tcp 5900"}, {445}, NeedsNames.NO),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_product_opens_and_closes_what_its_maker_says(name: str) -> None:
    opens, closes, names = TABLE[name]
    profile = PROFILES[name]
    assert opened(profile) == opens
    assert profile.needs_names is names
    for port in closes:
        assert any(x.holds(TCP, port) for x in profile.closed)


def test_the_table_has_no_product_that_this_test_does_not_know() -> None:
    assert set(PROFILES) == set(TABLE)


def test_no_profile_may_open_file_sharing_printing_or_names() -> None:
    for profile in PROFILES.values():
        for protocol, port in ((TCP, 445), (TCP, 139), (TCP, 9100), (TCP, 631), (UDP, 53), (TCP, 53)):
            assert any(x.holds(protocol, port) for x in profile.closed), (profile.name, port)


MINIMAL = """
never = ["tcp 445"]
[profile.x]
title = "X"
hosts = ["host"]
needs_names = "no"
rdp_file = false
closed = ["tcp 9100"]
[[profile.x.endpoint]]
host = "host"
open = ["tcp 443"]
part = "screen"
reason = "画面転送"
"""


def test_a_minimal_profile_is_read() -> None:
    assert load_profiles(MINIMAL)["x"].endpoints[0].part is Part.SCREEN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("closed =", "clsoed ="),
        ("never =", "nver ="),
        ('open = ["tcp 443"]', 'open = ["tcp 445"]'),
        ('open = ["tcp 443"]', 'open = ["tcp 9090-9110"]'),
        ('open = ["tcp 443"]', 'open = ["icmp 443"]'),
        ('open = ["tcp 443"]', 'open = ["tcp 0"]'),
        ('open = ["tcp 443"]', 'open = ["tcp 65536"]'),
        ('open = ["tcp 443"]', 'open = ["tcp 9-2"]'),
        ('open = ["tcp 443"]', "open = [443]"),
        ('part = "screen"', 'part = "control"'),
        ('part = "screen"', 'part = "picture"'),
        ('host = "host"', 'host = "gateway"'),
        ("rdp_file = false", 'rdp_file = "false"'),
        ('needs_names = "no"', 'needs_names = "maybe"'),
        ('title = "X"', 'title = ""'),
        ('title = "X"', "title = 1"),
        ('reason = "画面転送"', 'reason = " "'),
        ("[profile.x]", "[profile.X_1]"),
        ("[profile.x]", "profile = 3"),
        ("]", ""),
    ],
)
def test_a_profile_that_cannot_be_read_whole_is_refused_whole(old: str, new: str) -> None:
    assert old in MINIMAL
    with pytest.raises(BadDesktop) as caught:
        load_profiles(MINIMAL.replace(old, new, 1))
    assert caught.value.fault is Fault.PROFILES_DAMAGED


@given(st.text(max_size=300) | st.integers(0, len(TEXT)).map(lambda at: TEXT[:at]))
def test_any_text_is_either_profiles_or_one_plain_refusal(text: str) -> None:
    try:
        load_profiles(text)
    except BadDesktop as error:
        assert error.fault is Fault.PROFILES_DAMAGED


def test_nesting_too_deep_to_read_is_refused_like_any_other_damage() -> None:
    with pytest.raises(BadDesktop):
        load_profiles("never = " + "[" * 100_000)


# ---------------------------------------------------------------------------------------- making one


def test_a_desktop_gets_the_endpoints_of_its_profile() -> None:
    made = desktop("rdp", "10.10.0.20", certificate="AB:" * 31 + "ab")
    assert made.certificate == "ab" * 32
    assert [(x.host, x.protocol, x.port, x.part) for x in made.endpoints] == [
        ("10.10.0.20", TCP, 3389, Part.SCREEN),
        ("10.10.0.20", UDP, 3389, Part.SCREEN),
    ]
    assert all(x.reason for x in made.endpoints)


def test_a_pool_gets_every_endpoint_on_every_host_once() -> None:
    made = desktop("rdp", "10.10.0.20", "10.10.0.21", "10.10.0.20")
    assert len(made.endpoints) == 4


def test_roles_get_their_own_endpoints() -> None:
    made = desktop("parallels-ras-direct", "gateway=10.10.0.5", "host=10.10.0.20", "host=10.10.0.21")
    assert pinholes([made]) == (
        Pinhole("10.10.0.20", TCP, 3389),
        Pinhole("10.10.0.20", UDP, 3389),
        Pinhole("10.10.0.21", TCP, 3389),
        Pinhole("10.10.0.21", UDP, 3389),
        Pinhole("10.10.0.5", TCP, 443),
        Pinhole("10.10.0.5", UDP, 443),
    )
    assert {x.part for x in made.endpoints if x.host == "10.10.0.5" and x.protocol is TCP} == {Part.CONTROL}


def test_optional_endpoints_open_only_when_asked_for() -> None:
    assert Pinhole("10.10.0.20", TCP, 80) not in pinholes([desktop("parallels-ras-gateway")])
    assert Pinhole("10.10.0.20", TCP, 80) in pinholes([desktop("parallels-ras-gateway", optional=True)])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "Soumu"}, Fault.NAME),
        ({"name": ""}, Fault.NAME),
        ({"name": "x" * 33}, Fault.NAME),
        ({"name": "a\n"}, Fault.NAME),
        ({"name": "総務"}, Fault.NAME),
        ({"title": ""}, Fault.TITLE),
        ({"title": "   "}, Fault.TITLE),
        ({"title": "x" * 61}, Fault.TITLE),
        ({"title": "a\x00b"}, Fault.TITLE),
        ({"title": "a\r\nredirectdrives:i:1"}, Fault.TITLE),
        ({"title": "a\u202eb"}, Fault.TITLE),
        ({"title": "a\u200bb"}, Fault.TITLE),
        ({"title": "a\ud800"}, Fault.TITLE),
        ({"certificate": "ab"}, Fault.CERTIFICATE),
        ({"certificate": "g" * 64}, Fault.CERTIFICATE),
        ({"hosts": {}}, Fault.ROLE_MISSING),
        ({"hosts": {"host": []}}, Fault.ROLE_MISSING),
        ({"hosts": {"host": ["10.10.0.20"], "gateway": ["10.10.0.5"]}}, Fault.ROLE_UNKNOWN),
        ({"hosts": {"host": ["desk.example"]}}, Fault.HOST),
        ({"hosts": {"host": ["10.10.0.020"]}}, Fault.HOST),
        ({"hosts": {"host": ["10.10.0.20\n"]}}, Fault.HOST),
        ({"hosts": {"host": ["fd00::1"]}}, Fault.HOST),
        ({"hosts": {"host": ["10.10.1.20"]}}, Fault.HOST_ELSEWHERE),
        ({"hosts": {"host": ["10.10.0.0"]}}, Fault.HOST_ELSEWHERE),
        ({"hosts": {"host": ["10.10.0.255"]}}, Fault.HOST_ELSEWHERE),
        ({"hosts": {"host": ["127.0.0.1"]}}, Fault.HOST_ELSEWHERE),
        ({"hosts": {"host": [f"10.10.0.{x}" for x in range(1, 40)]}}, Fault.ENDPOINTS),
    ],
)
def test_a_value_outside_its_grammar_never_becomes_a_desktop(
    changes: dict[str, object], fault: Fault
) -> None:
    with pytest.raises(BadDesktop) as caught:
        desktop("rdp", **changes)
    assert caught.value.fault is fault
    assert caught.value.code in REFUSALS


def test_a_single_host_network_has_its_one_host() -> None:
    assert desktop("rdp", "10.9.9.9", desktops_network="10.9.9.9/32").endpoints[0].host == "10.9.9.9"


def test_a_pin_is_refused_where_nothing_would_be_compared_with_it() -> None:
    with pytest.raises(BadDesktop) as caught:
        desktop("vnc", certificate="ab" * 32)
    assert caught.value.fault is Fault.CERTIFICATE


@pytest.mark.parametrize("port", [445, 139, 9100, 53])
def test_an_edited_desktop_cannot_open_a_closed_port(port: int) -> None:
    made = desktop()
    more = Endpoint(host="10.10.0.20", protocol=TCP, port=port, part=Part.CONTROL, reason="x")
    with pytest.raises(BadDesktop) as caught:
        check_desktop(replace(made, endpoints=(*made.endpoints, more)), PROFILES["rdp"], NETWORK)
    assert caught.value.fault is Fault.PORT_CLOSED


def test_an_edited_desktop_may_open_what_the_vendor_named() -> None:
    made = desktop("skydiv")
    more = Endpoint(host="10.10.0.9", protocol=TCP, port=8888, part=Part.CONTROL, reason="センターサーバー")
    edited = replace(made, endpoints=(*made.endpoints, more))
    assert check_desktop(edited, PROFILES["skydiv"], NETWORK) == edited


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_edited_desktop_needs_a_real_port(port: int) -> None:
    made = desktop()
    wrong = tuple(replace(x, port=port) for x in made.endpoints)
    with pytest.raises(BadDesktop) as caught:
        check_desktop(replace(made, endpoints=wrong), PROFILES["rdp"], NETWORK)
    assert caught.value.fault is Fault.PORT


def test_a_desktop_without_a_screen_is_no_desktop() -> None:
    made = desktop()
    with pytest.raises(BadDesktop):
        check_desktop(replace(made, endpoints=()), PROFILES["rdp"], NETWORK)


def test_a_name_is_there_once() -> None:
    with pytest.raises(BadDesktop) as caught:
        add_desktop([desktop()], desktop("vnc"))
    assert caught.value.code == "name-taken"
    assert len(add_desktop([desktop()], desktop("vnc", name="other"))) == 2


def test_every_fault_has_a_sentence_in_both_languages() -> None:
    assert set(FAULTS) == set(Fault)
    for sentence in FAULTS.values():
        assert sentence.what_ja and sentence.do_ja and sentence.what_en and sentence.do_en
    numbers = [x.number for x in FAULTS.values()]
    assert len(set(numbers)) == len(numbers)
    taken = {x.number for code, x in REFUSALS.items() if code != "name-taken"}
    assert not taken & set(numbers)


# --------------------------------------------------------------------------------- what may be opened

LGWAN = desktop(name="lgwan")
MYNUMBER = desktop(name="mynumber", network=NetworkClass.MYNUMBER)
DRILL = desktop(name="drill", drill=True)


@pytest.mark.parametrize(
    ("radio_on", "mission", "refused"),
    [
        (False, None, {}),
        (True, None, {"mynumber": WhyRefused.RADIO}),
        (False, MissionKind.DISASTER, {"drill": WhyRefused.DRILL_CLOSED}),
        (True, MissionKind.DISASTER, {"mynumber": WhyRefused.RADIO, "drill": WhyRefused.DRILL_CLOSED}),
        (False, MissionKind.DRILL, {"lgwan": WhyRefused.DRILL_ONLY, "mynumber": WhyRefused.DRILL_ONLY}),
        (True, MissionKind.DRILL, {"lgwan": WhyRefused.DRILL_ONLY, "mynumber": WhyRefused.RADIO}),
    ],
)
def test_which_desktops_may_open(
    radio_on: bool, mission: MissionKind | None, refused: dict[str, WhyRefused]
) -> None:
    allowed, others = refusals((LGWAN, MYNUMBER, DRILL), radio_on, mission)
    assert {x.desktop.name: x.why for x in others} == refused
    assert {x.name for x in allowed} | set(refused) == {"lgwan", "mynumber", "drill"}
    assert not {x.name for x in allowed} & set(refused)


def test_every_refusal_has_a_sentence() -> None:
    assert all(why in REFUSALS for why in WhyRefused)


@given(st.permutations([LGWAN, MYNUMBER, DRILL, desktop("vnc", "10.10.0.7", name="vnc")]))
def test_pinholes_do_not_depend_on_the_order_of_desktops(order: list[Desktop]) -> None:
    assert pinholes(order) == (
        Pinhole("10.10.0.20", TCP, 3389),
        Pinhole("10.10.0.20", UDP, 3389),
        Pinhole("10.10.0.7", TCP, 5900),
    )


def test_what_must_stay_closed_leaves_out_what_another_desktop_opens_on_the_same_host() -> None:
    gateway = desktop("rd-gateway", "10.10.0.20", name="gateway")
    assert Pinhole("10.10.0.20", TCP, 3389) in must_stay_closed([gateway], PROFILES)
    both = must_stay_closed([gateway, LGWAN], PROFILES)
    assert Pinhole("10.10.0.20", TCP, 3389) not in both
    assert Pinhole("10.10.0.20", TCP, 445) in both
    assert not set(both) & set(pinholes([gateway, LGWAN]))


# -------------------------------------------------------------------------------------------- greetings


def test_only_screen_endpoints_over_tcp_are_greeted() -> None:
    made = desktop("horizon", certificate="ab" * 32)
    assert [(x.endpoint.port, x.greeting) for x in greetings(made, PROFILES)] == [(8443, GreetingKind.TLS)]
    assert [x.certificate for x in greetings(made, PROFILES)] == ["ab" * 32]


def test_a_profile_only_hq_knows_is_greeted_by_its_well_known_ports() -> None:
    made = replace(desktop(), profile="made-at-hq")
    assert [x.greeting for x in greetings(made, PROFILES)] == [GreetingKind.RDP]


def test_a_desktop_on_another_port_is_greeted_as_its_product_greets() -> None:
    made = desktop()
    moved = replace(made, endpoints=tuple(replace(x, port=13389) for x in made.endpoints))
    assert [(x.endpoint.port, x.greeting) for x in greetings(moved, PROFILES)] == [(13389, GreetingKind.RDP)]
    assert greetings(replace(moved, profile="made-at-hq"), PROFILES) == ()


def test_every_packaged_profile_can_be_greeted() -> None:
    for name, profile in PROFILES.items():
        made = desktop(name, *(f"{role}=10.10.0.20" for role in profile.hosts))
        assert greetings(made, PROFILES), name


@pytest.mark.parametrize(
    ("answers", "judged"),
    [
        ([], Answer.SILENT),
        ([Answer.SILENT, Answer.ANSWERS], Answer.ANSWERS),
        ([Answer.SILENT, Answer.REFUSED], Answer.REFUSED),
        ([Answer.REFUSED, Answer.PROHIBITED], Answer.PROHIBITED),
        ([Answer.ANSWERS, Answer.WRONG_CERTIFICATE], Answer.WRONG_CERTIFICATE),
    ],
)
def test_a_pool_answers_when_one_host_does_unless_somebody_stands_in_between(
    answers: list[Answer], judged: Answer
) -> None:
    assert judge_answers(answers) is judged


def test_the_most_endpoints_hold_a_pool_of_thirty() -> None:
    assert len(desktop("rdp", *(f"10.10.0.{x}" for x in range(1, 31))).endpoints) <= ENDPOINTS_MOST
