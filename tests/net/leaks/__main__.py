"""`scripts/leaks`: the leak list, on Noroshi and on what is used today, in namespaces of its own."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.exercise.place import Place
from tests.net.leaks import guard, table
from tests.net.leaks.contenders import Contender, RaspAp, RaspApFirewall, Unguarded, WgQuick
from tests.net.leaks.harness import Case, Outcome, cases, run_case
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.rows import ROWS
from tests.net.leaks.subject import Subject
from tests.net.world import build, demolish

ROOT = Path(__file__).parents[3]
SUBJECTS: dict[str, type[Subject]] = {
    "noroshi": Noroshi,
    "wg-quick": WgQuick,
    "raspap": RaspAp,
    "firewall": RaspApFirewall,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/leaks",
        description="Takes a box apart in every phase, fires probes all the time, and tells what left by its uplinks.",
        epilog="Exit code 0 only if every row of Noroshi that was run passed and the taps saw every probe of an "
        "unprotected box.",
    )
    parser.add_argument("--row", metavar="NAME", help="this row only; a part of its name is enough")
    parser.add_argument("--phase", metavar="PHASE", help="in this phase only")
    parser.add_argument("--subject", choices=sorted(SUBJECTS), help="only this one (default: all)")
    parser.add_argument("--list", action="store_true", help="print the rows and their phases, and do nothing")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table; a whole run writes docs/leaks.md"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes")
    asked = parser.parse_args()
    if not (asked.row or asked.phase or asked.subject or asked.markdown):
        asked.markdown = ROOT / "docs" / "leaks.md"
    return asked


def wanted(asked: argparse.Namespace, subject: type[Subject]) -> list[Case]:
    found = cases(subject)
    return [x for x in found if (asked.row or "") in x.row and asked.phase in (None, x.phase)]


def listing() -> str:
    lines = []
    for each in ROWS:
        state = f"on the booted image: {each.elsewhere}" if each.elsewhere else " ".join(each.phases)
        lines.append(f"{each.name:<48} {state}")
    return "\n".join(lines)


@contextmanager
def stood_up(kind: type[Subject], prefix: str) -> Iterator[Subject]:
    """A subject with everything around it; nothing is left of it."""
    if kind is Noroshi:
        demolish(prefix)
        try:
            ours = Noroshi(build(prefix))
            try:
                yield ours
            finally:
                ours.close()
        finally:
            demolish(prefix)
        return
    assert issubclass(kind, Contender)
    theirs = kind(Place(prefix))
    try:
        yield theirs
    finally:
        theirs.close()


def tell(outcome: Outcome) -> None:
    mark = "passed" if outcome.passed else "LEAKS "
    line = f"{mark} {outcome.subject:<22} {outcome.row} [{outcome.phase}] {outcome.seconds:.1f} s"
    sys.stderr.write(line + (f"\n       {outcome.told}" if outcome.told else "") + "\n")


def about() -> dict[str, Any]:
    revision = subprocess.run(
        ("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False
    )
    return {
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "revision": revision.stdout.strip() or "unknown",
    }


def main() -> int:
    asked = arguments()
    if asked.list:
        sys.stdout.write(listing() + "\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is removed on the way out
    prefix = f"lk{os.getpid() % 10000}"
    with stood_up(Unguarded, f"{prefix}u") as bare:
        assert isinstance(bare, Unguarded)
        missing = guard.unseen(bare)
    said = "yes" if not missing else f"no ({', '.join(missing)})"
    sys.stderr.write(f"guard: every probe of an unprotected box is seen: {said}\n")
    outcomes: list[Outcome] = []
    for name, kind in SUBJECTS.items():
        chosen = wanted(asked, kind) if asked.subject in (None, name) else []
        if not chosen:
            continue
        with stood_up(kind, f"{prefix}{name[0]}") as subject:
            for case in chosen:
                outcomes.append(run_case(subject, case))
                tell(outcomes[-1])
    facts = about() | {"guard": said}
    if asked.markdown:
        asked.markdown.write_text(table.markdown(outcomes, facts))
    if asked.json:
        asked.json.write_text(json.dumps(table.data(outcomes, facts), ensure_ascii=False, indent=1) + "\n")
    ours = [x for x in outcomes if x.subject == Noroshi.name]
    return 0 if not missing and all(x.passed for x in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
