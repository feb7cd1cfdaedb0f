"""`scripts/bench`: which benchmark, how often, and where the figures go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import Any

from scripts.benchmarks.catalogue import BENCHMARKS
from scripts.benchmarks.figures import report, table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures in a field exercise of its own, beside whatever else runs. Without NAME, the list.",
        epilog="Exit code 0 when it was measured, whatever the figures say; `ok` in FILE tells whether the limits were kept.",
    )
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, with every sample")
    parser.add_argument("--runs", type=int, metavar="N", help="how many samples")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.name is None and (asked.json or asked.runs is not None):
        parser.error("which benchmark? Run scripts/bench for the list.")
    if asked.runs is not None and asked.runs < 1:
        parser.error("--runs: at least 1")
    return asked


def listing() -> str:
    lines = [f"  {x.name:<14} {x.line}" for x in BENCHMARKS.values()]
    return "\n".join(["scripts/bench NAME [--json FILE] [--runs N]", *lines])


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    return {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def tell_from(start: float, text: str) -> None:
    sys.stderr.write(f"\033[2m{time.monotonic() - start:6.1f} s\033[0m  {text}\n")
    sys.stderr.flush()


def main() -> int:
    asked = arguments()
    if asked.check:
        return 0
    if asked.name is None:
        print(listing())
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the exercise is removed on the way out
    benchmark = BENCHMARKS[asked.name]
    runs = asked.runs or benchmark.runs
    around, start = machine(), time.monotonic()
    try:
        figures = benchmark.measure(runs, lambda text: tell_from(start, text))
    except KeyboardInterrupt:
        return 130
    print(f"{benchmark.name}: {benchmark.line}")
    print(table(figures))
    if asked.json:
        told = report(benchmark.name, runs, figures, around) | benchmark.objects(figures)
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
