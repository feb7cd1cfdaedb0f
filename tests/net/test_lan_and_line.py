"""What stands on the LAN and what stands on the line: neither sees more of the box than it must."""

from __future__ import annotations

from scripts.exercise import processes
from scripts.exercise.processes import run
from tests.net import air
from tests.net.air import PASSES, Seen
from tests.net.test_nothing_passes import BOX, daemon_asleep, is_the_boxes_own, plugged
from tests.net.world import FLEET, INTERNET, ROUTER, World, eventually


def test_laptops_do_not_see_each_other_nor_an_address_server_among_them(box: World) -> None:
    box.power_on()
    server = (
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-ping", "--dhcp-authoritative"),
        *("--port=0", "--interface=eth0", "--bind-interfaces", "--dhcp-range=10.66.66.10,10.66.66.20"),
        *("--log-facility=-", f"--dhcp-leasefile={box.place.folder('phone')}/rogue"),
    )
    with plugged(box, "10.66.66.1/24", "10.66.66.2", "phone") as phone:
        processes.start(box.place, "rogue", processes.within(phone, server))
        try:
            eventually("the rogue server", lambda: ":67 " in box.inside("phone", "ss", "-Hlun"))
            with air.tapped(phone, "eth0") as tap:
                box.laptop.start()
                lease = box.laptop.wait("10.86.86.0/24", patience=15)
                assert lease.gateway == BOX
                heard = [x for x in tap.frames() if not x.outgoing and x.kind == "udp" and x.sport == 68]
                assert not heard, "not even the laptop's question reaches another port"
        finally:
            processes.end(box.place, "rogue")


def test_from_the_lan_only_the_boxs_few_services_answer(box: World) -> None:
    box.protected()
    box.laptop.start()
    lease = box.laptop.wait(FLEET, patience=15)
    laptop = box.namespace("laptop")
    assert air.tcp(laptop, BOX, 80) == "open"
    assert air.tcp(laptop, lease.gateway, 80) == "open"
    assert air.udp(laptop, lease.gateway, 53, air.name_query()) == "answered"
    for port in (22, 443, 3389, 8470, 51820):
        assert air.tcp(laptop, BOX, port, 0.3) not in PASSES, port
        assert air.udp(laptop, BOX, port, seconds=0.2) not in PASSES, port
    uplink = next(x["address"] for x in box.status()["uplinks"] if x["active"])
    tunnel = box.newest_box()["tunnel_address"]
    for hidden in (uplink, tunnel):
        assert air.ping(laptop, hidden, 0.3) != "answered", hidden
        assert air.tcp(laptop, hidden, 80, 0.3) not in PASSES, hidden


def test_the_tunnels_address_is_nobodys_business_on_the_lan(box: World) -> None:
    """Neither ARP nor a packet put on the wire by hand gets an answer (CVE-2019-14899)."""
    box.protected()
    tunnel = box.newest_box()["tunnel_address"]
    with plugged(box, "10.86.86.40/26", BOX) as laptop, air.tapped(laptop, "eth0") as tap:
        assert air.ping(laptop, BOX) == "answered"
        run("ip", "-n", laptop, "route", "replace", f"{tunnel}/32", "dev", "eth0")
        tap.frames()
        assert air.ping(laptop, tunnel, 1.2) == "silent"
        assert not [x for x in tap.frames() if x.kind == "arp" and not x.outgoing and x.raw[21] == 2]
        line = run("ip", "-n", laptop, "neighbour", "show", BOX)
        mac = line.split("lladdr ")[1].split()[0]
        _knows(laptop, tunnel, mac)
        assert air.ping(laptop, tunnel, 0.4) == "silent"
        assert air.tcp(laptop, tunnel, 80, 0.4) == "silent"


def test_with_the_line_as_neighbour_a_laptop_still_finds_no_way_around_the_field(box: World) -> None:
    """A laptop that knows the uplink's addresses and puts frames on the bridge by hand, rules flushed."""
    box.protected()
    uplink = next(x["address"] for x in box.status()["uplinks"] if x["active"])
    bridge = box.inside("box", "cat", "/sys/class/net/br-lan/address").strip()
    with (
        daemon_asleep(box),
        plugged(box, "192.168.1.77/24", "192.168.1.78") as laptop,
        air.tapped(box.namespace("router-a"), "lan0") as line,
    ):
        box.inside("box", "nft", "flush", "ruleset")
        for host in (uplink, INTERNET, ROUTER):
            run("ip", "-n", laptop, "route", "replace", f"{host}/32", "dev", "eth0")
            _knows(laptop, host, bridge)
            assert air.ping(laptop, host, 0.4) == "silent"
            assert air.tcp(laptop, host, 80, 0.4) == "silent"
        assert not [x for x in line.frames() if _is_v4(x) and not x.outgoing and not is_the_boxes_own(x)]


def _knows(laptop: str, host: str, mac: str) -> None:
    """The laptop asks nobody where `host` is."""
    neighbour = (host, "lladdr", mac, "dev", "eth0", "nud", "permanent")
    run("ip", "-n", laptop, "neighbour", "replace", *neighbour)


def _is_v4(frame: Seen) -> bool:
    """Without rules the box's own kernel chats in IPv6; nobody's packet is in that."""
    return frame.raw[12:14] == b"\x08\x00"


def test_from_the_line_no_port_of_the_box_answers(box: World) -> None:
    box.protected()
    router = box.namespace("router-a")
    uplink = next(x["address"] for x in box.status()["uplinks"] if x["active"])
    run("ip", "-n", router, "route", "replace", "10.86.86.0/24", "via", uplink)
    for host in (uplink, BOX):
        assert air.ping(router, host, 0.3) != "answered"
        for port in (22, 53, 80, 3389, 8470):
            assert air.tcp(router, host, port, 0.2) == "silent", (host, port)
        for port in (53, 67, 51820):
            assert air.udp(router, host, port, seconds=0.2) == "silent", (host, port)
    run("ip", "-n", router, "route", "del", "10.86.86.0/24")
