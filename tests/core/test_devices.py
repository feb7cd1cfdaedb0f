"""The register of laptops, line by line; who sits where; and whom a page is for."""

from __future__ import annotations

import json
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import devices, fleet
from appliance.core.codec import dump_private, load
from appliance.core.commands import accept_assignment, is_sound
from appliance.core.devices import EVERY, by_mac, device_from, import_devices, seats, seats_of, visitor
from appliance.core.enrolment import open_signed, sign
from appliance.core.machine import LaptopLease
from appliance.core.model import Assignment, BoxState, Device, HubConfig
from appliance.core.words import REFUSALS, Refused
from tests.machines import HQ, LAPTOPS, NOW, REGISTERED, SHELTER, SOUMU, ZEIMU, enrolled

LAN = "10.211.0.0/26"
TWO = replace(HQ, desktops=(SOUMU, ZEIMU), devices=())
HOUR = 3600.0


def mac(number: int) -> str:
    return ":".join(f"{x:02x}" for x in (2, 0, *number.to_bytes(4, "big")))


def device(number: int, *desktops: str) -> Device:
    return Device(name=f"PC-{number:04d}", macs=(mac(number),), desktops=desktops or (EVERY,))


def lease(number: int, address: str) -> LaptopLease:
    return LaptopLease(mac=mac(number), address=address)


# ------------------------------------------------------------------------------------------ grammar


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("02:00:00:aa:BB:01", "02:00:00:aa:bb:01"),
        ("02-00-00-AA-BB-01", "02:00:00:aa:bb:01"),
        ("0200.00aa.bb01", "02:00:00:aa:bb:01"),
        (" 020000aabb01 ", "02:00:00:aa:bb:01"),
        ("01:00:5e:00:00:01", ""),  # a group's
        ("ff:ff:ff:ff:ff:ff", ""),
        ("00:00:00:00:00:00", ""),
        ("02:00:00:aa:bb", ""),
        ("02:00:00:aa:bb:0g", ""),
        ("02:00:00:aa:bb:01 . 10.0.0.1", ""),
        ("０２:00:00:aa:bb:01", ""),
        ("", ""),
    ],
)
def test_a_hardware_address_is_read_however_it_is_written_or_not_at_all(text: str, read: str) -> None:
    assert devices.mac_of(text) == read


