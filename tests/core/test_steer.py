"""Which line the tunnel's packets leave by, and the second one in doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import steer
from appliance.core.machine import Uplink
from tests.machines import ETH0, USB0

FIRST = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)
SECOND = Uplink(link="usb0", kind="usb", carrier=True, lease=USB0, table=5002)
DOUBLED = replace(SECOND, doubled=True)
GONE = "table ip noroshi-steer\ndelete table ip noroshi-steer\ntable netdev noroshi-steer\ndelete table netdev noroshi-steer\n"


@pytest.mark.parametrize(
    "uplinks", [[], [FIRST], [FIRST, replace(DOUBLED, lease=None)], [replace(FIRST, active=False), SECOND]]
)
def test_without_a_choice_of_lines_nothing_is_steered_nor_copied(uplinks: list[Uplink]) -> None:
    assert steer.ruleset(uplinks) == GONE


def test_what_would_leave_by_another_line_than_the_chosen_one_is_routed_again() -> None:
    text = steer.ruleset([FIRST, SECOND])
    assert text.startswith(GONE)
    assert 'meta mark 0x4e52 oifname != { "eth0", "lo" } meta mark set 0x4e54' in text
    assert 'oifname != { "usb0"' in steer.ruleset(
        [replace(FIRST, active=False), replace(SECOND, active=True)]
    )
    assert "0x4e53" not in text, "the scout's packets leave by the line they ask about"


def test_copies_leave_by_the_doubled_spare_only_and_are_not_steered_back() -> None:
    assert " dup " not in steer.ruleset([FIRST, SECOND])
    third = Uplink(link="wwan0", kind="lte", carrier=True, lease=replace(USB0, link="wwan0"), table=5003)
    text = steer.ruleset([FIRST, third, DOUBLED])
    assert f'meta mark set 0x4e54 dup to {USB0.gateway} device "usb0"' in text
    assert text.count(" dup ") == 1


def test_whatever_leaves_by_a_line_has_that_line_s_own_source() -> None:
    text = steer.ruleset([FIRST, DOUBLED])
    for uplink, lease in ((FIRST, ETH0), (SECOND, USB0)):
        address = lease.address.partition("/")[0]
        assert f'egress device "{uplink.link}"' in text
        assert f"ip saddr != {address} ip saddr set {address}" in text


def test_two_routers_that_gave_the_same_address_make_a_pair_as_well() -> None:
    twin = replace(DOUBLED, lease=replace(ETH0, link="usb0"))
    assert 'dup to 192.168.1.1 device "usb0"' in steer.ruleset([FIRST, twin])


def test_what_is_not_an_address_never_gets_into_the_rules() -> None:
    with pytest.raises(ValueError, match="evil"):
        steer.ruleset([FIRST, replace(DOUBLED, lease=replace(USB0, gateway="evil"))])
