"""In network namespaces with real nft: a firewall's refusal is told from a host's and from silence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"), reason="needs root, ip and nft"
)

ROOT = Path(__file__).parents[2]
HERE, FAR = f"greet{os.getpid()}", f"greet{os.getpid()}far"

OURS = """
table inet ours {
  chain output {
    type filter hook output priority 0;
    tcp dport 1001 reject with icmpx admin-prohibited
    tcp dport 1002 reject with icmp host-prohibited
    tcp dport 1003 reject
    tcp dport 1004 reject with tcp reset
    tcp dport 1005 drop
  }
}
"""
THEIRS = """
table inet theirs {
  chain forward {
    type filter hook forward priority 0;
    tcp dport 1006 reject with icmpx admin-prohibited
  }
}
"""
ASK = """
import json, sys
from appliance.core.desktop_profiles import GreetingKind
from appliance.host.greeting import greet
for host, port in json.load(sys.stdin):
    print(greet(host, port, GreetingKind.RDP, deadline=0.5).answer)
"""
# A thread of an outside process enters the namespace, as the daemon's does, and greets a pool from there.
ENTER = """
import ctypes, os, sys, threading
from appliance.core.model import *
from appliance.host.greeting import greet_desktop
hosts = ("10.99.9.2", "10.99.9.2")
pool = Desktop(name="x", title="x", kind=DesktopKind.SHARED_HOST, network=NetworkClass.LGWAN, profile="",
    endpoints=tuple(Endpoint(host=host, protocol=Protocol.TCP, port=port, part=Part.SCREEN, reason="x")
        for host in hosts for port in (5900, 443)))
def inside():
    with open(sys.argv[1]) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
    print(greet_desktop(pool, {}, now=0.0, deadline=0.5).answer)
thread = threading.Thread(target=inside)
thread.start()
thread.join()
print(greet_desktop(pool, {}, now=0.0, deadline=0.5).answer)
"""


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(*arguments: str, text: str | None = None, namespace: str = "") -> list[str]:
    enter = ("ip", "netns", "exec", namespace) if namespace else ()
    return run(*enter, "env", f"PYTHONPATH={ROOT}", sys.executable, *arguments, text=text).split()


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    try:
        for name in (HERE, FAR):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "near0", "netns", HERE, "type", "veth", "peer", "name", "far0", "netns", FAR)
        run("ip", "-n", HERE, "address", "add", "10.99.9.1/24", "dev", "near0")
        run("ip", "-n", FAR, "address", "add", "10.99.9.2/24", "dev", "far0")
        run("ip", "-n", HERE, "link", "set", "near0", "up")
        run("ip", "-n", FAR, "link", "set", "far0", "up")
        run("ip", "-n", HERE, "route", "add", "default", "via", "10.99.9.2")
        run("ip", "-n", FAR, "link", "add", "beyond0", "type", "veth", "peer", "name", "beyond1")
        run("ip", "-n", FAR, "address", "add", "10.99.8.1/24", "dev", "beyond0")
        run("ip", "-n", FAR, "link", "set", "beyond0", "up")
        run("ip", "-n", FAR, "link", "set", "beyond1", "up")
        run("ip", "netns", "exec", FAR, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "netns", "exec", HERE, "nft", "-f", "-", text=OURS)
        run("ip", "netns", "exec", FAR, "nft", "-f", "-", text=THEIRS)
        yield HERE
    finally:
        for name in (HERE, FAR):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.mark.parametrize(
    ("host", "port", "answer"),
    [
        ("10.99.9.2", 1001, "prohibited"),
        ("127.0.0.1", 1001, "prohibited"),
        ("10.99.9.2", 1002, "prohibited"),
        ("10.99.9.2", 1003, "prohibited"),
        ("10.99.8.8", 1006, "prohibited"),  # HQ's firewall, on the way
        ("10.99.9.2", 1007, "refused"),
        ("10.99.9.2", 1004, "refused"),  # a reset written by a firewall looks like any other
        ("10.99.9.2", 1005, "silent"),
        ("10.99.7.7", 1007, "silent"),  # no route further on: "network unreachable" is nobody's decision
        ("10.99.9.9", 1007, "silent"),  # nobody there
    ],
)
def test_who_said_no_is_told_apart(namespace: str, host: str, port: int, answer: str) -> None:
    assert python("-c", ASK, text=json.dumps([[host, port]]), namespace=namespace) == [answer]


def test_a_pool_is_greeted_from_the_namespace_of_the_calling_thread(namespace: str) -> None:
    """Inside, the pool's host is there and refuses; outside, where there is no such network, it does not."""
    inside, outside = python("-c", ENTER, f"/run/netns/{namespace}")
    assert inside == "refused"
    assert outside != "refused"
