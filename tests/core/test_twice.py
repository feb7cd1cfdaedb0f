"""Two uplinks at once: a pair or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import twice
from appliance.core.machine import Uplink
from tests.machines import ETH0, USB0

FIRST = Uplink(link="eth0", kind="ethernet", carrier=True, lease=ETH0, table=5001, active=True)
SECOND = Uplink(link="usb0", kind="usb", carrier=True, lease=USB0, table=5002, doubled=True)
GONE = "table ip noroshi-twice\ndelete table ip noroshi-twice\ntable netdev noroshi-twice\ndelete table netdev noroshi-twice\n"


@pytest.mark.parametrize("pair", [[], [FIRST], [FIRST, replace(SECOND, lease=None)], [FIRST, SECOND, SECOND]])
def test_without_a_pair_of_leases_nothing_is_copied(pair: list[Uplink]) -> None:
    assert twice.ruleset(pair) == GONE


def test_each_of_a_pair_copies_to_the_other_one_with_that_one_s_own_source() -> None:
    text = twice.ruleset([FIRST, SECOND])
    assert text.startswith(GONE)
    for here, own, other in ((FIRST, ETH0, USB0), (SECOND, USB0, ETH0)):
        address = own.address.partition("/")[0]
        assert f'oifname "{here.link}" dup to {other.gateway} device "{other.link}"' in text
        assert f'egress device "{here.link}"' in text
        assert f"ip saddr != {address} ip saddr set {address}" in text
    assert text.count("meta mark 0x4e52 ") == 4, "the scout's packets are never copied"


def test_two_routers_that_gave_the_same_address_make_a_pair_as_well() -> None:
    twin = replace(SECOND, lease=replace(ETH0, link="usb0"))
    assert 'dup to 192.168.1.1 device "usb0"' in twice.ruleset([FIRST, twin])


def test_what_is_not_an_address_never_gets_into_the_rules() -> None:
    with pytest.raises(ValueError, match="evil"):
        twice.ruleset([FIRST, replace(SECOND, lease=replace(USB0, gateway="evil"))])
