"""`noroshi prove`: the box's own evidence, and that it would notice."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from scripts.exercise import desk, processes
from scripts.exercise.topology import LAPTOP_MAC
from tests.net.world import World, eventually


def test_an_open_box_proves_every_row(box: World) -> None:
    box.protected()
    said = box.cli("box", "prove", "--json")
    proof = json.loads(said.stdout)
    assert said.returncode == 0, proof
    assert proof["ok"]
    rows = {x["target"]: x for x in proof["rows"] if x["what"] != "unregistered"}
    assert rows[f"{desk.ADDRESS} tcp/3389"]["outcome"] == "open"
    closed = [x for x in proof["rows"] if x["expected"] == "closed"]
    assert {"internet", "line-device", "hub", "files", "ipv6"} <= {x["what"] for x in closed}
    assert all(x["outcome"] == "closed" for x in closed)
    laptop = Path("/run/netns", f"{box.namespace('field')}-proof")
    eventually("the stand-in laptop's end", lambda: not laptop.exists())
    assert "proof0" not in box.inside("box", "ip", "-o", "link")


def test_one_port_opened_by_hand_is_noticed(box: World) -> None:
    box.protected()
    rule = (
        "nft",
        "insert",
        "rule",
        "inet",
        "noroshi",
        "forward",
        "ip",
        "daddr",
        desk.ADDRESS,
        "tcp",
        "dport",
    )
    for machine in ("box", "hq"):
        processes.signal_to(box.daemon(machine), signal.SIGSTOP)
    try:
        box.inside("field", *rule, "445", "accept")
        back = ("ip", "saddr", desk.ADDRESS, "tcp", "sport", "445", "accept")
        box.inside("field", "nft", "insert", "rule", "inet", "noroshi", "forward", *back)
        box.inside("hq", *rule, "445", "accept")
        box.inside("hq", "nft", "insert", "rule", "inet", "noroshi", "forward", *back)
        proof = _prove_without_the_daemon(box)
    finally:
        for machine in ("box", "hq"):
            processes.signal_to(box.daemon(machine), signal.SIGCONT)
    assert [target for target, outcome in proof if outcome != "closed"] == [f"{desk.ADDRESS} 445"]


def _prove_without_the_daemon(box: World) -> list[tuple[str, str]]:
    """The same stand-in laptop, from this process: the daemon, awake, would put its rules back first."""
    from appliance.core.desired import BRIDGE, LAN, VETH
    from appliance.core.machine import Bridge
    from appliance.core.model import Protocol
    from appliance.core.proof import CLOSED, Trial
    from appliance.host import prover

    bridge = Bridge(
        namespace=box.namespace("box"),
        name=BRIDGE,
        ports=(),
        veth=VETH,
        peer=LAN,
        peer_namespace=box.namespace("field"),
    )
    trials = [
        Trial(what="files", host=desk.ADDRESS, protocol=Protocol.TCP, port=x, expected=CLOSED)
        for x in (445, 9100, 22)
    ]
    lan = box.config()["assignment"]["lan"]
    return [(f"{x.host} {x.port}", outcome) for x, outcome in prover.prove(trials, bridge, lan, LAPTOP_MAC)]
