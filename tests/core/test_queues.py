"""What the line carries, and to what the tunnel is held: tables, and a simulated bottleneck."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.machine import Load, Observed, Route, ShaperState, Stream
from appliance.core.model import Phase
from appliance.core.plan import RemoveShaper, SetShaper, plan
from appliance.core.queues import (
    BELOW,
    ENDLESS,
    LEAST,
    LEFT_ALONE,
    Answer,
    Pipe,
    Queues,
    adjust,
    decide,
    load_of,
    shapers,
    shortened,
    stands,
)
from tests.core.boxes import box_in
from tests.machines import BOX_MACHINE, SHELTER

MEGABIT = 1_000_000.0


def answers(up: list[float], octets: int = 12_500, pace: float = 0.1, idle: bool = False) -> list[Answer]:
    """One question each `pace`; so many octets leave, and come, between two of them."""
    found = []
    for number, delay in enumerate(up):
        sent = number * pace
        found.append(
            Answer(sent, sent + delay + 0.01, delay + 7.0, 0.01 - 7.0, number * octets, number * octets, idle)
        )
    return found


def test_what_the_far_end_got_is_told_however_fast_the_queue_grows() -> None:
    """2 Mbit/s leave and the delay grows by half of the time: the line carries 1.33 Mbit/s."""
    growing = [0.05 * x for x in range(10)]
    seen = answers(growing, octets=25_000)
    load = load_of(seen, seen[-1].back, 2 * MEGABIT, 0.0)
    assert load.up.carried == pytest.approx(2 * MEGABIT / 1.5, rel=0.02)
    assert load.up.delay > 0.2
    assert load.down.delay == pytest.approx(0.0, abs=1e-6)


def test_two_clocks_that_drift_apart_feign_no_queue() -> None:
    seen = [
        replace(x, up=x.up + n * 0.05, down=x.down - n * 0.05) for n, x in enumerate(answers([0.01] * 10))
    ]
    load = load_of(seen, seen[-1].back, MEGABIT, MEGABIT)
    assert not stands(load.up)
    assert not stands(load.down)


def test_without_fresh_answers_nothing_is_known() -> None:
    seen = answers([0.5] * 10)
    assert load_of(seen, seen[-1].back + 5.0, MEGABIT, MEGABIT).up == Stream(rate=MEGABIT)
    assert load_of(seen[:3], seen[2].back, MEGABIT, MEGABIT).up.carried == 0.0


def test_one_late_answer_is_no_queue() -> None:
    seen = answers([0.01, 0.01, 0.3, 0.01, 0.01, 0.3])
    assert not stands(load_of(seen, seen[-1].back, MEGABIT, MEGABIT).up)


FREE = Pipe()
STREAMS = {
    "a quiet line": (Pipe(), Stream(rate=50_000.0, carried=50_000.0), 0),
    "full without a queue": (Pipe(), Stream(rate=50 * MEGABIT, carried=50 * MEGABIT, delay=0.005), 0),
    "a queue": (Pipe(), Stream(rate=MEGABIT, carried=MEGABIT, delay=0.04), 872_000),
    "a long queue": (Pipe(), Stream(rate=MEGABIT, carried=MEGABIT, delay=2.0), 400_000),
    "a queue, but nobody knows what got through": (Pipe(), Stream(rate=MEGABIT, delay=0.5), 0),
    "an idle line's own noise": (
        Pipe(),
        Stream(rate=MEGABIT, carried=MEGABIT, delay=0.05, noise=0.04),
        0,
    ),
    "a slow line's own packet": (Pipe(), Stream(rate=200_000.0, carried=200_000.0, delay=0.06), 0),
    "the queue is gone": (
        Pipe(rate=400_000, edge=1_000_000, changed=1.0),
        Stream(rate=400_000.0, carried=400_000.0),
        896_000,
    ),
    "held and half empty": (
        Pipe(rate=896_000, edge=1_000_000, changed=1.0),
        Stream(rate=400_000.0, carried=400_000.0),
        896_000,
    ),
    "close to the edge, tried lately": (
        Pipe(rate=960_000, edge=1_000_000, changed=90.0, queued=80.0),
        Stream(rate=960_000.0, carried=960_000.0),
        960_000,
    ),
    "close to the edge, tried long ago": (
        Pipe(rate=960_000, edge=1_000_000, changed=90.0, queued=20.0),
        Stream(rate=960_000.0, carried=960_000.0),
        976_000,
    ),
    "far beyond the edge: the line became better": (
        Pipe(rate=2_000_000, edge=1_000_000, changed=90.0, step=1.2),
        Stream(rate=2 * MEGABIT, carried=2 * MEGABIT),
        2_496_000,
    ),
    "fast enough to be let go": (
        Pipe(rate=190_000_000, edge=1_000_000, changed=90.0, step=1.25),
        Stream(rate=190 * MEGABIT, carried=190 * MEGABIT),
        0,
    ),
    "changed half a second ago": (
        Pipe(rate=896_000, edge=1_000_000, changed=99.5),
        Stream(rate=900_000.0, carried=900_000.0, delay=0.5),
        896_000,
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_next_rate(name: str) -> None:
    pipe, stream, rate = STREAMS[name]
    assert adjust(pipe, stream, 100.0).rate == rate


def test_a_queue_that_outlives_us_is_somebody_elses() -> None:
    pipe, now = Pipe(), 100.0
    stream = Stream(rate=MEGABIT, carried=MEGABIT, delay=0.3)
    held = []
    for _ in range(12):
        now += 1.0
        pipe = adjust(pipe, stream, now)
        held.append(pipe.rate)
    assert held[0] > 0
    assert pipe.rate == 0
    assert adjust(pipe, stream, now + 1.0).rate == 0, "not again at once"
    assert adjust(pipe, stream, now + LEFT_ALONE + 1.0).rate > 0


def run(capacity: float, offered: float, seconds: int = 120, start: Pipe = FREE) -> list[tuple[int, float]]:
    """One way of a line with a queue of any depth: (rate, delay) at each tenth of a second."""
    pipe, backlog, found = start, 0.0, []
    history: list[tuple[float, float]] = []
    for tick in range(seconds * 10):
        now = 100.0 + tick / 10
        sent = min(offered, pipe.rate or offered)
        before = backlog
        backlog = max(0.0, backlog + (sent - capacity) / 10)
        carried = sent + (before - backlog) * 10
        history.append((sent, backlog / capacity))
        least = min(x for _, x in history[-4:])
        pipe = adjust(pipe, Stream(rate=sent, carried=max(carried, 1.0), delay=least), now)
        found.append((pipe.rate, backlog / capacity))
    return found


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.floats(200_000, 50_000_000),
    factor=st.floats(1.05, 8.0),
)
def test_it_comes_to_rest_below_what_a_line_carries(capacity: float, factor: float) -> None:
    seen = run(capacity, capacity * factor)
    assert all(rate == 0 or rate >= LEAST for rate, _ in seen)
    last = seen[-600:]  # the second half
    assert all(0.5 * capacity <= rate <= 1.15 * capacity for rate, _ in last)
    late = sorted(delay for _, delay in last)
    assert late[int(len(late) * 0.95)] < 0.05


@settings(max_examples=30, deadline=None)
@given(capacity=st.floats(1_000_000, 50_000_000), part=st.floats(0.0, 0.95))
def test_a_line_that_is_not_full_is_never_held(capacity: float, part: float) -> None:
    assert {rate for rate, _ in run(capacity, capacity * part, seconds=30)} == {0}


def test_a_line_that_became_better_is_found_out() -> None:
    seen = run(10 * MEGABIT, 50 * MEGABIT, start=Pipe(rate=900_000, edge=1_000_000, changed=90.0))
    assert seen[-1][0] > 6 * MEGABIT
    assert seen[-1][0] < ENDLESS


# --------------------------------------------------------------------------------- lines, and the plan


def observed(at: float, delay: float = 0.0, held: frozenset[ShaperState] = frozenset()) -> Observed:
    stream = Stream(rate=MEGABIT, carried=MEGABIT, delay=delay)
    return Observed(now=1.0, load=Load(at=at, up=stream, down=Stream(rate=50_000.0)), shapers=held)


def test_each_line_has_rates_of_its_own_and_they_are_remembered() -> None:
    known = decide(Queues(), "eth0", observed(1.0))
    known = decide(known, "eth0", observed(2.0, delay=0.1))
    slow = known.of("eth0")[0].rate
    assert slow > 0
    known = decide(known, "usb0", observed(3.0, delay=0.1))  # the old line's measure, once more
    assert known.of("usb0") == (Pipe(), Pipe())
    known = decide(known, "", observed(4.0))
    known = decide(known, "eth0", observed(5.0))
    assert known.of("eth0")[0].rate == slow


def test_a_new_daemon_takes_over_what_is_in_force() -> None:
    up = ShaperState(namespace="field", link="wg0", down=False, rate=900_000, layout=1)
    known = decide(Queues(), "eth0", observed(1.0, held=frozenset({up})))
    assert known.of("eth0")[0].rate == 900_000
    assert known.of("eth0")[0].edge * BELOW == pytest.approx(900_000, rel=0.02)
    assert known.of("eth0")[1].rate == 0


def test_rates_become_steps_in_place_and_an_empty_plan() -> None:
    desired, state = box_in("shelter", Phase.PROTECTED, "one-line")
    assignment = SHELTER.assignment
    queues = Queues(lines={"eth0": (Pipe(rate=896_000), Pipe(rate=2_696_000))})
    wished = shapers(queues, "eth0", state, BOX_MACHINE, assignment)
    steps = plan(replace(desired, shapers=wished), state)
    assert [type(x) for x in steps] == [SetShaper, SetShaper]
    there = replace(state, shapers=frozenset(x.in_force for x in wished))
    assert plan(replace(desired, shapers=wished), there) == ()
    faster = shapers(
        Queues(lines={"eth0": (Pipe(rate=904_000), Pipe(rate=2_696_000))}),
        "eth0",
        state,
        BOX_MACHINE,
        assignment,
    )
    changed = plan(replace(desired, shapers=faster), there)
    assert [x.shaper.rate for x in changed if isinstance(x, SetShaper)] == [904_000]
    assert {type(x) for x in plan(desired, there)} == {RemoveShaper}


def test_nothing_is_held_where_the_kernel_cannot_or_nobody_wants_it() -> None:
    queues = Queues(lines={"eth0": (Pipe(rate=896_000), Pipe())})
    _, state = box_in("shelter", Phase.PROTECTED, "one-line")
    off = replace(BOX_MACHINE, keeps_rates=False)
    assert shapers(queues, "eth0", state, BOX_MACHINE, SHELTER.assignment)
    assert not shapers(queues, "eth0", replace(state, shapes=False), BOX_MACHINE, SHELTER.assignment)
    assert not shapers(queues, "eth0", state, off, SHELTER.assignment)
    assert not shapers(queues, "usb0", state, BOX_MACHINE, SHELTER.assignment)


@pytest.mark.parametrize(("carried", "held"), [(90e6, True), (110e6, False)])
def test_a_line_that_carries_a_hundred_megabits_is_never_held(carried: float, held: bool) -> None:
    assert stands(Stream(rate=carried, carried=carried, delay=0.05)) is held


@pytest.mark.parametrize(("rate", "mtu"), [(896_000, 576), (2_104_000, 1280), (0, 1280)])
def test_on_a_slow_way_up_packets_are_short_so_that_a_key_never_waits_long(rate: int, mtu: int) -> None:
    _, state = box_in("shelter", Phase.PROTECTED, "one-line")
    queues = Queues(lines={"eth0": (Pipe(rate=rate), Pipe(rate=896_000))})
    held = shapers(queues, "eth0", state, BOX_MACHINE, SHELTER.assignment)
    tunnel, box = BOX_MACHINE.tunnel, BOX_MACHINE.outside
    inside = Route(namespace=BOX_MACHINE.field, table=254, destination="10.10.0.20/32", link=tunnel, mtu=1280)
    line = Route(namespace=box, table=100, destination="default", link="eth0", gateway="192.168.1.1")
    assert shortened(frozenset({inside, line}), held) == {replace(inside, mtu=mtu), line}
