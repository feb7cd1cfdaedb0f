"""Phase → ruleset: closed phases forward nothing, open ones named endpoints only, and nft takes every text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core import firewall, hub_firewall
from appliance.core.desktops import pinholes
from appliance.core.firewall import FieldRules, Seat
from appliance.core.model import OPEN_PHASES, MissionKind, Phase, Protocol
from tests import machines
from tests.core.boxes import CONFIGS, MACHINES, box_in, desired_box, desired_hub, start
from tests.machines import KUNREN, NOW, SOUMU, ZEIMU

OPEN = sorted(OPEN_PHASES)
CLOSED = sorted(set(Phase) - OPEN_PHASES)
SEAT = Seat(mac="02:00:00:00:00:01", address="10.211.0.2", pinholes=pinholes((SOUMU, ZEIMU)))
OTHER = Seat(mac="02:00:00:00:00:03", address="10.211.0.4", pinholes=pinholes((ZEIMU,)))
RULES = FieldRules(
    phase=Phase.PROTECTED,
    box_addresses=("10.86.86.1", "10.211.0.1"),
    lan_network="10.211.0.0/26",
    hub_address="10.210.0.1",
    pinholes=pinholes((SOUMU, ZEIMU)),
    seats=(SEAT,),
    dns=("10.10.0.53",),
    courier_uid=64302,
)


def pairs(rule: str) -> set[str]:
    """What a rule's set of pairs holds."""
    found = re.search(r"\{ (.*) \} accept$", rule)
    return set(found[1].split(", ")) if found else set()


def chain(ruleset: str, name: str) -> list[str]:
    body = re.search(rf"  chain {name} {{\n(.*?)\n  }}", ruleset, re.S)
    assert body
    return [x.strip() for x in body[1].splitlines()]


def accepts(ruleset: str, name: str) -> list[str]:
    return [x for x in chain(ruleset, name) if x.endswith("accept")]


# ------------------------------------------------------------------------------- what passes when


@pytest.mark.parametrize("phase", CLOSED)
def test_a_closed_phase_forwards_nothing(phase: Phase) -> None:
    assert accepts(firewall.field(replace(RULES, phase=phase)), "forward") == []


@pytest.mark.parametrize("phase", CLOSED)
def test_in_a_closed_phase_the_box_itself_asks_the_hub_and_nobody_else(phase: Phase) -> None:
    rules = [x for x in accepts(firewall.field(replace(RULES, phase=phase)), "output") if "wg0" in x]
    assert rules and all("ip daddr 10.210.0.1 " in x for x in rules)


@pytest.mark.parametrize("phase", OPEN)
def test_an_open_phase_forwards_pinholes_and_their_answers_only(phase: Phase) -> None:
    """The guard of the closed ones: here it does pass."""
    rules = accepts(firewall.field(replace(RULES, phase=phase)), "forward")
    there, back, errors = sorted(rules)[0], *sorted(rules)[1:]
    assert there.startswith(
        'iifname "lan0" oifname "wg0" ether saddr . ip saddr . ip daddr . meta l4proto . th dport {'
    )
    assert pairs(there) == {
        f"02:00:00:00:00:01 . 10.211.0.2 . 10.10.0.{host} . {protocol} . 3389"
        for host in (20, 21)
        for protocol in ("tcp", "udp")
    }
    assert back.startswith(
        'iifname "wg0" oifname "lan0" ct state established ip saddr . meta l4proto . th sport . ip'
    )
    assert pairs(back) == {
        f"10.10.0.{host} . {protocol} . 3389 . 10.211.0.2" for host in (20, 21) for protocol in ("tcp", "udp")
    }
    assert errors == 'iifname "wg0" oifname "lan0" ct state related accept'


def test_each_seat_reaches_its_own_desktops_and_without_a_seat_nothing_passes() -> None:
    rules = accepts(firewall.field(replace(RULES, seats=(SEAT, OTHER))), "forward")
    (there,) = (x for x in rules if x.startswith('iifname "lan0"'))
    assert {x for x in pairs(there) if "02:00:00:00:00:03" in x} == {
        f"02:00:00:00:00:03 . 10.211.0.4 . 10.10.0.21 . {x} . 3389" for x in ("tcp", "udp")
    }
    assert len(pairs(there)) == 6
    nobody = accepts(firewall.field(replace(RULES, seats=())), "forward")
    assert not [x for x in nobody if "dport" in x or "sport" in x]


def test_in_an_emergency_the_whole_lan_reaches_what_is_open_and_no_more() -> None:
    for phase in OPEN:
        rules = accepts(firewall.field(replace(RULES, phase=phase, seats=(), any_laptop=True)), "forward")
        (there,) = (x for x in rules if x.startswith('iifname "lan0"'))
        assert (
            " ip saddr 10.211.0.0/26 ip daddr . meta l4proto . th dport {" in there and "ether" not in there
        )
        assert len(pairs(there)) == 4
    for phase in CLOSED:
        assert accepts(firewall.field(replace(RULES, phase=phase, any_laptop=True)), "forward") == []


