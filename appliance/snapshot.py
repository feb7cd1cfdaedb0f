"""What a turn of the box saw and decided, and what its role needs of the world besides the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.core.desktops import Refusal
from appliance.core.logbook import Line
from appliance.core.machine import Desired, Observed, Status, Uplink
from appliance.core.model import BoxKeys, Config, Desktop, Device
from appliance.core.portal import Check
from appliance.host.clock import Clock
from appliance.host.probe import Target
from appliance.updating import Machinery


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the door's threads look at: whole and never changed."""

    config: Config
    status: Status
    observed: Observed
    uplinks: tuple[Uplink, ...]
    allowed: tuple[Desktop, ...]
    refused: tuple[Refusal, ...]
    desired: Desired
    known: Mapping[str, Device]
    seats: Mapping[str, str]
    emergency: bool
    check: Check | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the role needs of the world besides the machine."""

    new_keys: Callable[[], BoxKeys]
    public_of: Callable[[Any], str]
    aim: Callable[[Target], None]
    ring_courier: Callable[[], None]
    prove: Callable[[Snapshot, str], dict[str, Any]]
    verify_rdp: Callable[[str, str], bool]
    clock: Clock
    wake: Callable[[], None]
    machinery: Machinery
    journal: Callable[[], Sequence[Line]]  # what of the machine's journal HQ was not told yet
