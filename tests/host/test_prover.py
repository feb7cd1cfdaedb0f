"""The stand-in laptop: what its outcomes mean, and that it is gone afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core.access_point import lan_address
from appliance.core.machine import Address, Bridge
from appliance.core.model import Protocol
from appliance.core.proof import CLOSED, OPEN, UNCLEAR, Trial
from appliance.host import namespaces, prover
from appliance.host.netlink import Netlink
from appliance.host.run import run
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root
LAN = "10.211.0.0/26"
MAC = "02:00:00:00:00:07"
RULES = """
table inet noroshi {
  chain input {
    type filter hook input priority 0; policy drop;
    tcp dport 8001 reject with icmpx type admin-prohibited
    tcp dport 8002 accept
    udp dport 8003 reject with icmpx type admin-prohibited
  }
  chain forward { type filter hook forward priority 0; policy drop; reject with icmpx type admin-prohibited; }
}
"""


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    netlink = Netlink()
    with spaces(2) as (box, field):
        made = Bridge(namespace=box, name="br-lan", ports=(), veth="up", peer="lan0", peer_namespace=field)
        netlink.make_bridge(made)
        for space, link in ((box, "br-lan"), (box, "up"), (field, "lan0"), (field, "lo")):
            netlink.set_up(space, link)
        netlink.add_address(Address(namespace=field, link="lan0", address=lan_address(LAN)))
        run(["nft", "-f", "-"], namespace=field, text=RULES)
        yield made
        netlink.close()


def _trial(host: str, port: int, protocol: Protocol = Protocol.TCP) -> Trial:
    return Trial(what="x", host=host, protocol=protocol, port=port, expected=CLOSED)


def test_outcomes_tell_our_own_refusal_from_a_hosts_and_from_silence(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prover, "TIMEOUT", 0.5)
    box = lan_address(LAN).split("/")[0]
    wanted = {
        _trial(box, 8001): CLOSED,
        _trial(box, 8002): OPEN,  # nobody listens, but the packet got there
        _trial(box, 8003, Protocol.UDP): CLOSED,
        _trial(box, 8004): UNCLEAR,  # swallowed: proves nothing
        _trial("2001:db8::80", 80): CLOSED,
    }
    assert dict(prover.prove(wanted, bridge, LAN, MAC)) == wanted
    _assert_gone(bridge)


def test_it_leaves_nothing_even_when_it_cannot_be_made(bridge: Bridge) -> None:
    netlink = Netlink()
    netlink.remove_link(bridge.namespace, "br-lan")
    with pytest.raises(FileNotFoundError):
        prover.prove([_trial("10.10.0.20", 445)], bridge, LAN, MAC)
    netlink.close()
    _assert_gone(bridge)


def test_no_socket_stays_open_where_even_the_tidying_fails(bridge: Bridge) -> None:
    namespaces.remove(bridge.namespace)
    for _ in range(2):  # the first one may import something
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(FileNotFoundError):
            prover.prove([_trial("10.10.0.20", 445)], bridge, LAN, MAC)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_dead_one_left_is_not_in_the_way(bridge: Bridge) -> None:
    namespaces.make(f"{bridge.peer_namespace}-proof")
    box = lan_address(LAN).split("/")[0]
    assert prover.prove([_trial(box, 8001)], bridge, LAN, MAC)[0][1] == CLOSED
    _assert_gone(bridge)


def _assert_gone(bridge: Bridge) -> None:
    assert f"{bridge.peer_namespace}-proof" not in namespaces.names()
    links = subprocess.run(
        ["ip", "-n", bridge.namespace, "-o", "link"], capture_output=True, text=True, check=True
    ).stdout
    assert "proof" not in links