@given(
    st.text(max_size=40) | st.sampled_from(["02:00:00:00:00:01 . 10.0.0.1 } accept;", "02-00-00-00-00-01"])
)
def test_a_hardware_address_is_one_or_there_is_no_ruleset(mac: str) -> None:
    with pytest.raises(ValueError):
        firewall.field(replace(RULES, seats=(replace(SEAT, mac=mac),)))


@pytest.mark.parametrize("missing", [{"pinholes": (), "seats": ()}, {"lan_network": ""}])
def test_an_open_phase_without_a_desktop_or_without_a_prefix_forwards_nothing(
    missing: dict[str, object],
) -> None:
    rules = replace(RULES, **missing)  # type: ignore[arg-type]
    assert accepts(firewall.field(rules), "forward") == []


@pytest.mark.parametrize("phase", CLOSED)
def test_an_established_session_is_dropped_in_silence_while_closed(phase: Phase) -> None:
    rules = chain(firewall.field(replace(RULES, phase=phase)), "forward")
    silent, told = rules.index("ct state established drop"), [i for i, x in enumerate(rules) if "reject" in x]
    assert all(silent < x for x in told)


ALL = [
    firewall.boot(),
    *(firewall.field(replace(RULES, phase=x)) for x in Phase),
    firewall.field(FieldRules(phase=Phase.SETUP)),
    firewall.outside(("eth0", "usb0"), [("203.0.113.10", 51820), ("203.0.113.10", 443), ("2001:db8::1", 1)]),
    firewall.outside((), []),
    firewall.outside(("eth0",), []),
]


@pytest.mark.parametrize("ruleset", ALL)
def test_every_base_chain_of_a_box_drops_what_no_rule_names(ruleset: str) -> None:
    for hook in ("input", "forward", "output"):
        assert re.search(rf"type filter hook {hook} priority (0|raw); policy drop;", ruleset)


@pytest.mark.parametrize("ruleset", [*ALL[:1], *ALL[-3:]])
def test_the_box_s_own_namespace_never_forwards(ruleset: str) -> None:
    assert [x for x in chain(ruleset, "forward") if not x.startswith("type")] == []


def test_towards_the_lines_only_dhcp_and_the_tunnel_s_marked_packets_leave() -> None:
    rules = accepts(ALL[-3], "output")
    assert rules[2:5] == [
        'oifname "lo" accept',
        "udp sport 68 udp dport 67 accept",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    ]
    for x in rules[:2]:
        assert (
            x.startswith("meta mark 0x4e52 ip") and " udp dport " in x and 'oifname { "eth0", "usb0" }' in x
        )
    assert rules[5] == 'oifname { "eth0", "usb0" } icmpv6 type nd-router-solicit accept'
    assert rules[6:] == [x.replace("0x4e52", mark) for mark in ("0x4e54", "0x4e53") for x in rules[:2]]


def test_routers_are_heard_from_the_very_link_only_and_on_uplinks_only() -> None:
    heard = [x for x in accepts(firewall.outside(("eth0",), ()), "input") if "router" in x]
    assert heard == [
        'iifname "eth0" icmpv6 type nd-router-advert ip6 hoplimit 255 ip6 saddr fe80::/10 '
        "limit rate 10/second accept"
    ]
    assert not [x for x in accepts(firewall.outside((), ()), "input") if "router" in x]


def test_a_lines_name_server_is_asked_by_mark_and_nobody_else_is() -> None:
    rules = accepts(firewall.outside(("eth0",), (), None, [("eth0", "2001:db8::53")]), "output")
    lookup = 'meta mark 0x4e55 oifname "eth0" ip6 daddr 2001:db8::53 udp dport 53 accept'
    assert [x for x in rules if "dport 53" in x] == [lookup]


@pytest.mark.parametrize("phase", Phase)
def test_a_probe_for_the_tunnel_s_address_from_the_lan_stays_unanswered(phase: Phase) -> None:
    rules = chain(firewall.field(replace(RULES, phase=phase)), "input")
    guard = 'iifname "lan0" ip daddr != { 10.86.86.1, 10.211.0.1, 255.255.255.255 } drop'
    later = [
        i for i, x in enumerate(rules) if x.endswith("accept") and "sport 68" not in x and '"lo"' not in x
    ]
    assert rules.index(guard) < min(later)


def test_only_the_courier_posts_and_only_root_greets_desktops() -> None:
    rules = accepts(firewall.field(RULES), "output")
    assert all("skuid 64302" in x for x in rules if "dport 8470" in x)
    assert all("skuid 0" in x for x in rules if "10.10.0.2" in x)


