"""What a laptop on the LAN must see of the box; what it must not is in the leak list (test_leaks.py)."""

from __future__ import annotations

from tests.net import air
from tests.net.air import PASSES
from tests.net.test_nothing_passes import BOX
from tests.net.world import FLEET, World


def test_from_the_lan_only_the_boxs_few_services_answer(box: World) -> None:
    box.protected()
    box.laptop.start()
    lease = box.laptop.wait(FLEET, patience=30)
    laptop = box.namespace("laptop")
    assert air.tcp(laptop, BOX, 80) == "open"
    assert air.tcp(laptop, lease.gateway, 80) == "open"
    assert air.udp(laptop, lease.gateway, 53, air.name_query()) == "answered"
    uplink = next(x["address"] for x in box.status()["uplinks"] if x["active"])
    tunnel = box.newest_box()["tunnel_address"]
    for hidden in (uplink, tunnel):
        assert air.ping(laptop, hidden, 0.3) != "answered", hidden
        assert air.tcp(laptop, hidden, 80, 0.3) not in PASSES, hidden
