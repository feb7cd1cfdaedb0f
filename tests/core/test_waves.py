"""HQ's waves of updates: which boxes are wished which version, and never an older one than it allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core import fleet, waves
from appliance.core.model import HubConfig
from appliance.core.software import Bundle, Wish
from appliance.core.words import Refused
from tests.core.test_software import BUNDLE, NEW, OLD
from tests.machines import HQ, NOW, RUNNING, enrolled

PI = replace(BUNDLE, image="noroshi-pi", sha256="cd" * 32)
OLDER = Bundle(version=OLD, image="noroshi-pc", sha256="ef" * 32, size=1)


def fleet_of(count: int) -> HubConfig:
    config = HQ
    for number in range(1, count + 1):
        config = enrolled(config, number)[0]
    for bundle in (PI, BUNDLE, OLDER):
        config = waves.add_bundle(config, bundle)
    return config


def wished(config: HubConfig) -> list[str]:
    return [x.name for x in config.boxes if x.update_to == NEW]


def test_nobody_is_told_anything_before_a_wave_starts() -> None:
    config = fleet_of(1)
    assert waves.wish_of(config, config.boxes[0]) == Wish()
    assert [x.version for x in config.bundles] == [OLD, NEW, NEW]


def test_a_wish_carries_the_bundles_of_its_version_and_a_new_order() -> None:
    config = waves.set_oldest(fleet_of(2), OLD)
    config = waves.start(config, NEW, ["box-0001"], now=True)
    told = fleet.assignment_of(config, config.boxes[0], NOW).software
    assert told == Wish(order=1, version=NEW, bundles=(BUNDLE, PI), oldest=OLD, now=True)
    assert config.boxes[0].version == fleet_of(2).boxes[0].version + 1
    assert waves.wish_of(config, config.boxes[1]).version == ""
    assert waves.wish_of(waves.start(config, NEW, ["box-0001"], now=False), config.boxes[0]).order == 1
    assert waves.start(config, NEW, ["box-0001"], now=False).boxes[0].update_order == 2


def test_waves_grow_and_begin_with_one_box_that_nobody_needs() -> None:
    config = fleet_of(10)
    busy = replace(config.boxes[0], mission=RUNNING)
    config = replace(config, boxes=(busy, *config.boxes[1:]))
    config = waves.start(config, NEW, waves.next_wave(config, NEW, 1, NOW), now=False)
    assert wished(config) == ["box-0002"]
    config = waves.start(config, NEW, waves.next_wave(config, NEW, 50, NOW), now=False)
    assert len(wished(config)) == 5
    config = waves.start(config, NEW, waves.next_wave(config, NEW, 100, NOW), now=False)
    assert len(wished(config)) == 10
    assert waves.next_wave(config, NEW, 100, NOW) == ()


def test_what_cannot_be_wished_is_refused() -> None:
    config = fleet_of(1)
    with pytest.raises(Refused, match="unknown-version"):
        waves.start(config, "9.9", ["box-0001"], now=False)
    with pytest.raises(Refused, match="unknown-box"):
        waves.start(config, NEW, ["box-0009"], now=False)
    with pytest.raises(Refused, match="update-nobody"):
        waves.start(config, NEW, [], now=False)
    with pytest.raises(Refused, match="unknown-box"):
        waves.start(fleet.revoke(config, "box-0001"), NEW, ["box-0001"], now=False)
    with pytest.raises(Refused, match="bad-value"):
        waves.next_wave(config, NEW, 0, NOW)


def test_an_older_version_than_allowed_is_never_wished() -> None:
    config = waves.set_oldest(fleet_of(1), NEW)
    with pytest.raises(Refused, match="update-allowed-oldest"):
        waves.start(config, OLD, ["box-0001"], now=False)
    config = waves.start(fleet_of(1), OLD, ["box-0001"], now=False)
    with pytest.raises(Refused, match="update-in-use"):
        waves.set_oldest(config, NEW)
    with pytest.raises(Refused, match="bad-value"):
        waves.set_oldest(config, "tomorrow")


def test_stopping_takes_the_wish_back_from_some_or_all() -> None:
    config = waves.start(fleet_of(3), NEW, ["box-0001", "box-0002"], now=False)
    assert wished(waves.stop(config, ["box-0001"])) == ["box-0002"]
    stopped = waves.stop(config, [])
    assert wished(stopped) == []
    assert [x.update_order for x in stopped.boxes] == [2, 2, 0]
    with pytest.raises(Refused, match="unknown-box"):
        waves.stop(config, ["box-0009"])


def test_a_revoked_box_is_told_no_wish() -> None:
    config = fleet.revoke(waves.start(fleet_of(1), NEW, ["box-0001"], now=False), "box-0001")
    assert waves.wish_of(config, config.boxes[0]).version == ""


def test_a_version_that_boxes_wait_for_stays() -> None:
    config = waves.start(fleet_of(1), NEW, ["box-0001"], now=False)
    with pytest.raises(Refused, match="update-in-use"):
        waves.remove_version(config, NEW)
    assert [x.version for x in waves.remove_version(config, OLD).bundles] == [NEW, NEW]


def test_one_version_is_one_set_of_octets() -> None:
    config = fleet_of(1)
    assert waves.add_bundle(config, BUNDLE) is config
    with pytest.raises(Refused, match="bad-value"):
        waves.add_bundle(config, replace(BUNDLE, sha256="00" * 32))
    with pytest.raises(Refused, match="bundle-unreadable"):
        waves.add_bundle(config, replace(BUNDLE, image="x"))
