"""Which slot starts: read and written as the boot loader does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.boot_choice import (
    SECTOR,
    SIZE,
    SLOTS,
    Choice,
    block,
    confirmed,
    counts,
    read,
    refused,
    tried,
)

FACTORY = Choice()
choices = st.sampled_from([Choice(good=x, trial=y) for x in SLOTS for y in ("", *SLOTS) if x != y])


@given(choices)
def test_what_is_written_is_read_again(choice: Choice) -> None:
    assert read(block(choice)) == choice


@given(choices, choices)
def test_a_change_lies_within_one_sector(before: Choice, after: Choice) -> None:
    assert len(block(before)) == SIZE
    assert block(before)[SECTOR:] == block(after)[SECTOR:]


@given(st.binary(max_size=1100))
def test_a_block_that_cannot_be_read_is_the_factory_s(junk: bytes) -> None:
    assert read(junk) == FACTORY or len(junk) == SIZE


def test_a_slot_on_trial_starts_next_and_the_good_one_stays_good() -> None:
    assert tried(FACTORY, "B") == Choice(good="A", trial="B")
    assert tried(FACTORY, "B").next == "B"


def test_the_good_slot_needs_no_trial() -> None:
    assert tried(Choice(good="A", trial="B"), "A") == FACTORY


def test_a_confirmed_slot_is_the_good_one() -> None:
    assert confirmed(FACTORY, "B") == Choice(good="B")


@pytest.mark.parametrize(
    ("before", "slot", "after"),
    [
        (Choice(good="A", trial="B"), "B", FACTORY),
        (FACTORY, "B", FACTORY),
        (FACTORY, "A", FACTORY),  # else nothing would start
        (Choice(good="B", trial="A"), "B", Choice(good="B", trial="A")),
    ],
)
def test_a_refused_slot_is_not_tried(before: Choice, slot: str, after: Choice) -> None:
    assert refused(before, slot) == after


def test_only_a_slot_that_may_start_counts() -> None:
    assert counts(FACTORY, "A")
    assert not counts(FACTORY, "B")
    assert counts(tried(FACTORY, "B"), "B")


@pytest.mark.parametrize("slot", ["", "C", "a", "A B", "A\n"])
def test_there_are_two_slots(slot: str) -> None:
    with pytest.raises(ValueError, match="no slot"):
        tried(FACTORY, slot)
