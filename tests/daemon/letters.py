"""What HQ could say to the box of a world, signed or not, and what a refusal is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.core.codec import dump_private
from appliance.core.enrolment import sign
from appliance.core.fleet import assignment_of
from appliance.core.model import Assignment
from appliance.core.words import Refused
from tests.daemon.world import World
from tests.machines import HQ


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def told(world: World, **changes: Any) -> Assignment:
    """What HQ could say to this box now."""
    (box,) = world.hub_config().boxes
    made = assignment_of(world.hub_config(), box, world.now())
    return replace(made, **{"version": made.version + 1, **changes})


def letter(envelope: object) -> str:
    return json.dumps({"status": 200, "answer": {"assignment": envelope}})


def signed(world: World, **changes: Any) -> str:
    return letter(sign(dump_private(told(world, **changes)), HQ.signing_private))
