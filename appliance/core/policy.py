"""HQ's policy for boxes: who changes it and how, its grammar, and what it says of one line. Pure.

The fleet has one policy, a box may have its own. A new field needs a careful default in `model.Policy`, and where
its type does not say enough, a line in `is_policy`; doors, pages and `noroshi hq policy` then carry it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appliance.core.codec import Invalid, dump_private, load
from appliance.core.enrolment import is_endpoint
from appliance.core.machine import Uplink
from appliance.core.model import (
    Assignment,
    BoxRecord,
    BoxState,
    Config,
    HubConfig,
    LineKind,
    NetworkClass,
    Policy,
    Reason,
)
from appliance.core.words import Refused

MOST_ENDPOINTS = 8
NOT_JOINED = frozenset({Reason.WIFI_CHANNEL, Reason.WIFI_COUNTRY})  # refused before there is a carrier
OPEN_SSID = "00000JAPAN"  # the carriers' disaster Wi-Fi: open, unencrypted, anybody may imitate it


# ---------------------------------------------------------------------------------------------- at HQ


def of_box(config: HubConfig, box: BoxRecord) -> Policy:
    return config.policy if box.policy is None else box.policy


def is_policy(policy: Policy) -> bool:
    """Whether every value has its grammar; a box checks again what HQ signed."""
    networks = [x.network for x in policy.lines]
    kinds = [x.kind for x in policy.entrances]
    return (
        len(set(networks)) == len(networks)
        and all(len(set(x)) == len(x) for x in (policy.prefer, policy.in_need))
        and all(len(set(x.kinds)) == len(x.kinds) for x in policy.lines)
        and len(set(kinds)) == len(kinds)
        and all(0 < len(x.endpoints) <= MOST_ENDPOINTS for x in policy.entrances)
        and all(is_endpoint(y) for x in policy.entrances for y in x.endpoints)
    )


def changed(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Some fields anew, as the door carries them (JSON); the others stay."""
    try:
        found = load(Policy, {**dump_private(policy), **changes})
    except Invalid as error:
        raise Refused("bad-policy") from error
    if not is_policy(found):
        raise Refused("bad-policy")
    return found


def set_policy(config: HubConfig, box: str, changes: Mapping[str, Any] | None) -> HubConfig:
    """For one box, or for the fleet where `box` is "". No changes at all (None): as the fleet, or as delivered."""
    if not box:
        fleet = Policy() if changes is None else changed(config.policy, changes)
        if fleet == config.policy:
            return config
        boxes = tuple(_told(x) if x.policy is None else x for x in config.boxes)
        return replace(config, policy=fleet, boxes=boxes)
    record = next((x for x in config.boxes if x.name == box), None)
    if record is None:
        raise Refused("unknown-box")
    own = None if changes is None else changed(of_box(config, record), changes)
    if own == record.policy:
        return config
    told = _told(replace(record, policy=own))
    return replace(config, boxes=tuple(told if x.name == box else x for x in config.boxes))


def _told(box: BoxRecord) -> BoxRecord:
    """A higher version: the box fetches its assignment anew."""
    return replace(box, version=box.version + 1) if box.state is BoxState.ACTIVE else box


# ------------------------------------------------------------------------------------------ on the box


def may_carry(policy: Policy, kind: LineKind) -> frozenset[NetworkClass]:
    """The classes of desktops whose picture may cross a line of this kind."""
    ruled = {x.network: kind in x.kinds for x in policy.lines}
    return frozenset(x for x in NetworkClass if ruled.get(x, True))


def entrances(policy: Policy, kind: LineKind, everywhere: tuple[str, ...]) -> tuple[str, ...]:
    """HQ's endpoints over this kind of line. `everywhere`: those of the ticket or the assignment."""
    own = next((x.endpoints for x in policy.entrances if x.kind is kind), ())
    return own or everywhere


def at_line(config: Config, uplinks: tuple[Uplink, ...]) -> Config:
    """The same box, HQ's endpoints being those for the line in use."""
    active = next((x for x in uplinks if x.active), None)
    if config.assignment is None or active is None:
        return config
    held = config.assignment
    endpoints = entrances(held.policy, LineKind(active.kind), held.endpoints)
    return replace(config, assignment=replace(held, endpoints=endpoints))


def judged(uplinks: tuple[Uplink, ...], assignment: Assignment | None) -> tuple[Uplink, ...]:
    """Every line with what HQ's policy says of it; before a box has joined there is none but the careful one. A Wi-Fi that
    is in no network yet is nobody's: its name is judged once there is one, before anything may leave by it."""
    held = assignment.policy if assignment else Policy()
    wanted = frozenset(x.network for x in assignment.desktops) if assignment else frozenset()
    return tuple(
        replace(
            x,
            refused=why_refused(held, LineKind(x.kind), x.ssid if x.carrier else None, wanted),
            lacks=wanted - may_carry(held, LineKind(x.kind)),
        )
        for x in uplinks
    )


def why_refused(
    policy: Policy, kind: LineKind, ssid: str | None, wanted: frozenset[NetworkClass] = frozenset()
) -> Reason | None:
    """Why nothing may leave on a line. `ssid`: None while it is in no network. `wanted`: the classes of the box's desktops, every one where it has none.
    A line that may carry one of them is used; which of the desktops stay closed on it is `may_carry`'s."""
    if kind is LineKind.WIFI and ssid is not None and is_open_wifi(ssid) and not policy.open_wifi:
        return Reason.OPEN_WIFI_REFUSED
    return None if (wanted or set(NetworkClass)) & may_carry(policy, kind) else Reason.LINE_REFUSED


def is_open_wifi(ssid: str) -> bool:
    """A Wi-Fi line whose name cannot be read counts as the open one: no other is told from it."""
    return ssid.strip().casefold() in ("", OPEN_SSID.casefold())


def carried(uplinks: tuple[Uplink, ...]) -> frozenset[NetworkClass]:
    """The classes that no line in use lacks; every class while none is in use."""
    return frozenset(NetworkClass).difference(*(x.lacks for x in uplinks if x.active or x.doubled))


def refusal_of(uplinks: tuple[Uplink, ...]) -> Reason | None:
    """What keeps the box from its lines, where each one with a carrier is refused."""
    live = [x for x in uplinks if x.carrier or x.refused in NOT_JOINED]
    return live[0].refused if live and all(x.refused for x in live) else None