# ------------------------------------------------------------------------------------------ the hub


def hub_ruleset(now: float = NOW) -> str:
    config, _, _ = machines.enrolled(mission=(machines.RUNNING.kind, 3))
    return desired_hub(config, now).firewalls[0].ruleset


def test_the_hub_forwards_nothing_without_a_running_mission() -> None:
    assert accepts(desired_hub(machines.enrolled()[0]).firewalls[0].ruleset, "forward") == []
    assert accepts(hub_ruleset(NOW + 4 * 86400), "forward") == []


def test_the_hub_lets_a_box_with_a_mission_reach_named_desktops_and_no_other_box() -> None:
    rules = accepts(hub_ruleset(), "forward")
    there, back, errors = sorted(rules)[0], *sorted(rules)[1:]
    holes = "{ 10.10.0.20 . tcp . 3389, 10.10.0.20 . udp . 3389 }"
    assert there == (
        f'iifname "wg0" oifname != "wg0" ip daddr . meta l4proto . th dport {holes} '
        "ip saddr { 10.210.0.2, 10.211.0.0/26 } accept"
    )
    assert back == (
        f'oifname "wg0" iifname != "wg0" ct state established ip saddr . meta l4proto . th sport {holes} accept'
    )
    assert errors == 'oifname "wg0" iifname != "wg0" ct state related accept'


# ----------------------------------------------------------------------------- nft takes every text


def nft_accepts(ruleset: str) -> str:
    """nft's complaint, "" where there is none; in a network namespace of its own, nothing is loaded."""
    done = subprocess.run(
        ["unshare", "--net", "nft", "-c", "-f", "-"],
        input=ruleset,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stderr if done.returncode else ""


needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="nft -c needs root and a namespace"
)


@needs_nft
def test_nft_takes_every_ruleset_of_every_phase() -> None:
    texts = set(ALL) | {hub_ruleset(), hub_ruleset(0.0)}
    for name in CONFIGS:
        for phase in Phase:
            texts |= {x.ruleset for x in box_in(name, phase, "two-lines")[0].firewalls}
    assert len(texts) > 10
    for text in texts:
        assert nft_accepts(text) == ""


@needs_nft
def test_nft_would_have_complained() -> None:
    assert nft_accepts(ALL[0].replace("accept", "axept")) != ""


@needs_nft
def test_many_desktops_fit_one_transaction() -> None:
    hosts = tuple(machines.desktop(f"d{i}", f"10.10.1.{i}") for i in range(1, 200))
    rules = replace(RULES, pinholes=pinholes(hosts), seats=(replace(SEAT, pinholes=pinholes(hosts)), OTHER))
    assert nft_accepts(firewall.field(rules)) == ""
    assert nft_accepts(firewall.field(replace(rules, any_laptop=True))) == ""


def test_the_ruleset_depends_on_what_is_open_and_on_no_order() -> None:
    turned = replace(RULES, pinholes=tuple(reversed(RULES.pinholes)))
    assert firewall.field(turned) == firewall.field(RULES)


@pytest.mark.parametrize(
    ("before", "after"), [(Phase.PROTECTED, Phase.DEGRADED), (Phase.SETUP, Phase.BLOCKED)]
)
def test_phases_of_one_kind_share_their_ruleset_so_that_a_change_between_them_is_no_step(
    before: Phase, after: Phase
) -> None:
    assert firewall.field(replace(RULES, phase=before)) == firewall.field(replace(RULES, phase=after))


# ---------------------------------------------------------------------------- nothing is slipped in


@settings(max_examples=200)
@given(
    st.text(max_size=40)
    | st.sampled_from(["10.10.0.20 accept\n", "0.0.0.0/0", "::/0 } accept;", "10.0.0.1; flush ruleset"])
)
def test_a_host_is_an_address_or_there_is_no_ruleset(host: str) -> None:
    lines = firewall.field(RULES).count("\n")
    for changed in (
        replace(RULES, hub_address=host or "x"),
        replace(RULES, dns=(host,)),
        replace(RULES, lan_network=host or "x"),
        replace(RULES, box_addresses=("10.86.86.1", host)),
        replace(RULES, pinholes=((host, Protocol.TCP, 3389), *RULES.pinholes[1:])),
    ):
        try:
            text = firewall.field(changed)
        except ValueError:
            continue
        assert text.count("\n") <= lines + 2 and text.count("{") == text.count("}")
    with pytest.raises(ValueError):
        firewall.outside(("eth0",), [(host + "\n", 1)])


