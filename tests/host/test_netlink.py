"""Links, addresses, routes and rules in a real kernel: done twice is done once, and what is read is what is."""

from __future__ import annotations

import contextlib
import errno
import select
from collections.abc import Iterator
from contextlib import closing

import pytest
from pyroute2.ethtool.ethtool import Ethtool
from pyroute2.netlink.exceptions import NetlinkError

from appliance.core.machine import Address, Bridge, Link, Route, Rule, Sysctl
from appliance.daemon import drain
from appliance.host import inotify, namespaces, sysctl
from appliance.host.interfaces import addresses
from appliance.host.namespaces import inside
from appliance.host.netlink import MAIN, Listener, Netlink
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root


@pytest.fixture
def two() -> Iterator[tuple[Netlink, str, str]]:
    netlink = Netlink()
    with spaces(2) as (here, there):
        yield netlink, here, there
        netlink.close()


def _bridge(here: str, there: str) -> Bridge:
    return Bridge(namespace=here, name="br", ports=("p1", "p2"), veth="up", peer="lan", peer_namespace=there)


def _link(netlink: Netlink, space: str, name: str) -> Link | None:
    return next((x for x in netlink.links([space]) if x.name == name), None)


def test_the_bridge_leads_into_the_field_and_its_ports_are_isolated(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    netlink.make_pair(here, "p1", there, "laptop")
    bridge = _bridge(here, there)
    for _ in range(2):
        netlink.make_bridge(bridge)
        netlink.add_port(bridge, "p1")
    port, lead = _link(netlink, here, "p1"), _link(netlink, here, "up")
    assert port is not None
    assert lead is not None
    assert (port.master, port.isolated) == ("br", True)
    assert (lead.master, lead.isolated) == ("br", False)
    assert _link(netlink, there, "lan") is not None
    with inside(here), contextlib.closing(Ethtool()) as ethtool:
        assert ethtool.get_features("up").features["rx-gro"].enable  # segments cross the bridge in batches
        assert not ethtool.get_features("p1").features["rx-gro"].enable


def test_half_a_lead_is_made_whole(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    bridge = _bridge(here, there)
    netlink.make_bridge(bridge)
    netlink.remove_link(there, "lan")
    assert _link(netlink, here, "up") is None
    netlink.make_bridge(bridge)
    assert _link(netlink, there, "lan") is not None


def test_an_address_added_twice_is_there_once_and_removed_twice_is_gone(
    two: tuple[Netlink, str, str],
) -> None:
    netlink, here, there = two
    netlink.make_pair(here, "a", there, "b")
    wanted = Address(namespace=here, link="a", address="10.86.86.1/26")
    for _ in range(2):
        netlink.add_address(wanted)
    assert addresses([here]) == {wanted}
    for _ in range(2):
        netlink.remove_address(wanted)
    assert addresses([here]) == frozenset()


def test_a_route_is_replaced_in_one_go_and_other_tables_are_not_read(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    netlink.make_pair(here, "a", there, "b")
    netlink.set_up(here, "a")
    netlink.add_address(Address(namespace=here, link="a", address="192.168.1.5/24"))
    first = Route(namespace=here, table=5000, destination="default", link="a", gateway="192.168.1.1")
    second = Route(namespace=here, table=5000, destination="default", link="a", gateway="192.168.1.2")
    netlink.add_route(first)
    netlink.add_route(second)
    assert netlink.routes([(here, 5000)]) == {second}
    assert netlink.routes([(here, MAIN)]) == frozenset(), "the kernel's own are not ours"
    for _ in range(2):
        netlink.remove_route(second)
    assert netlink.routes([(here, 5000)]) == frozenset()


def test_rules_are_read_back_as_they_were_written(two: tuple[Netlink, str, str]) -> None:
    netlink, here, _ = two
    wanted = {
        Rule(namespace=here, preference=1, incoming="br-lan", blackhole=True),
        Rule(namespace=here, preference=10, table=255),
        Rule(namespace=here, preference=100, table=5000, mark=0x4E52),
    }
    for rule in (*wanted, *wanted):
        netlink.add_rule(rule)
    assert netlink.rules(here, 1, 1000) == wanted
    for rule in (*wanted, *wanted):
        netlink.remove_rule(rule)
    assert netlink.rules(here, 1, 1000) == frozenset()


def test_whether_the_kernel_has_wireguard_is_asked_of_the_kernel(two: tuple[Netlink, str, str]) -> None:
    netlink, here, _ = two
    there = netlink.add_wireguard(here, "wg-try")
    link = _link(netlink, here, "wg-try")
    assert (link is not None and link.kind == "wireguard") is there


def test_a_link_that_is_not_there_has_no_index_and_no_removal(two: tuple[Netlink, str, str]) -> None:
    netlink, here, _ = two
    netlink.remove_link(here, "nothing")
    with pytest.raises(FileNotFoundError) as error:
        netlink.index(here, "nothing")
    assert error.value.errno == errno.ENODEV


def _woken(channel: Listener | inotify.Watch, seconds: float = 2.0) -> bool:
    """Whether it wakes the loop; what came is read away, as the loop does."""
    found = bool(select.select([channel], [], [], seconds)[0])
    drain((channel,))
    return found


def test_every_kind_of_change_wakes_the_listener(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    with closing(Listener(here)) as listener:
        assert not _woken(listener, 0.1)
        netlink.make_pair(here, "a", there, "b")
        assert _woken(listener)
        sysctl.write(Sysctl(namespace=here, key="net/ipv4/ip_forward", value="1"))
        assert _woken(listener)
        assert not _woken(listener, 0.1)


def test_a_listener_hears_the_namespace_that_took_its_ones_place(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    watch = inotify.Watch(namespaces.RUN, inotify.COMES_AND_GOES)
    with closing(Listener(here)) as listener, closing(watch) as folder:
        drain((folder,))
        namespaces.remove(here)
        assert _woken(folder), "its end is noticed, whoever still lives in it"
        drain((listener,))
        namespaces.make(here)
        assert _woken(folder)
        netlink.forget(here)
        drain((listener,))
        assert not _woken(listener, 0.1)
        netlink.make_pair(here, "a", there, "b")
        assert _woken(listener)


def test_a_namespace_made_anew_is_not_mistaken_for_the_old_one(two: tuple[Netlink, str, str]) -> None:
    netlink, here, there = two
    netlink.make_pair(here, "a", there, "b")
    namespaces.remove(here)
    namespaces.make(here)
    netlink.forget(here)
    assert _link(netlink, here, "a") is None
    with pytest.raises((FileNotFoundError, NetlinkError)):
        netlink.set_up(here, "a")
