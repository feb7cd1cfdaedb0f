"""The nouns are frozen, keyword-only, hashable, and hold nothing that could change behind one's back."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import FrozenInstanceError

import pytest

from appliance.core import fleet, model, phase, plan, proof, uplinks
from appliance.core.machine import Link, Observed
from appliance.core.model import OPEN_PHASES, Phase, Secret
from tests import machines

NOUNS = sorted(
    {
        x
        for module in (model, fleet, phase, plan, proof, uplinks)
        for x in vars(module).values()
        if isinstance(x, type) and dataclasses.is_dataclass(x)
    },
    key=lambda x: x.__name__,
)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_is_frozen_and_named_by_keyword(noun: type) -> None:
    parameters = noun.__dataclass_params__  # type: ignore[attr-defined]
    assert parameters.frozen and "__slots__" in vars(noun)
    assert all(x.kw_only for x in dataclasses.fields(noun))


@pytest.mark.parametrize("noun", NOUNS)
def test_no_noun_holds_a_list_or_a_dict(noun: type) -> None:
    for name, hint in typing.get_type_hints(noun).items():
        assert typing.get_origin(hint) not in (list, dict, set), name


def test_a_config_can_be_compared_and_kept_in_a_set() -> None:
    assert len({machines.SHELTER, machines.SHELTER, machines.FACTORY}) == 2


def test_nothing_of_a_noun_can_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        machines.SHELTER.serial = "x"  # type: ignore[misc]


def test_two_phases_are_open_and_no_other() -> None:
    assert {Phase.PROTECTED, Phase.DEGRADED} == OPEN_PHASES


def test_a_link_is_found_by_namespace_and_name() -> None:
    link = Link(namespace="field", name="lan0")
    seen = Observed(now=0.0, links=(Link(namespace="", name="lan0"), link))
    assert seen.link("field", "lan0") is link and seen.link("x", "lan0") is None


def test_a_secret_of_a_secret_keeps_its_value() -> None:
    assert Secret(Secret("kakizaki")).reveal() == "kakizaki"
