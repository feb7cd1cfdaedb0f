"""`scripts/bench` from outside, and the shape of what it writes. Nothing here depends on how fast a machine is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from scripts.benchmarks.catalogue import BENCHMARKS
from scripts.benchmarks.desktop import Failed, persons_part
from scripts.benchmarks.figures import Figure, report, table
from scripts.benchmarks.throughput import Sample, figures

BENCH = Path(__file__).parents[1] / "scripts" / "bench"


def bench(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BENCH), *argv], capture_output=True, text=True, check=False, timeout=30)


def test_without_a_name_it_lists_each_benchmark_on_one_line() -> None:
    done = bench()
    assert done.returncode == 0
    for name, benchmark in BENCHMARKS.items():
        assert [x for x in done.stdout.splitlines() if x.split()[:1] == [name]], name
        assert benchmark.line in done.stdout


def test_help_says_what_the_exit_code_means() -> None:
    done = bench("--help")
    assert done.returncode == 0
    assert "--json FILE" in done.stdout and "--runs N" in done.stdout and "Exit code" in done.stdout


@pytest.mark.parametrize("argv", [["speed"], ["turn", "--runs", "0"], ["--runs", "3"], ["turn", "--fast"]])
def test_what_it_does_not_know_it_refuses_before_anything_is_installed(argv: list[str]) -> None:
    done = bench(*argv)
    assert done.returncode == 2
    assert "usage:" in done.stderr and "Traceback" not in done.stderr
    assert "setup" not in done.stderr


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_of_the_list_can_be_loaded(name: str) -> None:
    import importlib

    assert callable(importlib.import_module(BENCHMARKS[name].module).measure)
    assert BENCHMARKS[name].runs >= 1


def test_the_report_holds_every_sample_its_median_and_whether_limits_were_kept() -> None:
    kept = Figure(name="turn", unit="ms", values=(3.0, 1.0, 2.0), at_most=2.0)
    free = Figure(name="other", unit="s", values=(5.0,))
    found = json.loads(json.dumps(report("turn", 3, [kept, free], {"load": 0.1})))
    assert set(found) == {"benchmark", "runs", "machine", "figures", "ok"}
    assert found["ok"] is True
    assert found["figures"][0] == {
        "name": "turn", "unit": "ms", "median": 2.0, "lowest": 1.0, "highest": 3.0,
        "values": [3.0, 1.0, 2.0], "at_most": 2.0, "at_least": None, "ok": True,
    }  # fmt: skip
    assert found["figures"][1]["ok"] is None


@pytest.mark.parametrize(
    "figure",
    [
        Figure(name="slow", unit="s", values=(2.1,), at_most=2.0),
        Figure(name="thin", unit="", values=(0.9, 0.94, 0.99), at_least=0.95),
    ],
)
def test_a_missed_limit_is_said_in_the_report_and_in_the_table(figure: Figure) -> None:
    assert report("x", 1, [figure], {})["ok"] is False
    assert "MISSED" in table([figure])


def test_a_figure_without_a_sample_does_not_exist() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Figure(name="turn", unit="ms", values=())


def test_the_persons_part_begins_where_the_phone_first_shows_the_question() -> None:
    pages = [{"step": "line", "at": 10.0}, {"step": "ticket", "at": 11.0}, {"step": "ticket", "at": 12.0}]
    assert persons_part({"ticket-accepted": 13.5}, pages) == 2.5
    with pytest.raises(Failed):
        persons_part({"ticket-accepted": 13.5}, [{"step": "line", "at": 10.0}])


def test_throughput_is_compared_pair_by_pair_in_both_directions() -> None:
    pair = (Sample(megabits=95.0, cost=11.0), Sample(megabits=100.0, cost=10.0))
    found = {x.name: x for x in figures({"up": [pair], "down": [pair, pair]})}
    assert found["box ÷ wg-quick, up"].values == (0.95,)
    assert found["box ÷ wg-quick, up"].ok is True
    assert found["the same by processor time, down"].values == (10 / 11, 10 / 11)
