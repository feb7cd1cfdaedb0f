"""Per device, with real rules: a registered laptop reaches its desktops, whoever is not registered the box alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from scripts.exercise import desk
from scripts.exercise.machines import DEVICE
from scripts.exercise.topology import LAPTOP_MAC
from tests.net import air
from tests.net.world import DRILL_DESK, FLEET, World, eventually, refusal

PHONE_MAC = "02:6e:6f:72:6f:02"


@pytest.fixture
def open_box(box: World) -> Iterator[World]:
    """Desktops are open; laptop and phone have an address; the register is put back afterwards."""
    set_mac(box, "phone", PHONE_MAC)
    box.protected()
    box.laptop.start()
    box.phone.start()
    box.laptop.wait(FLEET, patience=30)
    box.phone.wait(FLEET, patience=30)
    yield box
    set_mac(box, "laptop", LAPTOP_MAC)
    names = {x["name"] for x in box.ask_hub("devices")["devices"]}
    for name in names:
        box.ask_hub("remove-device", name=name)
    box.ask_hub("add-device", name=DEVICE, title="", macs=[LAPTOP_MAC], desktops=["*"])


def set_mac(box: World, machine: str, mac: str) -> None:
    box.inside(machine, "ip", "link", "set", "eth0", "address", mac)


def knock(box: World, machine: str, host: str = desk.ADDRESS) -> str:
    return air.tcp(box.namespace(machine), host, desk.PORT)


def greets(box: World, machine: str, host: str = desk.ADDRESS, patience: float = 15.0) -> None:
    what = f"the desktop for the {machine}"
    eventually(what, lambda: desk.greets(box.place, machine, host, seconds=0.5), patience)


def closes(box: World, machine: str, host: str = desk.ADDRESS) -> None:
    eventually(
        f"no desktop for the {machine}", lambda: knock(box, machine, host) == "prohibited", patience=15
    )


def test_a_registered_laptop_reaches_its_desktop_and_the_phone_next_to_it_does_not(open_box: World) -> None:
    greets(open_box, "laptop")
    assert knock(open_box, "phone") == "prohibited"
    assert air.tcp(open_box.namespace("phone"), "10.86.86.1", 80) == "open"
    address = open_box.phone.wait(FLEET, patience=1).address
    seen = open_box.ask_box("status", visitor=address)
    assert seen["visitor"]["registered"] is False and seen["desktops"] == []
    assert refusal(lambda: open_box.ask_box("rdp-file", desktop="gyomu-01", visitor=address)).code == "not-registered"  # fmt: skip
    laptop = open_box.laptop.wait(FLEET, patience=1).address
    assert open_box.ask_box("status", visitor=laptop)["visitor"]["device"] == DEVICE


def test_hq_sees_the_number_registers_the_laptop_and_it_opens_and_closes_again(open_box: World) -> None:
    closes(open_box, "phone")
    number = open_box.ask_box("status", visitor=open_box.phone.wait(FLEET, patience=1).address)["visitor"][
        "number"
    ]
    box = open_box.newest_box()["name"]

    def reported() -> list[str]:
        return [
            x["body"] for x in open_box.reports(box)[-1:] if number in x["body"] and PHONE_MAC in x["body"]
        ]

    eventually("the number at HQ", reported, patience=25)
    open_box.ask_hub("add-device", name="NS-0002", title="電話", macs=[PHONE_MAC], desktops=["gyomu-01"])
    greets(open_box, "phone")
    open_box.ask_hub("remove-device", name="NS-0002")
    closes(open_box, "phone")
    greets(open_box, "laptop")


def test_a_copied_address_without_its_hardware_address_or_the_other_way_round_is_refused(
    open_box: World,
) -> None:
    greets(open_box, "laptop")
    seat = open_box.laptop.wait(FLEET, patience=1)
    open_box.laptop.stop()
    # The laptop's address, from the phone: the address fits, the hardware does not.
    open_box.inside("laptop", "ip", "address", "flush", "dev", "eth0")
    gateway = seat.gateway
    open_box.phone.stop()
    open_box.inside("phone", "ip", "address", "flush", "dev", "eth0")
    open_box.inside("phone", "ip", "address", "add", f"{seat.address}/26", "dev", "eth0")
    open_box.inside("phone", "ip", "route", "replace", "default", "via", gateway)
    closes(open_box, "phone")
    # The laptop's hardware, on another address than its seat.
    other = str(ipaddress.ip_network(f"{seat.address}/26", strict=False)[40])
    open_box.inside("laptop", "ip", "address", "add", f"{other}/26", "dev", "eth0")
    open_box.inside("laptop", "ip", "route", "replace", "default", "via", gateway)
    closes(open_box, "laptop")
    # And what the rule would let through if both fit, so that the two refusals above mean something.
    open_box.inside("phone", "ip", "address", "flush", "dev", "eth0")
    open_box.inside("laptop", "ip", "address", "flush", "dev", "eth0")
    open_box.inside("laptop", "ip", "address", "add", f"{seat.address}/26", "dev", "eth0")
    open_box.inside("laptop", "ip", "route", "replace", "default", "via", gateway)
    greets(open_box, "laptop")


def test_the_emergency_opens_for_everybody_and_ends(open_box: World) -> None:
    closes(open_box, "phone")
    box = open_box.newest_box()["name"]
    open_box.ask_hub("emergency", box=box, hours=1)
    greets(open_box, "phone")
    assert knock(open_box, "phone", DRILL_DESK) == "prohibited"
    open_box.ask_hub("emergency", box=box, hours=0.003)
    greets(open_box, "phone")
    closes(open_box, "phone")  # by itself, at its end
    assert [x["by"] for x in open_box.newest_box()["emergencies"]] == ["test", "test"]


def test_after_a_power_cut_a_laptop_that_never_noticed_works_on(open_box: World) -> None:
    greets(open_box, "laptop")
    seat = open_box.laptop.wait(FLEET, patience=1)
    open_box.laptop.stop()  # behind a switch of its own it sees no cable go: it keeps what it has
    open_box.inside("laptop", "ip", "address", "replace", f"{seat.address}/26", "dev", "eth0")
    open_box.inside("laptop", "ip", "route", "replace", "default", "via", seat.gateway)
    open_box.power_off()
    open_box.power_on()
    open_box.until("PROTECTED")
    greets(open_box, "laptop")


def test_a_proof_shows_that_a_stranger_s_laptop_reaches_no_desktop(open_box: World) -> None:
    open_box.ask_box("prove")
    proof = eventually("the proof", lambda: (x := open_box.status()["proof"]) and not x["running"] and x, 30)
    assert proof["ok"], [x for x in proof["rows"] if not x["ok"]]
    rows = {(x["what"], x["outcome"]) for x in proof["rows"]}
    assert {("desktop", "open"), ("unregistered", "closed")} <= rows
    # The stand-in's place in the rules goes with the next turn.
    eventually(
        "the stand-in's leaving", lambda: ".62 }" not in open_box.inside("field", "nft", "list", "ruleset")
    )
