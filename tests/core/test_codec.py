"""Frozen dataclasses ↔ JSON: whatever was dumped loads again, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.air import host
from appliance.core.codec import (
    LARGEST,
    MAX_TEXT,
    Invalid,
    canonical,
    dump_masked,
    dump_private,
    load,
    parse_json,
)
from appliance.core.desired import field_box
from appliance.core.desired_hub import hub
from appliance.core.machine import Desired, Machine, Observed, Status
from appliance.core.model import Config, HubConfig, MissionKind, Phase, Reason, Secret
from appliance.core.plan import plan
from tests import machines
from tests.machines import NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    number: int
    part: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    secret: Secret
    phase: Phase = Phase.SETUP
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    some: frozenset[str] = frozenset()
    yes: bool = False
    numbers: tuple[float, ...] = field(default_factory=tuple)


GOOD: dict[str, Any] = {
    "name": "のろし",
    "secret": "s3cret",
    "phase": "PROTECTED",
    "inner": {"number": 1, "part": 2},
    "many": [{"number": 3}],
    "pair": ["b", 2],
    "some": ["y", "x"],
    "yes": True,
    "numbers": [1, 2.5],
}


def test_what_fits_the_annotations_loads() -> None:
    made = load(Outer, GOOD)
    assert made == Outer(
        name="のろし",
        secret=Secret("s3cret"),
        phase=Phase.PROTECTED,
        inner=Inner(number=1, part=2.0),
        many=(Inner(number=3),),
        pair=("b", 2),
        some=frozenset({"x", "y"}),
        yes=True,
        numbers=(1.0, 2.5),
    )
    assert isinstance(made.inner, Inner) and isinstance(made.inner.part, float)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"extra": 1}, "extra"),
        ({"name": 1}, "Outer.name"),
        ({"name": None}, "Outer.name"),
        ({"name": "x" * (MAX_TEXT + 1)}, "Outer.name"),
        ({"name": "\ud800"}, "Outer.name"),
        ({"secret": ["s3cret"]}, "Outer.secret"),
        ({"phase": "OPEN"}, "Outer.phase"),
        ({"phase": []}, "Outer.phase"),
        ({"inner": []}, "Outer.inner"),
        ({"inner": {}}, "number"),
        ({"inner": {"number": 1.0}}, "Outer.inner.number"),
        ({"inner": {"number": True}}, "Outer.inner.number"),
        ({"inner": {"number": 10**400}}, "Outer.inner.number"),
        ({"inner": {"number": 1, "part": float("nan")}}, "Outer.inner.part"),
        ({"inner": {"number": 1, "part": float("inf")}}, "Outer.inner.part"),
        ({"inner": {"number": 1, "part": 10**400}}, "Outer.inner.part"),
        ({"inner": {"number": 1, "part": "1"}}, "Outer.inner.part"),
        ({"many": {}}, "Outer.many"),
        ({"many": [1]}, "Outer.many[0]"),
        ({"many": "ab"}, "Outer.many"),
        ({"pair": ["b"]}, "Outer.pair"),
        ({"pair": ["b", 2, 3]}, "Outer.pair"),
        ({"pair": [1, 2]}, "Outer.pair[0]"),
        ({"some": "xy"}, "Outer.some"),
        ({"yes": 1}, "Outer.yes"),
        ({"yes": "true"}, "Outer.yes"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(Outer, GOOD | change)
    assert named in str(caught.value)


@pytest.mark.parametrize("data", [None, 1, "x", [], [GOOD], {}, {"name": "x"}])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(Invalid):
        load(Outer, data)


def test_a_refusal_never_repeats_a_secret() -> None:
    with pytest.raises(Invalid) as caught:
        load(Outer, GOOD | {"secret": {"key": "s3cret"}})
    assert "s3cret" not in str(caught.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["field", "hub", "invited", "SETUP", 10**400]),
    lambda x: (
        st.lists(x, max_size=4)
        | st.dictionaries(
            st.text(max_size=8)
            | st.sampled_from([f.name for kind in (Config, HubConfig, Outer) for f in fields(kind)]),
            x,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_foreign_data_are_loaded_or_invalid_and_nothing_else(data: Any) -> None:
    for kind in (Config, HubConfig, Observed, Desired, Machine, Outer):
        try:
            load(kind, data)
        except Invalid:
            continue


SHELTER = dump_private(machines.SHELTER)


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        found += _places(value, (*path, key))
    return found


@given(st.sampled_from(_places(SHELTER)[1:]), JSON)
def test_one_foreign_value_anywhere_in_a_config_is_loaded_or_invalid(
    path: tuple[Any, ...], value: Any
) -> None:
    data = json.loads(json.dumps(SHELTER))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    try:
        made = load(Config, data)
    except Invalid:
        return
    text = json.dumps(dump_private(made), ensure_ascii=False, allow_nan=False)
    assert load(Config, parse_json(text.encode(), 1 << 20)) == made


CAST = [
    machines.FACTORY,
    machines.INVITED,
    machines.REFUSED,
    machines.ASSIGNED,
    machines.SHELTER,
    machines.STORED,
    machines.REVOKED,
]


@pytest.mark.parametrize("config", CAST)
def test_every_config_survives_the_file(config: Config) -> None:
    assert load(Config, json.loads(json.dumps(dump_private(config), ensure_ascii=False))) == config


def test_the_hub_s_config_survives_the_file() -> None:
    config = machines.enrolled(mission=(MissionKind.DRILL, 3))[0]
    assert load(HubConfig, json.loads(json.dumps(dump_private(config)))) == config


# ------------------------------------------------------------------------------------------ secrets


def secrets_in(value: Any) -> set[str]:
    """Every secret's own text, from the annotations' side: whatever is a Secret anywhere below."""
    if isinstance(value, Secret):
        return {value.reveal()}
    if isinstance(value, tuple | list | frozenset):
        return set().union(*(secrets_in(x) for x in value)) if value else set()
    if hasattr(value, "__dataclass_fields__"):
        return set().union(*(secrets_in(getattr(value, f.name)) for f in fields(value)))
    return set()


def _told(value: Any) -> str:
    return " ".join(
        [
            repr(value),
            str(value),
            f"{value}",
            f"{value!s:>80}",
            json.dumps(dump_masked(value), ensure_ascii=False),
        ]
    )


@pytest.mark.parametrize("config", [*CAST, machines.enrolled()[0]])
def test_no_secret_of_a_config_is_ever_told(config: Config | HubConfig) -> None:
    told = _told(config)
    for secret in secrets_in(config):
        assert secret not in told
        assert secret in json.dumps(dump_private(config)).replace("\\n", "\n")  # the guard: it is in there


@pytest.mark.parametrize("config", CAST)
def test_no_plan_and_no_desired_machine_tells_a_secret(config: Config) -> None:
    status = Status(phase=Phase.SETUP, reason=Reason.NO_TICKET, since=NOW)
    point = host(machines.IDENTITY, (machines.RADIO,), config.air).point
    assert point is not None
    desired = field_box(config, status, machines.BOX_MACHINE, (), (), point=point)
    told = _told(desired) + "".join(_told(x) for x in plan(desired, Observed(now=NOW)))
    assert point.link in told
    for secret in (*secrets_in(config), point.passphrase.reveal()):
        assert secret not in told


def test_the_hub_s_plan_tells_no_secret() -> None:
    config, _, ticket = machines.enrolled()
    desired = hub(config, machines.HQ_MACHINE, NOW, {ticket.id: "public"})
    told = _told(desired) + "".join(_told(x) for x in plan(desired, Observed(now=NOW)))
    for secret in secrets_in(config):
        assert secret not in told


def test_a_secret_is_asterisks_wherever_it_is_printed() -> None:
    secret = Secret("kakizaki")
    assert {str(secret), repr(secret), f"{secret}", "%s" % secret, f"{secret:>4}"} == {"****", "'****'"}  # noqa: UP031
    assert secret.reveal() == "kakizaki"


# --------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    "text", ["", "{", "nul", "NaN", '{"a": Infinity}', "-Infinity", "[" * 100_000, b"\xff", "1" * 5000]
)
def test_text_that_is_not_json_is_invalid(text: str | bytes) -> None:
    with pytest.raises(Invalid):
        parse_json(text, 1 << 20)


def test_a_text_beyond_its_limit_is_not_even_read() -> None:
    assert parse_json("[1]", 3) == [1]
    with pytest.raises(Invalid):
        parse_json("[1] ", 3)


@given(st.binary(max_size=200))
def test_any_octets_are_json_or_invalid(raw: bytes) -> None:
    try:
        parse_json(raw, 200)
    except Invalid:
        return


@given(st.dictionaries(st.text(max_size=5), st.integers(-LARGEST, LARGEST) | st.text(max_size=5)))
def test_one_value_has_one_canonical_text(data: dict[str, Any]) -> None:
    turned = dict(reversed(list(data.items())))
    assert canonical(data) == canonical(turned)
