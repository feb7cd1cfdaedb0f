"""Settings belong to one namespace; a key that does not exist is left out."""

from __future__ import annotations

import pytest

from appliance.core.machine import Sysctl
from appliance.host import sysctl
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root
FORWARD = "net/ipv4/ip_forward"


def test_a_setting_counts_in_its_own_namespace_only() -> None:
    with spaces(2) as (one, other):
        sysctl.write(Sysctl(namespace=one, key=FORWARD, value="1"))
        wanted = [Sysctl(namespace=x, key=FORWARD, value="1") for x in (one, other)]
        assert {x.namespace: x.value for x in sysctl.read(wanted)} == {one: "1", other: "0"}


def test_unknown_keys_and_unknown_namespaces_are_left_out() -> None:
    with spaces(1) as (one,):
        wanted = [
            Sysctl(namespace=one, key="net/ipv4/conf/nothing/rp_filter", value="0"),
            Sysctl(namespace="nth-no-such", key=FORWARD, value="0"),
        ]
        assert sysctl.read(wanted) == frozenset()
        with pytest.raises(FileNotFoundError):
            sysctl.write(wanted[0])
