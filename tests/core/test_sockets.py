"""Blue and yellow: which socket is for what, on every kind of machine, and that a blue one never turns yellow by itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from appliance.core.codec import Invalid
from appliance.core.machine import Link, Machine, Observed
from appliance.core.sockets import (
    MOST_PLUGGED,
    MOST_SOCKETS,
    Panel,
    fitted,
    look,
    objection,
    outcome,
    place_on_bus,
    read_panel,
    view,
)
from tests.machines import BOX_MACHINE, NOW

FOLLOWS = Machine(follows=True, uplinks=(), ports=())


def socket(name: str, bus: str, *, plugged: bool = False, wireless: bool = False) -> Link:
    return Link(namespace="", name=name, bus=bus, plugged=plugged, wireless=wireless)


PCI = "pci0000:00/0000:00:1c.{}/0000:0{}:00.0"
ENP1S0, ENP2S0, ENP3S0 = (socket(f"enp{x}s0", PCI.format(x, x)) for x in (1, 2, 3))
TETHER = socket("enx001122334455", "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0", plugged=True)
STICK = socket("usb0", "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0", plugged=True)
RADIO = socket("wlan0", "pci0000:00/0000:00:1d.0/0000:04:00.0", wireless=True)
PI = socket("eth0", "platform/scb/fd580000.ethernet")
PI3 = socket("eth0", "platform/soc/3f980000.usb/usb1/1-1/1-1.1/1-1.1:1.0")  # soldered, though on USB
BRIDGE = Link(namespace="", name="br-lan", kind="bridge")
FIELD = Link(namespace="field", name="lan0", kind="veth")


def seen(*links: Link) -> Observed:
    return Observed(now=NOW, links=(BRIDGE, FIELD, *links))


def roles(
    links: Sequence[Link], machine: Machine = FOLLOWS, panel: Panel | None = None
) -> tuple[list[str], list[str]]:
    """Blue, yellow."""
    made = fitted(machine, look(panel or Panel(), links, ""), seen(*links))
    return list(made.uplinks), list(made.ports)


@pytest.mark.parametrize(
    ("links", "blue", "yellow"),
    [
        ([], [], []),
        ([PI], ["eth0"], []),  # laptops come by Wi-Fi
        ([PI3, RADIO], ["eth0"], []),
        ([ENP1S0, ENP2S0], ["enp1s0"], ["enp2s0"]),
        ([ENP1S0, ENP2S0, ENP3S0, RADIO], ["enp1s0"], ["enp2s0", "enp3s0"]),
        ([ENP1S0, ENP2S0, TETHER], ["enp1s0", "enx001122334455"], ["enp2s0"]),
        ([TETHER, STICK], ["enx001122334455", "usb0"], []),  # a Zero has no socket of its own
        ([RADIO], [], []),
    ],
)
def test_the_first_built_in_socket_is_blue_and_the_others_are_yellow(
    links: list[Link], blue: list[str], yellow: list[str]
) -> None:
    for order in itertools.permutations(links):
        assert roles(order) == (blue, yellow)


def test_what_somebody_declared_blue_is_blue_and_nothing_else() -> None:
    links = [ENP1S0, ENP2S0, ENP3S0]
    assert roles(links, replace(FOLLOWS, blue=(3,))) == (["enp3s0"], ["enp1s0", "enp2s0"])
    assert roles(links, replace(FOLLOWS, blue=(1, 2))) == (["enp1s0", "enp2s0"], ["enp3s0"])
    assert roles([PI, TETHER], replace(FOLLOWS, blue=())) == (["enx001122334455"], ["eth0"])


def test_a_machine_whose_sockets_somebody_named_is_left_alone() -> None:
    panel = look(Panel(), [ENP1S0, ENP2S0], "")
    assert fitted(BOX_MACHINE, panel, seen(ENP1S0, ENP2S0)) is BOX_MACHINE


def test_what_is_plugged_in_while_the_box_runs_is_a_line_behind_the_others() -> None:
    panel = look(Panel(), [ENP1S0, ENP2S0], "")
    panel = look(panel, [ENP1S0, ENP2S0, STICK], "")
    panel = look(panel, [ENP1S0, ENP2S0, STICK, TETHER], "")
    made = fitted(FOLLOWS, panel, seen(ENP1S0, ENP2S0, STICK, TETHER))
    assert made.uplinks == ("enp1s0", "usb0", "enx001122334455") and made.ports == ("enp2s0",)


def test_what_was_pulled_keeps_its_place_until_it_comes_back() -> None:
    panel = look(look(Panel(), [ENP1S0, STICK], ""), [ENP1S0], "")
    assert fitted(FOLLOWS, panel, seen(ENP1S0)).uplinks == ("enp1s0", "usb0")


def test_a_first_socket_that_comes_late_turns_no_other_one_yellow() -> None:
    """Its driver was slow: what was blue stays blue, or DHCP would be served where a router is plugged in."""
    panel = look(Panel(), [ENP2S0], "")
    assert fitted(FOLLOWS, panel, seen(ENP2S0)).uplinks == ("enp2s0",)
    panel = look(panel, [ENP1S0, ENP2S0], "")
    made = fitted(FOLLOWS, panel, seen(ENP1S0, ENP2S0))
    assert made.uplinks == ("enp2s0", "enp1s0") and made.ports == ()
    after = Panel(numbered=panel.remembered)  # the next start
    assert roles([ENP1S0, ENP2S0], panel=after) == (["enp1s0"], ["enp2s0"])


def test_a_second_socket_that_comes_late_is_yellow() -> None:
    panel = look(look(Panel(), [ENP1S0], ""), [ENP1S0, ENP2S0], "")
    assert fitted(FOLLOWS, panel, seen(ENP1S0, ENP2S0)).ports == ("enp2s0",)


def test_a_dead_socket_does_not_pass_its_colour_on() -> None:
    known = read_panel([ENP1S0.bus, ENP2S0.bus])
    assert roles([ENP2S0], panel=known) == ([], ["enp2s0"])


def test_no_socket_is_ever_both_and_no_laptop_s_socket_a_line() -> None:
    everything = [ENP1S0, ENP2S0, ENP3S0, PI, TETHER, STICK, RADIO]
    for count in range(len(everything) + 1):
        for links in itertools.combinations(everything, count):
            for blue in ((), (1,), (2,), (1, 3)):
                lines, ports = roles(links, replace(FOLLOWS, blue=blue))
                assert not set(lines) & set(ports) and "wlan0" not in {*lines, *ports}
                assert set(lines) | set(ports) == {x.name for x in links if not x.wireless}


def test_places_are_counted_as_the_hardware_counts_them() -> None:
    places = [
        "pci0000:00/0000:00:02.0",
        "pci0000:00/0000:00:03.0",
        "pci0000:00/0000:00:0a.0",
        "pci0000:00/0000:00:10.0/0000:01:00.0",
        "pci0000:00/0000:00:10.0/0000:01:00.0#1",
        "pci0000:00/0000:00:10.0/0000:01:00.1",
        "platform/soc/3f980000.usb/usb1/1-2",
        "platform/soc/3f980000.usb/usb1/1-10",
        "platform/soc/3f980000.usb/usb2/2-1",
    ]
    assert sorted({*places}, key=place_on_bus) == places


@pytest.mark.parametrize("bus", ["", "/", "ü", "a" * 200, "0000:00", "usb", "١"])
def test_any_place_can_be_sorted(bus: str) -> None:
    assert sorted([bus, PI.bus, ENP1S0.bus], key=place_on_bus)


def test_a_flood_of_plugs_stays_bounded() -> None:
    panel = Panel()
    for x in range(50):
        panel = look(panel, [ENP1S0, socket(f"enx{x:012x}", f"usb1/1-{x}", plugged=True)], "")
        assert len(panel.plugged) <= MOST_PLUGGED
        assert f"enx{x:012x}" in panel.plugged
    many = [socket(f"eth{x}", f"pci0000:00/0000:00:{x:02x}.0") for x in range(40)]
    assert len(look(Panel(), many, "").numbered) == MOST_SOCKETS


@pytest.mark.parametrize("data", [None, "x", {}, [1], ["x" * 300], ["a"] * 40])
def test_what_cannot_have_been_remembered_is_refused(data: object) -> None:
    with pytest.raises(Invalid):
        read_panel(data)


def test_each_socket_is_told_with_its_colour_and_number() -> None:
    links = (replace(ENP1S0, carrier=True), ENP2S0, TETHER, RADIO)
    panel = look(Panel(), links, "")
    told = view(fitted(FOLLOWS, panel, seen(*links)), panel, seen(*links), "wlan0")
    assert [(x["link"], x["role"], x["number"], x["carrier"]) for x in told] == [
        ("enp1s0", "line", 1, True),
        ("enx001122334455", "line", 0, False),
        ("enp2s0", "laptops", 2, False),
        ("wlan0", "radio", 0, False),
    ]
    assert told[0]["words"]["ja"].startswith("青") and told[2]["words"]["en"].startswith("yellow")


@pytest.mark.parametrize(
    ("blue", "sockets", "wifi", "counts"),
    [
        ((1,), 2, False, True),
        ((2,), 2, False, True),
        ((1, 3), 3, False, True),
        ((3,), 2, True, False),  # no line
        ((3, 4), 2, False, False),
        ((1, 2), 2, False, False),  # no laptop's way in
        ((1, 2), 2, True, True),
        ((1, 2, 9), 2, False, False),
        ((1,), 1, True, True),
        ((1,), 1, False, False),
        ((1,), 0, True, False),
    ],
)
def test_a_declaration_that_leaves_no_line_or_no_way_in_for_laptops_does_not_count(
    blue: tuple[int, ...], sockets: int, wifi: bool, counts: bool
) -> None:
    assert (objection(blue, sockets, wifi) == "") is counts


@pytest.mark.parametrize(
    ("own", "now", "why", "expected"),
    [
        ((1, 2), (1, 2), "", ("in-force", "")),
        ((2, 1), (1, 2), "", ("in-force", "")),
        ((1, 2), (1,), "", ("next-start", "")),
        ((1,), (1,), "", ("refused", "not-saved")),
        ((1,), (1,), "no-line", ("refused", "no-line")),
        ((1, 2), (1, 2), "fixed", ("refused", "fixed")),
    ],
)
def test_hq_is_told_what_came_of_its_declaration(
    own: tuple[int, ...], now: tuple[int, ...], why: str, expected: tuple[str, str]
) -> None:
    state, said = outcome((1, 2), own, now, why)
    assert (state.value, said) == expected
