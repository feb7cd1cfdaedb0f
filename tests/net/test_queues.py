"""The tunnel held to a measured rate: there when a queue was seen, kept by a new daemon, gone when nobody wants it."""

from __future__ import annotations

import json
import time

from scripts.exercise import machines, processes
from tests.net.world import FLEET, World, eventually


def kinds(world: World, link: str) -> str:
    return world.inside("field", "tc", "qdisc", "show", "dev", link, check=False)


def flood(world: World, seconds: float) -> None:
    """More small datagrams up than a slow line carries, by the registered laptop to a desktop's port."""
    code = (
        "import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
        f"end=time.time()+{seconds}\n"
        "while time.time()<end:\n"
        "    for _ in range(4): s.sendto(bytes(1000),('10.10.0.20',3389))\n"
        "    time.sleep(0.01)\n"
    )
    processes.start(
        world.place, "flood", processes.within(world.namespace("laptop"), ("python3", "-c", code))
    )


def test_a_queue_on_the_line_is_taken_into_the_box_and_everything_is_there_as_planned(box: World) -> None:
    box.protected()
    box.laptop.start()
    box.laptop.wait(FLEET, patience=15)
    tunnel = str(machines.table(box.place)["box"].told["tunnel"])
    assert "htb" not in kinds(box, tunnel)
    assert "cake" not in kinds(box, tunnel)
    slow = ("tbf", "rate", "1mbit", "burst", "3000", "limit", "200000")
    box.inside("router-a", "tc", "qdisc", "replace", "dev", "wan0", "root", *slow)
    try:
        time.sleep(3.0)  # the idle line's own delay is known
        flood(box, 12.0)
        eventually("a rate is kept", lambda: box.status()["line"]["up"], patience=12)
        kept = box.status()["line"]
        assert 300_000 < kept["up"] < 1_200_000
        assert any(x in kinds(box, tunnel) for x in ("htb", "cake"))
        assert kept["down"] == 0
        assert "ingress" not in kinds(box, tunnel)
    finally:
        processes.end(box.place, "flood")
        box.inside("router-a", "tc", "qdisc", "delete", "dev", "wan0", "root")
    box.settled()

    processes.end(box.place, "box", patience=5.0)
    assert any(x in kinds(box, tunnel) for x in ("htb", "cake")), "it is the kernel that keeps it"
    machines.power_on(box.place, "box")
    machines.wait_for_door(box.place, "box")
    box.until("PROTECTED")
    eventually("the new daemon took it over", lambda: box.status()["line"]["up"])
    box.settled()

    box.inside("field", "tc", "qdisc", "delete", "dev", tunnel, "root")
    assert not any(x in kinds(box, tunnel) for x in ("htb", "cake"))
    eventually(
        "a turn makes it anew", lambda: any(x in kinds(box, tunnel) for x in ("htb", "cake")), patience=20
    )

    note = box.state() / "machine.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "keeps_rates": False}))
    processes.end(box.place, "box", patience=5.0)
    machines.power_on(box.place, "box")
    machines.wait_for_door(box.place, "box")
    box.until("PROTECTED")
    box.settled()
    assert not any(x in kinds(box, tunnel) for x in ("htb", "cake"))
