"""`scripts/demo`: the field exercise with a person, or by itself. Whatever happens, it leaves nothing behind."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.exercise import machines, processes, topology
from scripts.exercise.act import FLEET, Act, is_open
from scripts.exercise.browser import PageStuck
from scripts.exercise.place import Occupied, Place, default_place, keep, owner_of, started_at
from scripts.exercise.processes import Running
from scripts.exercise.progress import Progress
from scripts.exercise.timeline import Timeline, report, table
from scripts.exercise.whole import Exercise


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--auto", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--down", action="store_true")
    asked = parser.parse_args()
    if asked.report and not asked.auto:
        parser.error("--report goes with --auto")
    return asked


@contextmanager
def cleaned_up(place: Place, exercise: Exercise, *, leave: bool, tell: Progress) -> Iterator[None]:
    """Removes the exercise at the end, whatever the end is: done, failed, Ctrl-C, SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it otherwise
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    try:
        yield
        if leave:
            keep(place)
    except Occupied:
        raise
    except BaseException:
        leave = False
        raise
    else:
        if leave:
            tell("the exercise stays up; remove it with: sudo scripts/demo --down")
    finally:
        if not leave and owner_of(place) == os.getpid():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not stop the removal
            exercise.down()
            tell("everything is removed")


def folder_for_shots(asked: argparse.Namespace) -> Path:
    shots: Path = asked.shots or Path(tempfile.mkdtemp(prefix="noroshi-shots-"))
    shots.mkdir(parents=True, exist_ok=True)
    print(f"Screenshots: {shots.absolute()}", flush=True)
    return shots.absolute()


def automatic(place: Place, asked: argparse.Namespace, tell: Progress) -> bool:
    exercise = Exercise(place)
    with cleaned_up(place, exercise, leave=asked.keep, tell=tell):
        exercise.up(tell, browser=True)
        shots = folder_for_shots(asked)
        ticket = machines.issue_ticket(place)
        first = Act(exercise, shots, tell, ticket)
        joined = first.run()
        show(first, joined, "From a ticket to a desktop")
        if asked.report:
            asked.report.write_text(json.dumps(report(joined), indent=1) + "\n")
        seen = sees_board(exercise, shots / "hq-board.png", tell) if joined.ok else False
        again = peacetime(exercise, shots / "peacetime", tell) if joined.ok else None
        if asked.keep:
            print(addresses(exercise, exercise.relay()))
    return joined.ok and seen and again is not None and again.ok


def sees_board(exercise: Exercise, screenshot: Path, tell: Progress) -> bool:
    try:
        exercise.look_at_board(screenshot)
    except PageStuck as problem:
        print(f"  HQ: {problem}")
        return False
    tell(f"HQ's duty officer sees the box up: {screenshot}")
    return True


def peacetime(exercise: Exercise, shots: Path, tell: Progress) -> Timeline:
    """The same box again, with nobody touching anything: power off, power on, green."""
    exercise.laptop.close_desktop()
    machines.power_off(exercise.place, "box")
    tell("the box lost its power; nobody touches anything from here on")
    time.sleep(1.0)
    act = Act(exercise, shots, tell, None)
    timeline = act.run()
    show(act, timeline, "The same box, prepared in peacetime: zero touch")
    return timeline


def show(act: Act, timeline: Timeline, title: str) -> None:
    print(table(timeline, title), flush=True)
    for problem in act.problems:
        print(f"  {problem}", flush=True)


def interactive(place: Place, asked: argparse.Namespace, tell: Progress) -> bool:
    exercise = Exercise(place)
    with cleaned_up(place, exercise, leave=asked.keep, tell=tell):
        exercise.up(tell, browser=False)
        ports = exercise.relay()
        exercise.power_on()
        tell("the box is switched on, router A's cable is in")
        print(addresses(exercise, ports), flush=True)
        if not asked.keep:
            attend(exercise, asked, tell)
    return True


def addresses(exercise: Exercise, ports: dict[str, int]) -> str:
    return f"""
  本部 / HQ board   http://127.0.0.1:{ports["hq"]}/      {machines.ADMIN} / {exercise.password}
  箱 / the wizard   http://127.0.0.1:{ports["wizard"]}/

  1. HQ: sign in, issue an invitation (招待QRコード) for a site, with a mission.
  2. Wizard: paste the invitation's text, or upload its QR picture; answer the question about the site.
  3. Watch the wizard turn green, and the box appear on HQ's board.
     When it is green, the laptop opens the desktop by itself and a screenshot is kept: HQ registered it ({machines.DEVICE}).
     The wizard's own page says that its device is not registered: register it on HQ's page of laptops.

  Look in:    ip netns exec {exercise.place.namespace("laptop")} ip address
  Pull a cable: ip -n {exercise.place.namespace("router-a")} link set lan0 down    (and up again)
  The second router: ip -n {exercise.place.namespace("router-b")} link set lan0 up
"""


def attend(exercise: Exercise, asked: argparse.Namespace, tell: Progress) -> None:
    """Until Ctrl-C: tell what the box does; when it opens the desktops, show that the laptop reaches one."""
    tell("Ctrl-C ends the exercise and removes all of it")
    last, shown = "", False
    while True:
        status = machines.status(exercise.place)
        now = f"{status['phase']}: {status['words']['ja']['what']}" if status else "the box is silent"
        if now != last:
            last = now
            tell(now)
        if status and is_open(status) and not shown:
            shown = True
            _show_desktop(exercise, folder_for_shots(asked), tell)
        time.sleep(1.0)


def _show_desktop(exercise: Exercise, shots: Path, tell: Progress) -> None:
    try:
        exercise.laptop.dhcp.ask_again()
        exercise.laptop.dhcp.wait(FLEET, patience=20)
        opened = exercise.laptop.open_desktop(exercise.access, shots / "desktop.png")
    except Exception as problem:  # a person watches: say it, and go on
        tell(f"the laptop: {problem}")
        return
    tell(f"the laptop has the desktop open: {opened.screenshot}")


def remove(place: Place, tell: Progress) -> bool:
    """`--down`: end whoever runs it, then what is left."""
    owner = owner_of(place)
    if owner:
        tell(f"ending the exercise of process {owner}")
        processes.finish((Running(owner, started_at(owner)),), patience=20.0)
    topology.down(place)
    tell("nothing of the exercise is left")
    return True


def main() -> int:
    asked = arguments()
    place, tell = default_place(), Progress()
    if asked.down:
        return 0 if remove(place, tell) else 1
    try:
        done = (automatic if asked.auto else interactive)(place, asked, tell)
    except Occupied as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
