"""The rows of the sign-in hole: one phone may pass, and nothing of anybody else's, nothing else of its own, and nothing
after it was closed."""

from __future__ import annotations

import json
import time

from scripts.exercise.processes import run
from tests.net import air
from tests.net.air import PASSES
from tests.net.leaks import lan, volley
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.volley import Station
from tests.net.person import WIZARD, Person
from tests.net.world import INTERNET, eventually

WEB = {("tcp", 80), ("tcp", 443)}
STRANGER_MAC = "02:6e:6f:72:6f:77"


def another_device(box: Noroshi) -> None:
    """The laptop asks, then takes the phone's address; then something else stands where the phone stood."""
    assert box.hole_is_open(), "the guard: the phone passes"
    assert not box.hole_is_open("laptop")
    lease = box.phone()
    with box.standing(f"{lease.address}/{lease.prefix}", lease.gateway):
        box.fire()
        assert not box.hole_is_open("laptop"), "the phone's address is enough"
    phone = box.place.namespace("phone")
    mac = volley.mac_of(phone, "eth0")
    run("ip", "-n", phone, "link", "set", "eth0", "address", STRANGER_MAC)
    try:
        _phone_fires(box, everything=True)
        assert not box.hole_is_open(), "the phone's address is enough"
    finally:
        run("ip", "-n", phone, "link", "set", "eth0", "address", mac)
    box.mended_hole()


def other_ports(box: Noroshi) -> None:
    """The phone itself, at everything but the web and name questions; and at the relay's own doors."""
    assert box.hole_is_open(), "the guard: the phone passes"
    _phone_fires(box, everything=False)
    phone = box.place.namespace("phone")
    for port in (22, 3389, 8080, 8443):
        assert air.tcp(phone, INTERNET, port, 0.3) not in PASSES, port
    for port in (8480, 8453):
        assert air.tcp(phone, WIZARD, port, 0.3) not in PASSES, port
    assert box.hole_is_open(), "and still it passes where it may"


def flushed_for_good(box: Noroshi) -> None:
    """Without rules nothing turns the phone's packets to the relay, and nothing is forwarded."""
    with box.daemon_asleep():
        box.flush("")
        _phone_fires(box, everything=True)
        assert not box.hole_is_open()
    box.mended_hole()


def time_is_over(box: Noroshi) -> None:
    """The kernel closes it, with the daemon asleep: ten minutes are cut to one second in the very set."""
    with box.daemon_asleep():
        _hurry(box)
        time.sleep(1.5)
        assert not box.hole_is_open()
        _phone_fires(box, everything=True)
    box.mended_hole()


def daemon_killed(box: Noroshi) -> None:
    box.kill_daemon()
    eventually("closed", lambda: not box.hole_is_open(), patience=5)
    _phone_fires(box, everything=True)
    box.start_daemon()
    eventually("closed in the books", lambda: box.world.status().get("sign_in", {}).get("until") == 0.0)
    _phone_fires(box, everything=True)
    box.mended_hole()


def ended(box: Noroshi) -> None:
    assert Person(box.place).press("/sign-in/end")[0] == 303
    eventually("closed", lambda: not box.hole_is_open(), patience=5)
    _phone_fires(box, everything=True)
    assert box.world.status()["sign_in"]["ended"] == "person"
    box.mended_hole()


def _phone_fires(box: Noroshi, *, everything: bool) -> None:
    phone, lease = box.place.namespace("phone"), box.phone()
    lan.aim(box.place, "phone", f"{lease.address}/{lease.prefix}", lease.gateway, box.lan_mac or box.deaf_mac)
    shots = volley.from_laptop(phone).shots
    may = {x for x in shots if ":" not in x[1] and ((x[0], x[2]) in WEB or (x[0], x[2]) == ("udp", 53))}
    volley.fire(
        [Station(namespace=phone, uid=0, shots=tuple(x for x in shots if everything or x not in may))]
    )


def _hurry(box: Noroshi) -> None:
    """The set's own elements, with another timeout."""
    field = box.place.namespace("field")
    said = json.loads(run(*_inside(field, "nft", "-j", "list", "set", "inet", "noroshi", "sign-in")))
    found = next(x["set"]["elem"] for x in said["nftables"] if "set" in x)
    mac, address = found[0]["elem"]["val"]["concat"]
    assert found[0]["elem"]["timeout"] == 600
    element = f"inet noroshi sign-in {{ {mac} . {address}"
    script = f"delete element {element} }}\nadd element {element} timeout 1s }}\n"
    run(*_inside(field, "nft", "-f", "-"), text=script)


def _inside(namespace: str, *argv: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", namespace, *argv)
