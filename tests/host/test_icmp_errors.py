"""A connection that a filter refused is never taken for one that stands, however close the two moments are."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from appliance.host import icmp_errors, namespaces
from appliance.host.run import run
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root
HOST, PORT = "10.99.7.1", 8001
RULES = f"""
table inet refusing {{
  chain input {{ type filter hook input priority 0; tcp dport {PORT} reject with icmpx type admin-prohibited; }}
}}
"""
ALL_PROCESSORS = (
    f"{(1 << (os.cpu_count() or 1)) - 1:x}"  # a packet is not handled where it was sent: the race needs two
)
LASTS = (
    3.0  # seconds; without asking for the peer some twenty of a hundred thousand look open on two processors
)


def refused(space: str) -> tuple[int, int]:
    """How many were tried, and how many looked open to who asks for the peer, too."""
    tries = opened = 0
    end = time.monotonic() + LASTS
    with namespaces.inside(space):
        while time.monotonic() < end:
            tries += 1
            with socket.socket() as channel:
                channel.settimeout(5.0)
                icmp_errors.keep(channel)
                try:
                    channel.connect((HOST, PORT))
                    icmp_errors.must_be_connected(channel)
                    opened += 1
                except OSError:
                    continue
    return tries, opened


def test_of_thousands_of_refused_connections_none_looks_open() -> None:
    with spaces(2) as (here, there):
        for line in (
            f"-n {here} link add near type veth peer name far netns {there}",
            f"-n {here} address add 10.99.7.2/24 dev near",
            f"-n {there} address add {HOST}/24 dev far",
            f"-n {here} link set near up",
            f"-n {there} link set far up",
        ):
            run(["ip", *line.split()])
        run(["sysctl", "-qw", "net.ipv4.icmp_ratemask=0"], namespace=there)
        run(["nft", "-f", "-"], namespace=there, text=RULES)
        for space, link in ((here, "near"), (there, "far")):
            spread = f"echo {ALL_PROCESSORS} >/sys/class/net/{link}/queues/rx-0/rps_cpus"
            run(["ip", "netns", "exec", space, "sh", "-c", spread])
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(refused, [here] * 4))
    assert sum(x for x, _ in found) > 2000
    assert sum(x for _, x in found) == 0
