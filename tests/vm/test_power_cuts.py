"""Which power cuts are made, and what is asked of the state each of them leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core import boot_choice
from appliance.core.boot_choice import Choice
from tests.vm import power_cuts
from tests.vm.log_writes import Cut, Entry, Flag
from tests.vm.medium import by_last_flush
from tests.vm.power_cuts import Found, Mark, Recording, Result

MARKS = (
    Mark(name="first boot", entries=0, state="nothing"),
    Mark(name="joining", entries=10, state="one"),
    Mark(name="change", entries=20, state="three"),
)
STATES = ["nothing", "one", "two", "three"]


def entry(index: int, *, flush: bool = False) -> Entry:
    flags = Flag.FLUSH if flush else Flag.NONE
    return Entry(index=index, start=index * 512, length=0 if flush else 512, flags=flags, content=0)


LOG = [entry(x, flush=x % 4 == 3) for x in range(40)]


@pytest.mark.parametrize(
    ("end", "state", "complaints"),
    [
        (0, "nothing", 0),
        (5, "one", 0),  # saved, and not answered for yet
        (15, "one", 0),
        (15, "two", 0),
        (15, "nothing", 1),  # it had been answered for
        (20, "two", 1),
        (20, "three", 0),
        (30, "other", 1),
    ],
)
def test_the_state_after_a_cut_is_one_that_was_saved_and_not_older_than_promised(
    end: int, state: str, complaints: int
) -> None:
    assert len(power_cuts.judge_state(MARKS, STATES, end, state)) == complaints


@pytest.mark.parametrize(
    ("end", "stage"), [(0, "first boot"), (9, "first boot"), (10, "joining"), (99, "change")]
)
def test_a_cut_falls_into_the_stage_that_had_begun(end: int, stage: str) -> None:
    assert power_cuts.stage_of(MARKS, end) == stage


def test_every_flush_is_cut_behind_and_the_rest_is_random() -> None:
    cuts = power_cuts.chosen(LOG, MARKS, 100, seed=1)
    assert len(cuts) == 100
    assert {x.end for x in cuts if x.clean} >= {0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40}
    assert any(x.lost for x in cuts)


def test_a_sample_is_half_flushes_and_half_random() -> None:
    assert len(power_cuts.chosen(LOG, MARKS, 4, seed=1)) == 4


def test_each_stage_has_as_many_random_cuts_however_much_was_written_in_it() -> None:
    cuts = power_cuts.chosen(LOG, MARKS, 11 + 300, seed=1)
    by_stage = [sum(power_cuts.stage_of(MARKS, x.end - 1) == m.name for x in cuts if x.end) for m in MARKS]
    assert [x >= 100 for x in by_stage] == [True, True, True]


def test_cuts_come_in_an_order_in_which_the_medium_never_goes_back() -> None:
    late = Cut(end=7, lost=frozenset({4}))  # needs the medium at 4
    assert by_last_flush(LOG, [Cut(end=8), late, Cut(end=4)]) == [Cut(end=4), late, Cut(end=8)]


@pytest.mark.parametrize(
    ("choice", "slots"),
    [
        (Choice(good="A"), ("A",)),
        (Choice(good="A", trial="B"), ("A", "B")),
        (Choice(good="B", trial="A"), ("B", "A")),
    ],
)
def test_what_the_boot_loader_may_start_has_to_be_whole(choice: Choice, slots: tuple[str, ...]) -> None:
    assert power_cuts.startable(boot_choice.block(choice)) == slots


def test_a_recording_is_kept_for_later(tmp_path: Path) -> None:
    recording = Recording(image=tmp_path / "image", log=tmp_path / "log", marks=MARKS)
    recording.save(tmp_path / "recording.json")
    assert Recording.read(tmp_path / "recording.json") == recording


def test_the_table_has_a_line_for_each_stage_and_counts_what_is_bad() -> None:
    result = Result(states=STATES, stages=["first boot", "joining"])
    result.found = [
        Found(cut=Cut(end=1), stage="first boot", state="nothing", complaints=()),
        Found(cut=Cut(end=11, lost=frozenset({9})), stage="joining", state="one", complaints=()),
        Found(cut=Cut(end=12), stage="joining", state="two", complaints=("x",)),
    ]
    assert power_cuts.table(result).splitlines()[2:] == [
        "| first boot | 1 | 0 | 0 | 1 | 0 |",
        "| joining | 1 | 1 | 1 | 1 | 1 |",
        "| all | 2 | 1 | | | 1 |",
    ]
    assert power_cuts.worst(result) == ["1 times: x"]