@given(st.text(max_size=30))
def test_what_is_read_as_a_hardware_address_is_one(text: str) -> None:
    read = devices.mac_of(text)
    assert not read or (devices.is_mac(read) and set(read) <= set(string.hexdigits + ":"))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (("", "", ["020000000001"], ["*"]), "device-name"),
        (("PC 1", "", ["020000000001"], ["*"]), "device-name"),
        (("<b>", "", ["020000000001"], ["*"]), "device-name"),
        (("-x", "", ["020000000001"], ["*"]), "device-name"),
        (("PC-1", "a\nb", ["020000000001"], ["*"]), "device-title"),
        (("PC-1", "x" * 61, ["020000000001"], ["*"]), "device-title"),
        (("PC-1", "", [], ["*"]), "device-mac"),
        (("PC-1", "", ["nonsense"], ["*"]), "device-mac"),
        (("PC-1", "", [mac(x) for x in range(5)], ["*"]), "device-mac"),
        (("PC-1", "", ["020000000001"], []), "device-desktops"),
        (("PC-1", "", ["020000000001"], ["*", "soumu"]), "device-desktops"),
        (("PC-1", "", ["020000000001"], ["nobody"]), "unknown-desktop"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(
    values: tuple[str, str, list[str], list[str]], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        device_from(TWO, *values)
    assert refused.value.code == code and code in REFUSALS


def test_numbers_tell_a_prefix_full_of_laptops_apart_and_are_easily_read_out() -> None:
    numbers = {devices.short_number(mac(x)) for x in range(60)}
    assert len(numbers) == 60 and all(len(x) == 7 and x[3] == "-" for x in numbers)


# --------------------------------------------------------------------------------------- the register


def test_every_box_that_is_in_use_is_told_of_a_new_laptop_and_of_one_that_is_gone() -> None:
    config, box, _ = enrolled(TWO)
    gone = replace(box, name="box-0009", state=BoxState.REVOKED)
    config = replace(config, boxes=(*config.boxes, gone))
    added = devices.add_device(config, device(1, "soumu"))
    assert [x.version for x in added.boxes] == [box.version + 1, gone.version]
    told = fleet.assignment_of(added, added.boxes[0], NOW)
    assert told.devices == (device(1, "soumu"),) and is_sound(told)
    assert fleet.assignment_of(added, gone, NOW).devices == ()
    removed = devices.remove_device(added, "PC-0001")
    assert removed.devices == () and removed.boxes[0].version == box.version + 2


def test_a_name_and_a_hardware_address_are_there_once() -> None:
    config = devices.add_device(TWO, device(1))
    for twin, code in (
        (replace(device(2), name="PC-0001"), "name-taken"),
        (replace(device(1), name="PC-0002"), "device-mac-taken"),
    ):
        with pytest.raises(Refused) as refused:
            devices.add_device(config, twin)
        assert refused.value.code == code
    with pytest.raises(Refused):
        devices.remove_device(config, "PC-0002")


def csv_of(count: int) -> str:
    rows = [f"PC-{x:04d},税務課 {x}号,{mac(x).replace(':', '-').upper()},soumu" for x in range(count)]
    return "資産番号,表示名,MACアドレス,デスクトップ\r\n" + "\r\n".join(rows) + "\r\n"


def test_a_list_of_a_whole_town_is_taken_at_once_and_the_same_list_again_tells_nobody() -> None:
    config, _, _ = enrolled(TWO)
    config, rows, problems = import_devices(config, csv_of(1600))
    assert (rows, problems, len(config.devices)) == (1600, (), 1600)
    again, rows, problems = import_devices(config, csv_of(1600))
    assert again == config and (rows, problems) == (1600, ())


def test_one_wrong_line_changes_nothing_and_every_wrong_line_is_told() -> None:
    text = (
        "\ufeffname,title,macs,desktops\n"
        "PC-1,one,02-00-00-00-00-01;02-00-00-00-00-02,soumu zeimu\n"
        "\n"
        "PC-2,two,nonsense,soumu\n"
        "PC-3,three,02-00-00-00-00-03\n"
        "PC-4,four,02-00-00-00-00-01,soumu\n"
        "PC-1,again,02-00-00-00-00-05,soumu\n"
        "=cmd|' /C calc'!A0,six,02-00-00-00-00-06,soumu\n"
        "PC-7,seven,02-00-00-00-00-07,sonota\n"
    )
    config, rows, problems = import_devices(TWO, text)
    assert config == TWO and rows == 0
    found = {(x.line, x.code) for x in problems}
    assert {
        (4, "device-mac"),
        (5, "device-columns"),
        (7, "device-twice"),
        (8, "device-name"),
        (9, "unknown-desktop"),
    } <= found
    assert all(x.code in REFUSALS for x in problems)
    _, _, problems = import_devices(TWO, "PC-1,,020000000001,soumu\nPC-4,,020000000001,soumu\n")
    assert [(x.line, x.code) for x in problems] == [(1, "device-mac-taken"), (2, "device-mac-taken")]


def test_a_known_name_is_replaced_and_others_stay() -> None:
    config = replace(TWO, devices=(device(1), device(2)))
    config, _, _ = import_devices(config, f"PC-0001,moved,{mac(9)},zeimu\n")
    assert [(x.name, x.macs, x.desktops) for x in config.devices] == [
        ("PC-0001", (mac(9),), ("zeimu",)),
        ("PC-0002", (mac(2),), (EVERY,)),
    ]


@given(st.text(alphabet=string.printable + "税\u202e\ufeff", max_size=300))
def test_any_text_as_a_list_ends_in_a_sound_register(text: str) -> None:
    config, _, problems = import_devices(TWO, text)
    assert devices.are_devices(config.devices)
    assert config == TWO or not problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_list_is_read_as_spreadsheets_in_japan_save_it(encoding: str) -> None:
    assert devices.list_text("税務課".encode(encoding)) == "税務課"


def test_lists_and_registers_are_bounded() -> None:
    with pytest.raises(Refused):
        import_devices(TWO, "x" * (devices.MOST_TEXT + 1))
    with pytest.raises(Refused):
        devices.list_text(b"x" * (devices.MOST_TEXT + 1))
    _, _, problems = import_devices(TWO, csv_of(devices.MOST_DEVICES + 1))
    assert [x.code for x in problems] == ["device-list-size"]
    _, _, problems = import_devices(TWO, "x\n" * 1000)
    assert len(problems) == devices.MOST_PROBLEMS


def test_the_signed_paper_of_a_whole_town_is_of_bounded_size_and_reads_back() -> None:
    config, _, _ = import_devices(enrolled(TWO)[0], csv_of(1600))
    paper = sign(dump_private(fleet.assignment_of(config, config.boxes[0], NOW)), config.signing_private)
    assert len(paper) < 300_000
    assignment = load(Assignment, open_signed(paper, config.signing_key))
    assert accept_assignment(SHELTER, assignment).assignment == assignment
    assert len(json.dumps(dump_private(config))) < 1_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"macs": ("02-00-00-00-00-01",)},
        {"macs": ()},
        {"name": "a b"},
        {"desktops": ()},
        {"desktops": ("A}",)},
    ],
)
def test_a_box_takes_no_paper_with_a_laptop_that_has_no_grammar(changes: dict[str, object]) -> None:
    assert SHELTER.assignment is not None
    bad = replace(device(1), **changes)  # type: ignore[arg-type]
    assert not is_sound(replace(SHELTER.assignment, devices=(bad,)))
    assert not is_sound(replace(SHELTER.assignment, devices=(device(1), device(1))))


