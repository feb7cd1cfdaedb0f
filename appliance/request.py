"""The values of a request at the door, each of its kind: what is missing or of another kind is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from appliance.core.codec import LARGEST
from appliance.core.words import Refused

E = TypeVar("E", bound=StrEnum)

MOST = 64  # values in a list
# Of what the box's pages ask: it is obeyed between two turns.
CHANGES = frozenset(
    {
        "redeem",
        "start-over",
        "wish-line",
        "set-air",
        "join-wifi",
        "show-wifi",
        "set-apn",
        "sign-in",
        "end-sign-in",
    }
)


def text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise Refused("bad-request")
    return value


def texts(request: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = request.get(name)
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(x, str) for x in value):
        raise Refused("bad-request")
    return tuple(value)


def number(request: Mapping[str, Any], name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise Refused("bad-request")
    return float(value)


def choice(request: Mapping[str, Any], name: str, kind: type[E]) -> E:
    try:
        return kind(text(request, name))
    except ValueError as error:
        raise Refused("bad-value") from error


def moment(request: Mapping[str, Any], name: str) -> float:
    """A time that a page may tell; 0.0 where it is missing or no time at all."""
    value = request.get(name)
    return float(value) if isinstance(value, int | float) and 0 < value < LARGEST else 0.0
