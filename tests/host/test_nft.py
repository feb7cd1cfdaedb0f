"""Rulesets in a real kernel: whole or not at all, and nobody changes one unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.core import firewall, hub_firewall
from appliance.core.codec import digest
from appliance.core.firewall import FieldRules
from appliance.core.model import Phase, Protocol
from appliance.host.nft import Rulesets
from appliance.host.run import Failed, run
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root

PINHOLES = (("10.10.0.20", Protocol.TCP, 3389), ("10.10.0.20", Protocol.UDP, 3389))
CASES = {
    "boot": firewall.boot(),
    "outside": firewall.outside(("eth0", "usb0"), [("203.0.113.10", 51820), ("2001:db8::1", 51820)]),
    "outside without a line": firewall.outside((), [("203.0.113.10", 51820)]),
    "outside, a name asked for": firewall.outside(
        ("eth0", "usb0"),
        [("203.0.113.10", 51820), ("2001:db8::1", 51820)],
        lookups=[("eth0", "192.168.1.1"), ("usb0", "2001:db8::53")],
    ),
    **{
        f"field {phase}": firewall.field(
            FieldRules(
                phase=phase,
                box_addresses=("10.86.86.1", "10.211.0.1"),
                lan_network="10.211.0.0/26",
                hub_address="10.210.0.1",
                pinholes=PINHOLES,
                dns=("10.10.0.53",),
                courier_uid=64302,
            )
        )
        for phase in Phase
    },
    "hub": hub_firewall.hub(
        tunnel="wg0",
        listen_port=51820,
        hub_address="10.210.0.1",
        staff_address="10.10.0.1",
        staff_port=8080,
        openings=[(("10.211.0.0/26", "10.210.0.2"), PINHOLES)],
    ),
}


@pytest.fixture
def space() -> Iterator[str]:
    with spaces(1) as (name,):
        yield name


def _listing(space: str) -> str:
    return run(["nft", "list", "ruleset"], namespace=space)


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_takes_every_ruleset_and_it_replaces_the_one_before(space: str, case: str) -> None:
    rulesets = Rulesets()
    rulesets.load(space, firewall.boot())
    rulesets.load(space, CASES[case])
    first = _listing(space)
    assert rulesets.digest(space) == digest(CASES[case])
    rulesets.load(space, CASES[case])
    assert _listing(space) == first
    assert first.count("type filter hook") == CASES[case].count("type filter hook")
    assert first.count("policy drop") >= (1 if case == "hub" else 3)


def test_a_change_by_somebody_else_is_noticed_and_so_is_its_undoing(space: str) -> None:
    rulesets = Rulesets()
    rulesets.load(space, CASES["boot"])
    run(["nft", "insert", "rule", "inet", "noroshi", "forward", "accept"], namespace=space)
    assert rulesets.digest(space) == ""
    rulesets.load(space, CASES["boot"])
    assert "\t\taccept" not in _listing(space)
    run(["nft", "add", "table", "ip", "stranger"], namespace=space)
    assert rulesets.digest(space) == "", "another table may say accept, too"


def test_a_ruleset_that_the_kernel_refuses_leaves_the_old_one_standing(space: str) -> None:
    rulesets = Rulesets()
    rulesets.load(space, CASES["boot"])
    before = _listing(space)
    with pytest.raises(Failed):
        rulesets.load(space, CASES["boot"].replace("policy drop", "policy perhaps"))
    assert _listing(space) == before
    assert rulesets.digest(space) == "", "what is there is looked at again"


def test_two_namespaces_do_not_know_of_each_other() -> None:
    with spaces(2) as (one, other):
        rulesets = Rulesets()
        rulesets.load(one, CASES["boot"])
        assert _listing(other) == ""
        assert rulesets.digest(other) == ""
        assert rulesets.digest("nth-no-such") == ""