# ------------------------------------------------------------------------------------- the emergency


def with_emergency(hours: float, config: HubConfig | None = None, now: float = NOW) -> HubConfig:
    return devices.set_emergency(config or enrolled(TWO)[0], "box-0001", hours, "tanaka", now)


def test_an_emergency_has_an_end_and_stays_on_record() -> None:
    config = with_emergency(3)
    assignment = fleet.assignment_of(config, config.boxes[0], NOW)
    assert assignment.any_laptop_until == NOW + 3 * HOUR and assignment.version == 2
    assert devices.emergency_runs(assignment, NOW + 3 * HOUR - 1)
    assert not devices.emergency_runs(assignment, NOW + 3 * HOUR)
    ended = with_emergency(0, config, NOW + HOUR)
    assert [(x.start, x.end, x.by) for x in ended.boxes[0].emergencies] == [(NOW, NOW + HOUR, "tanaka")]
    assert not devices.emergency_runs(fleet.assignment_of(ended, ended.boxes[0], NOW), NOW + HOUR)
    assert with_emergency(0, ended, NOW + 2 * HOUR) == ended


@pytest.mark.parametrize("hours", [-1, 24.1, float("inf")])
def test_an_emergency_lasts_a_day_at_most(hours: float) -> None:
    with pytest.raises(Refused) as refused:
        with_emergency(hours)
    assert refused.value.code == "emergency-hours"


def test_a_box_that_is_withdrawn_gets_no_emergency() -> None:
    config = fleet.revoke(enrolled(TWO)[0], "box-0001")
    with pytest.raises(Refused):
        with_emergency(1, config)


# ------------------------------------------------------------------------------------------- the box


def test_a_laptop_keeps_its_seat_while_it_is_away_and_through_a_power_cut() -> None:
    known = by_mac([device(x) for x in range(100)])
    there = seats({}, [lease(7, "10.211.0.20")], known, LAN)
    assert there == {mac(7): "10.211.0.20"}
    assert seats(there, [], known, LAN) == there