def test_a_drill_opens_the_drill_s_desktop_only() -> None:
    desired, _ = box_in("shelter", Phase.PROTECTED, "one-line")
    assert "10.10.0.20" in desired.firewalls[0].ruleset  # the guard
    config = replace(
        machines.SHELTER,
        assignment=machines.assignment(
            mission=replace(machines.RUNNING, kind=MissionKind.DRILL), desktops=(SOUMU, KUNREN)
        ),
    )
    hardware = MACHINES["one-line"]
    ruleset = desired_box(config, Phase.PROTECTED, hardware, start(hardware)).firewalls[0].ruleset
    assert "10.10.0.30" in ruleset and "10.10.0.20" not in ruleset


# ----------------------------------------------------------------------------------------- HQ's doors


def _hub(**doors: object) -> str:
    return hub_firewall.hub(
        tunnel="wg0",
        listen_port=51820,
        hub_address="10.210.0.1",
        staff_address="10.10.0.1",
        staff_port=8080,
        openings=[],
        **doors,  # type: ignore[arg-type]
    )


def test_each_further_door_is_answered_by_itself() -> None:
    ruleset = _hub(further_ports=(443, 53, 51820))
    rules = chain(ruleset, "by-further")
    assert [x for x in rules if x.startswith("ip daddr")] == [
        f"ip daddr . udp dport @door-{x}-ip notrack udp sport set {x} return" for x in (53, 443)
    ]
    assert chain(ruleset, "outer-out")[-1] == 'udp sport 51820 oifname != "wg0" notrack'


def test_whoever_uses_the_usual_door_meets_one_look_into_a_set_a_family() -> None:
    ruleset = _hub(further_ports=(443, 53, 4500))
    for name, rest in (("outer-in", "jump usual-again"), ("outer-out", "jump by-further")):
        rules = [x for x in chain(ruleset, name) if "51820" in x and "@" in x and "dport set" not in x]
        assert [x.endswith(rest) for x in rules] == [True, True]


def test_the_relay_s_process_is_reached_by_its_door_only() -> None:
    rules = _hub(relay=(443, 8443))
    assert "tcp dport 443 redirect to :8443" in rules
    assert "tcp dport 8443 ct original proto-dst != 443 drop" in chain(rules, "input")


def test_an_hq_without_further_doors_rewrites_nothing() -> None:
    assert not re.search("redirect|door-|8443| set 5", _hub())


def test_on_the_box_only_the_relay_s_user_leaves_by_tcp_and_only_the_tunnel_speaks_to_it() -> None:
    relay = firewall.RelayRules(uid=64305, far=[("203.0.113.10", 443)], mouths=[51900])
    rules = firewall.outside(("eth0",), [("203.0.113.10", 51820)], relay)
    assert [x for x in chain(rules, "output") if "tcp" in x] == [
        'meta skuid 64305 oifname "eth0" ip daddr 203.0.113.10 tcp dport 443 accept'
    ]
    output = chain(rules, "output")
    mouth = 'oifname "lo" udp dport 51900 meta mark != { 0x4e52, 0x4e53 } drop'
    assert output.index(mouth) < output.index('oifname "lo" accept')


HUB = [("203.0.113.10", 51820)]


@pytest.mark.parametrize(
    "asked",
    [
        {"lookups": [("eth0", "192.168.1.1")]},
        {"relay": firewall.RelayRules(uid=1, far=[("203.0.113.10", 443)], mouths=[51900])},
        {"check": ("eth0", "203.0.113.10")},
    ],
)
def test_where_the_lines_are_connections_are_tracked_only_while_somebody_waits_for_an_answer(
    asked: dict[str, Any],
) -> None:
    quiet, busy = firewall.outside(("eth0",), HUB), firewall.outside(("eth0",), HUB, **asked)
    assert "ct state" not in quiet and "notrack" not in quiet
    assert "ct state established,related accept" in chain(busy, "input")
    answer = 'udp sport 51820 ip saddr 203.0.113.10 iifname "eth0" udp dport 1024-65535 accept'
    assert chain(quiet, "input")[1] == chain(busy, "input")[1] == answer
    ours = [x for x in chain(busy, "output") if "udp dport 51820" in x]
    assert len(ours) == 3 and all(x.endswith("notrack accept") for x in ours)
    assert chain(busy, "outer-in")[1:] == ["udp sport 51820 ip saddr 203.0.113.10 notrack"]


def test_names_are_asked_for_at_the_line_s_own_server_only_while_it_is_wanted() -> None:
    asked = firewall.outside(
        ("eth0",), [("203.0.113.10", 51820)], None, [("eth0", "192.168.1.1"), ("lan0", "10.0.0.1")]
    )
    assert [x for x in chain(asked, "output") if "dport 53" in x] == [
        'meta mark 0x4e55 oifname "eth0" ip daddr 192.168.1.1 udp dport 53 accept'
    ]
    assert "dport 53" not in firewall.outside(("eth0",), [("203.0.113.10", 51820)])
