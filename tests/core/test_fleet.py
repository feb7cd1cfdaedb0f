"""HQ's decisions: one ticket one box, addresses that never meet, versions that only grow."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core import fleet
from appliance.core.desired_hub import invitation_is_open
from appliance.core.fleet import Newcomer
from appliance.core.model import BoxState, HubConfig, MissionKind
from appliance.core.words import Refused
from tests.core.boxes import desired_hub
from tests.machines import (
    DAY,
    HQ,
    KUNREN,
    NOW,
    SOUMU,
    box_keys,
    enrolled,
    invite,
    key_pair,
    newcomer,
    private_key,
)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


# ------------------------------------------------------------------------------------------ joining


def test_a_ticket_makes_one_box() -> None:
    config, ticket = invite()
    config, box = fleet.enrol(config, newcomer(ticket), NOW)
    assert (box.name, box.tunnel_address, box.lan, box.version) == (
        "box-0001",
        "10.210.0.2",
        "10.211.0.0/26",
        1,
    )
    assert fleet.invitation_state(config.invitations[0], NOW) == "redeemed"


def test_the_same_box_with_the_same_keys_gets_the_same_answer_ever_again() -> None:
    config, box, ticket = enrolled()
    for now in (NOW, NOW + 30 * DAY):
        again, same = fleet.enrol(config, newcomer(ticket), now)
        assert (again, same) == (config, box)
    spent = fleet.spend_invitations(config, [box.tunnel_public])
    assert fleet.enrol(spent, newcomer(ticket), NOW) == (spent, box)


@pytest.mark.parametrize("change", [{"tunnel_public": key_pair(9)[1]}, {"report_public": key_pair(9)[1]}])
def test_another_box_with_the_same_ticket_is_refused(change: dict[str, str]) -> None:
    config, _, ticket = enrolled()
    other = replace(newcomer(ticket), **change)
    assert refused(lambda: fleet.enrol(config, other, NOW)) == "ticket-used"


def test_a_ticket_does_not_bring_a_revoked_box_back() -> None:
    config, box, ticket = enrolled()
    config = fleet.revoke(config, box.name)
    assert refused(lambda: fleet.enrol(config, newcomer(ticket), NOW)) == "ticket-used"


def test_one_box_s_keys_join_once() -> None:
    config, _, _ = enrolled()
    config, second = invite(config, 2)
    thief = replace(newcomer(second, 2), tunnel_public=box_keys(1).tunnel_public)
    assert refused(lambda: fleet.enrol(config, thief, NOW)) == "ticket-used"


def test_a_ticket_is_good_to_its_last_second() -> None:
    config, ticket = invite()
    assert fleet.enrol(config, newcomer(ticket), ticket.expires)[1].name == "box-0001"
    assert refused(lambda: fleet.enrol(config, newcomer(ticket), ticket.expires + 1)) == "ticket-expired"


def test_a_withdrawn_ticket_is_good_no_more_and_a_used_one_cannot_be_withdrawn() -> None:
    config, ticket = invite()
    withdrawn = fleet.withdraw_ticket(config, ticket.id)
    assert fleet.invitation_state(withdrawn.invitations[0], NOW) == "withdrawn"
    assert refused(lambda: fleet.enrol(withdrawn, newcomer(ticket), NOW)) == "ticket-expired"
    assert not invitation_is_open(withdrawn.invitations[0], NOW)
    used, _, _ = enrolled()
    assert refused(lambda: fleet.withdraw_ticket(used, ticket.id)) == "ticket-used"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticket": "f" * 16}, "ticket-unknown"),
        ({"address": "10.210.0.2"}, "ticket-unknown"),
        ({"tunnel_public": "short"}, "bad-value"),
        ({"report_public": "x" * 44}, "bad-value"),
        ({"serial": "a\nb"}, "bad-value"),
        ({"model": "x" * 65}, "bad-value"),
        ({"model": "\ud800"}, "bad-value"),
    ],
)
def test_a_stranger_is_refused(change: dict[str, str], code: str) -> None:
    config, ticket = invite()
    stranger: Newcomer = replace(newcomer(ticket), **change)
    assert refused(lambda: fleet.enrol(config, stranger, NOW)) == code


def test_the_first_handshake_under_the_box_s_own_key_spends_its_ticket_alone() -> None:
    config, box, ticket = enrolled()
    config, other = invite(config, 2)
    assert fleet.spend_invitations(config, ["somebody else"]) is config
    spent = fleet.spend_invitations(config, [box.tunnel_public])
    assert [x.spent for x in spent.invitations] == [True, False]
    tunnel = desired_hub(spent).tunnel
    assert tunnel is not None
    assert [x.allowed for x in tunnel.peers] == [
        (f"{other.invitation_address}/32",),
        (f"{box.tunnel_address}/32", box.lan),
    ]
    assert ticket.invitation_address not in str(tunnel.peers)


def test_the_box_s_own_peer_is_there_beside_the_invitation_s() -> None:
    """Add before delete: power may fail between the answer and the first handshake."""
    config, box, ticket = enrolled()
    tunnel = desired_hub(config).tunnel
    assert tunnel is not None
    assert [x.allowed[0] for x in tunnel.peers] == [
        f"{ticket.invitation_address}/32",
        f"{box.tunnel_address}/32",
    ]


# ----------------------------------------------------------------------------------------- addresses


def test_a_thousand_boxes_never_share_an_address_or_a_prefix() -> None:
    config = HQ
    keys = [private_key(20_000 + i).reveal() for i in range(1000)]  # any 32 octets will do here
    for i, key in enumerate(keys):
        config, ticket = invite(config, i + 1)
        who = Newcomer(
            ticket=ticket.id,
            tunnel_public=key,
            report_public=key,
            serial=f"s{i}",
            model="PC",
            address=ticket.invitation_address,
        )
        config, _ = fleet.enrol(config, who, NOW)
    lans = sorted(ipaddress.IPv4Network(x.lan) for x in config.boxes)
    whole = ipaddress.IPv4Network(HQ.lan_network)
    assert len(lans) == 1000 and all(x.subnet_of(whole) for x in lans)
    assert all(not a.overlaps(b) for a, b in itertools.pairwise(lans))
    inner = {x.tunnel_address for x in config.boxes} | {
        x.ticket.invitation_address for x in config.invitations
    }
    assert len(inner) == 2000 and fleet.hub_address(HQ) not in inner
    assert len({x.name for x in config.boxes}) == 1000


@pytest.mark.parametrize(
    ("networks", "most"),
    [
        ({"lan_network": "10.211.0.0/24"}, 4),
        ({"lan_network": "10.211.0.0/26"}, 1),
        ({"tunnel_network": "10.210.0.0/28"}, 6),
    ],
)
def test_a_full_fleet_says_so(networks: dict[str, str], most: int) -> None:
    config = replace(HQ, **networks)  # type: ignore[arg-type]
    joined = 0
    for i in range(1, 20):
        try:
            config, ticket = invite(config, i)
            config, box = fleet.enrol(config, newcomer(ticket, i), NOW)
        except Refused as error:
            assert error.code == "fleet-full"
            break
        joined += 1
        assert ipaddress.IPv4Address(box.tunnel_address) in ipaddress.IPv4Network(config.tunnel_network)
        assert box.tunnel_address not in {x.ticket.invitation_address for x in config.invitations}
    assert joined == most


def test_invitations_beyond_the_upper_half_are_refused() -> None:
    config = replace(HQ, tunnel_network="10.210.0.0/29")
    for i in range(1, 4):
        config, _ = invite(config, i)
    assert refused(lambda: invite(config, 9)) == "fleet-full"


# ------------------------------------------------------------------------------- missions, revoking


def test_a_ticket_s_mission_begins_when_the_box_joins() -> None:
    config, ticket = invite(mission=(MissionKind.DISASTER, 3))
    _, box = fleet.enrol(config, newcomer(ticket), NOW + 2 * DAY)
    assert box.mission is not None
    assert (box.mission.start, box.mission.end) == (NOW + 2 * DAY, NOW + 5 * DAY)


def test_a_mission_opens_at_its_start_and_closes_at_its_end() -> None:
    config, box, _ = enrolled()
    assert fleet.openings(config, NOW) == ()
    config = fleet.start_mission(config, box.name, MissionKind.DISASTER, "三和体育館", 2.0, NOW)
    assert fleet.openings(config, NOW - 1) == () == fleet.openings(config, NOW + 7200)
    (opening,) = fleet.openings(config, NOW + 7199)
    assert opening.sources == (box.lan, box.tunnel_address)
    assert {x.host for x in opening.pinholes} == {"10.10.0.20"}
    assert config.boxes[0].site == "三和体育館"


def test_ending_a_mission_closes_at_once_and_ending_it_again_changes_nothing() -> None:
    config, box, _ = enrolled(mission=(MissionKind.DISASTER, 3))
    ended = fleet.end_mission(config, box.name, NOW + 5)
    assert fleet.openings(ended, NOW + 5) == ()
    assert fleet.end_mission(ended, box.name, NOW + 9) is ended


def test_a_drill_and_a_disaster_at_the_same_time_open_their_own_desktops_for_their_own_boxes() -> None:
    config = fleet.set_desktops(HQ, (SOUMU, KUNREN))
    config, first, _ = enrolled(config, 1, (MissionKind.DISASTER, 3))
    config, second, _ = enrolled(config, 2, (MissionKind.DRILL, 3))
    told = {x.sources[0]: {y.host for y in x.pinholes} for x in fleet.openings(config, NOW)}
    assert told == {first.lan: {"10.10.0.20"}, second.lan: {"10.10.0.30"}}


def test_revoking_takes_prefix_desktops_and_mission_at_once() -> None:
    config, box, _ = enrolled(mission=(MissionKind.DISASTER, 3))
    config = fleet.revoke(config, box.name)
    assert fleet.openings(config, NOW) == ()
    tunnel = desired_hub(config).tunnel
    assert tunnel is not None and tunnel.peers[-1].allowed == (f"{box.tunnel_address}/32",)
    told = fleet.assignment_of(config, fleet.find_box(config, box.name), NOW, (("soumu", "file"),))
    assert told.revoked and told.desktops == () and told.rdp_files == () and told.mission is None
    assert refused(lambda: fleet.start_mission(config, box.name, MissionKind.HOME, "x", 1, NOW)) == "revoked"


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_mission_has_an_end(hours: float) -> None:
    config, box, _ = enrolled()
    code = refused(lambda: fleet.start_mission(config, box.name, MissionKind.HOME, "x", hours, NOW))
    assert code == "bad-value"


@pytest.mark.parametrize(
    ("site", "days"), [("", 7), ("a\nb", 7), ("\ud800", 7), ("x" * 61, 7), ("柿崎", 0), ("柿崎", 367)]
)
def test_a_ticket_has_a_site_and_an_end(site: str, days: int) -> None:
    new = fleet.NewTicket(id="0" * 16, invitation_private=private_key(1))
    assert refused(lambda: fleet.issue_ticket(HQ, site, days, "x", None, new, NOW)) == "bad-value"


@pytest.mark.parametrize("days", [0, 367])
def test_a_ticket_s_mission_has_an_end(days: int) -> None:
    assert refused(lambda: invite(mission=(MissionKind.HOME, days))) == "bad-value"


def test_what_is_not_there_is_named() -> None:
    assert refused(lambda: fleet.find_box(HQ, "box-9999")) == "unknown-box"
    assert refused(lambda: fleet.box_at(HQ, "10.210.0.9")) == "unknown-box"
    assert refused(lambda: fleet.find_invitation(HQ, "x")) == "unknown-ticket"
    assert refused(lambda: fleet.remove_desktop(HQ, "x")) == "unknown-desktop"


def test_old_stories_leave_the_list_and_boxes_that_are_joining_stay() -> None:
    config, box, _ = enrolled()
    config, _ = invite(config, 2)
    later, _ = invite(config, 3, now=NOW + 200 * DAY)
    assert [x.ticket.id for x in later.invitations] == [f"{1:016x}", f"{3:016x}"]
    spent = fleet.spend_invitations(config, [box.tunnel_public])
    assert len(fleet.forget_old_invitations(spent, NOW + 200 * DAY).invitations) == 0


# ------------------------------------------------------------------------------------------ versions

ACTS: list[Callable[[HubConfig, str, float], HubConfig]] = [
    lambda c, b, n: fleet.start_mission(c, b, MissionKind.DISASTER, "柿崎", 5, n),
    lambda c, b, n: fleet.end_mission(c, b, n),
    lambda c, b, n: fleet.revoke(c, b),
    lambda c, b, n: fleet.set_desktops(c, (SOUMU,)),
    lambda c, b, n: fleet.set_desktops(c, (SOUMU, KUNREN)),
    lambda c, b, n: fleet.remove_desktop(c, "soumu"),
    lambda c, b, n: fleet.spend_invitations(c, [x.tunnel_public for x in c.boxes]),
    lambda c, b, n: fleet.withdraw_ticket(c, f"{2:016x}"),
    lambda c, b, n: invite(c, len(c.invitations) + 10, now=n)[0],
]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, len(ACTS) - 1), st.sampled_from(["box-0001", "box-0002"])), max_size=12)
)
def test_versions_only_grow_and_every_change_a_box_should_hear_of_has_a_new_one(
    acts: list[tuple[int, str]],
) -> None:
    config = enrolled(enrolled()[0], 3)[0]
    config, _ = invite(config, 2)
    for step, (act, box) in enumerate(acts):
        before, now = config, NOW + step
        try:
            config = ACTS[act](config, box, now)
        except Refused:
            continue
        for old, new in zip(before.boxes, config.boxes, strict=True):
            assert new.version >= old.version
            told = [
                replace(fleet.assignment_of(c, x, 0.0), version=0) for c, x in ((before, old), (config, new))
            ]
            assert told[0] == told[1] or new.version > old.version
            assert old.state is BoxState.ACTIVE or new.state is BoxState.REVOKED


# ------------------------------------------------------------------------------------------ sockets


def test_declared_sockets_are_in_the_boxs_next_paper_and_a_repeat_changes_nothing() -> None:
    config, box, _ = enrolled()
    assert fleet.assignment_of(config, box, NOW).blue == ()
    declared = fleet.declare_blue(config, box.name, (3, 1))
    record = declared.boxes[0]
    assert (record.blue, record.version) == ((1, 3), box.version + 1)
    assert fleet.assignment_of(declared, record, NOW).blue == (1, 3)
    assert fleet.declare_blue(declared, box.name, (1, 3)) is declared


@pytest.mark.parametrize("blue", [(), (0,), (-1,), (17,), (1, 1), tuple(range(1, 18))])
def test_no_blue_socket_at_all_and_numbers_of_no_socket_are_refused(blue: tuple[int, ...]) -> None:
    config, box, _ = enrolled()
    assert refused(lambda: fleet.declare_blue(config, box.name, blue)) == "bad-sockets"


def test_a_withdrawn_or_unknown_box_has_no_sockets_to_declare() -> None:
    config, box, _ = enrolled()
    assert refused(lambda: fleet.declare_blue(config, "box-0999", (1,))) == "unknown-box"
    gone = fleet.revoke(config, box.name)
    assert refused(lambda: fleet.declare_blue(gone, box.name, (1,))) == "revoked"