def test_who_holds_an_address_has_it() -> None:
    known = by_mac([device(x) for x in range(100)])
    before = {mac(7): "10.211.0.20", mac(8): "10.211.0.21"}
    assert seats(before, [lease(8, "10.211.0.20")], known, LAN) == {mac(8): "10.211.0.20"}
    stranger = LaptopLease(mac="02:ff:00:00:00:01", address="10.211.0.20")
    assert seats(before, [stranger], known, LAN) == {mac(8): "10.211.0.21"}


@pytest.mark.parametrize("address", ["10.211.0.1", "10.211.0.0", "10.211.0.62", "10.211.0.61", "10.86.86.5", "10.211.0.64"])  # fmt: skip
def test_nobody_sits_on_the_box_s_or_the_proof_s_address_nor_outside_the_prefix(address: str) -> None:
    known = by_mac([device(x) for x in range(100)])
    assert seats({}, [lease(7, address)], known, LAN) == {}
    assert seats({mac(7): address}, [], known, LAN) == {}


def test_a_laptop_that_hq_took_away_has_no_seat() -> None:
    assert seats({mac(7): "10.211.0.20"}, [lease(7, "10.211.0.20")], {}, LAN) == {}


def test_laptops_that_are_away_leave_half_of_the_prefix_free_and_the_last_seen_stay() -> None:
    known = by_mac([device(x) for x in range(100)])
    taken: dict[str, str] = {}
    for number in range(59):
        taken = seats(taken, [lease(number, f"10.211.0.{number + 2}")], known, LAN)
    away = seats(taken, [], known, LAN)
    assert len(away) == 29 and mac(58) in away and mac(0) not in away
    everybody = [lease(x, f"10.211.0.{x + 2}") for x in range(59)]
    assert len(seats(away, everybody, known, LAN)) == 59


def test_a_small_register_is_seated_before_anybody_comes_each_on_an_address_of_its_own() -> None:
    known = by_mac([device(x) for x in range(29)])
    there = seats({}, [LaptopLease(mac="02:ff:00:00:00:01", address="10.211.0.2")], known, LAN)
    assert set(there) == set(known) and len(set(there.values())) == 29
    assert "10.211.0.2" not in there.values()
    assert seats(there, [], known, LAN) == there


@given(
    st.dictionaries(st.integers(0, 99).map(mac), st.integers(0, 70).map(lambda x: f"10.211.0.{x}")),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 70))),
    st.integers(0, 100),
    st.sampled_from([LAN, "10.211.0.0/29", "10.211.0.0/28"]),
)
def test_no_two_laptops_share_a_seat_whatever_came_before(
    before: dict[str, str], held: list[tuple[int, int]], count: int, lan: str
) -> None:
    known = by_mac([device(x) for x in range(count)])
    leases = [lease(m, f"10.211.0.{a}") for m, a in {a: (m, a) for m, a in held}.values()]
    once = {x: a for a, x in {a: x for x, a in before.items()}.items()}
    found = seats(once, leases, known, lan)
    assert len(set(found.values())) == len(found) and set(found) <= set(known)


def test_a_seat_reaches_what_its_laptop_is_registered_for_and_what_may_open() -> None:
    known = by_mac([device(1, "soumu"), device(2), device(3, "zeimu")])
    taken = {mac(1): "10.211.0.2", mac(2): "10.211.0.3", mac(3): "10.211.0.4"}
    found = {x.address: {y[0] for y in x.pinholes} for x in seats_of(taken, known, (SOUMU,))}
    assert found == {"10.211.0.2": {"10.10.0.20"}, "10.211.0.3": {"10.10.0.20"}}


def test_a_page_is_for_the_laptop_that_holds_the_address() -> None:
    known = by_mac([REGISTERED])
    registered = visitor(LAPTOPS[0].address, LAPTOPS, {}, known, False)
    assert registered.device == REGISTERED and registered.may("soumu")
    phone = visitor(LAPTOPS[1].address, LAPTOPS, {}, known, False)
    assert phone.device is None and not phone.may("soumu")
    assert phone.number == devices.short_number(LAPTOPS[1].mac)
    assert visitor(LAPTOPS[1].address, LAPTOPS, {}, known, True).may("soumu")
    assert visitor("10.211.0.40", LAPTOPS, {}, known, False) == devices.Visitor()
