"""`scripts/test-image pc`: which image, which scenes, and where what was found goes. Leaves nothing running."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from scripts.exercise import topology
from scripts.exercise.place import Occupied, owner_of
from scripts.exercise.progress import Progress
from tests.vm import catalogue
from tests.vm.field import PREFIX, image_of, place
from tests.vm.outcome import as_json, lines
from tests.vm.stage import Stage


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test-image pc",
        description="Boots the unmodified image in a virtual machine, inside a field exercise in network namespaces.",
        epilog="Scenes: " + "; ".join(f"{x.name}: {x.line}" for x in catalogue.SCENES) + ".",
    )
    parser.add_argument(
        "--quick", action="store_true", help="what CI plays, a few minutes: " + ", ".join(catalogue.QUICK)
    )
    parser.add_argument(
        "--scene",
        action="append",
        choices=[x.name for x in catalogue.SCENES],
        help="only this one; again for more",
    )
    parser.add_argument("--image", type=Path, help="the raw image (default: the last build's)")
    parser.add_argument("--cuts", type=int, help="how many power cuts are looked at (1200; 60 with --quick)")
    parser.add_argument("--boots", type=int, help="how many of them are booted (10; 3 with --quick)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was found as JSON")
    parser.add_argument("--shots", type=Path, metavar="FOLDER", help="screenshots, consoles and logs")
    parser.add_argument(
        "--kvm",
        action="store_true",
        help="on real hardware: quicker; some virtual hosts only seem to have it",
    )
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    image: Path = asked.image or image_of("pc")
    if not image.exists():
        sys.stderr.write(f"There is no image at {image}.\n  Build one: sudo image/build pc\n")
        return 2
    names = asked.scene or (catalogue.QUICK if asked.quick else catalogue.WHOLE)
    shots: Path = asked.shots or Path(tempfile.mkdtemp(prefix="noroshi-image-"))
    shots.mkdir(parents=True, exist_ok=True)
    tell = Progress()
    tell(f"screenshots, consoles and logs: {shots.absolute()}")
    quick = set(names) == set(catalogue.QUICK)
    cuts = (60 if quick else 1200) if asked.cuts is None else asked.cuts
    boots = (3 if quick else 10) if asked.boots is None else asked.boots
    with tidied() as folder:
        stage = Stage(image=image, folder=folder, shots=shots.absolute(), tell=tell, cuts=cuts, boots=boots)
        if asked.kvm:
            stage.accelerator = "kvm"
        chosen = [x for x in catalogue.SCENES if x.name in names]
        for scene in chosen:
            play(stage, scene)
        play_again(stage, chosen)
    sys.stdout.write("\n".join(lines(stage.report)) + "\n")
    if asked.report:
        asked.report.write_text(json.dumps(as_json(stage.report), indent=1, ensure_ascii=False) + "\n")
    return 0 if stage.report.good else 1


def play(stage: Stage, scene: catalogue.Scene) -> None:
    """What a scene stumbles over is a finding like any other; the next one is played all the same."""
    stage.scene = scene.name
    stage.tell(f"── {scene.name}: {scene.line}")
    try:
        scene.play(stage)
    except Occupied:
        raise
    except Exception as problem:
        traceback.print_exc()
        stage.check("the scene was played to its end", False, f"{type(problem).__name__}: {problem}"[:500])


def play_again(stage: Stage, scenes: list[catalogue.Scene]) -> None:
    """What real timers did on a machine that was busy says little: a scene that failed is played once more, and fails for
    good if it fails again. Both are told."""
    for scene in scenes:
        if stage.report.failed(scene.name):
            stage.tell(f"{scene.name} failed: once more")
            stage.report.set_aside(scene.name)
            play(stage, scene)


@contextlib.contextmanager
def tidied() -> Iterator[Path]:
    """Room for disks. At the end, whatever the end is, no machine runs and nothing is left."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="noroshi-vm-", dir="/var/tmp"))
    try:
        yield folder
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if owner_of(place(PREFIX)) == os.getpid():
            topology.down(place(PREFIX))
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Occupied as reason:
        sys.stderr.write(f"{reason}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
