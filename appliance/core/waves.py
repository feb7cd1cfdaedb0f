"""HQ's side of updates: which bundles there are, which boxes are wished which version, in waves. Command + hub config →
hub config; what boxes report of it is not asked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from appliance.core.model import BoxRecord, BoxState, HubConfig
from appliance.core.software import MOST_BUNDLES, Bundle, Wish, is_bundle, is_older, is_version, order
from appliance.core.words import Refused

MOST_VERSIONS = 16  # kept at HQ


def add_bundle(config: HubConfig, bundle: Bundle) -> HubConfig:
    """One for each version and kind of image: a second one with other octets has another version."""
    if not is_bundle(bundle):
        raise Refused("bundle-unreadable")
    same = [x for x in config.bundles if (x.version, x.image) == (bundle.version, bundle.image)]
    if same == [bundle]:
        return config
    if same or len(config.bundles) >= MOST_VERSIONS * MOST_BUNDLES:
        raise Refused("bad-value")
    found = sorted((*config.bundles, bundle), key=lambda x: (order(x.version), x.image))
    return replace(config, bundles=tuple(found))


def remove_version(config: HubConfig, version: str) -> HubConfig:
    _known(config, version)
    if any(x.update_to == version for x in _active(config)):
        raise Refused("update-in-use")
    return replace(config, bundles=tuple(x for x in config.bundles if x.version != version))


def set_oldest(config: HubConfig, version: str) -> HubConfig:
    """No box is given an older version from now on, whoever asks; "" for no limit."""
    if version and not is_version(version):
        raise Refused("bad-value")
    if any(is_older(x.update_to, version) for x in _active(config) if x.update_to):
        raise Refused("update-in-use")
    told = tuple(replace(x, version=x.version + 1) if x.update_to else x for x in config.boxes)
    return replace(config, oldest_version=version, boxes=told)


def start(config: HubConfig, version: str, boxes: Sequence[str], *, now: bool) -> HubConfig:
    """The boxes are wished `version`. Asked again of a box, it is a new wish: one that gave up tries again."""
    _known(config, version)
    if is_older(version, config.oldest_version):
        raise Refused("update-allowed-oldest")
    if not boxes:
        raise Refused("update-nobody")
    if set(boxes) - {x.name for x in _active(config)}:
        raise Refused("unknown-box")
    return _wished(config, boxes, version, now)


def stop(config: HubConfig, boxes: Sequence[str]) -> HubConfig:
    """No wish is left, of these boxes or of all. One that runs the new version keeps it."""
    names = set(boxes) or {x.name for x in config.boxes}
    if names - {x.name for x in config.boxes}:
        raise Refused("unknown-box")
    return _wished(config, [x.name for x in config.boxes if x.name in names and x.update_to], "", False)


def next_wave(config: HubConfig, version: str, percent: int, now: float) -> tuple[str, ...]:
    """Boxes that are not wished `version` yet, until so many of a hundred are: those without a mission first. At
    least one of them, so that a wave of one box begins with 1 %."""
    _known(config, version)
    if not 1 <= percent <= 100:
        raise Refused("bad-value")
    active = _active(config)
    have = sum(x.update_to == version for x in active)
    left = sorted((x for x in active if x.update_to != version), key=lambda x: (_runs(x, now), x.number))
    wanted = max(1, math.ceil(len(active) * percent / 100) - have)
    return tuple(x.name for x in left[:wanted])


def wish_of(config: HubConfig, box: BoxRecord) -> Wish:
    """What one box is told."""
    wished = box.update_to if box.state is BoxState.ACTIVE else ""
    return Wish(
        order=box.update_order,
        version=wished,
        bundles=tuple(x for x in config.bundles if wished and x.version == wished),
        oldest=config.oldest_version,
        now=box.update_now,
    )


def _wished(config: HubConfig, names: Sequence[str], version: str, now: bool) -> HubConfig:
    asked = frozenset(names)
    boxes = tuple(
        replace(
            x,
            update_to=version,
            update_now=now,
            update_order=x.update_order + 1,
            version=x.version + 1,
        )
        if x.name in asked
        else x
        for x in config.boxes
    )
    return replace(config, boxes=boxes) if asked else config


def _active(config: HubConfig) -> list[BoxRecord]:
    return [x for x in config.boxes if x.state is BoxState.ACTIVE]


def _known(config: HubConfig, version: str) -> None:
    if all(x.version != version for x in config.bundles):
        raise Refused("unknown-version")


def _runs(box: BoxRecord, now: float) -> bool:
    return box.mission is not None and box.mission.start <= now < box.mission.end
