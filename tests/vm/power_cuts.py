"""Power cuts, thousands of them, from one recording of a box's life: what each leaves behind, and whether it is whole.

For every cut: the data partition's journal is replayed and nothing may be left to mend; the configuration that the
product then reads is one that it had saved, and not an older one than it had already answered for; the FAT partition is
sound; and every slot that the boot loader would start is, octet for octet, one that was installed as a whole.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from appliance.core import boot_choice
from tests.vm import disk, log_writes, soundness
from tests.vm.disk import Partition
from tests.vm.log_writes import Cut, Entry
from tests.vm.medium import Medium, by_last_flush, room

Tell = Callable[[str], None]
FAT, DATA = "NOROSHI", "data"
SLOTS = {"A": ("boot-a", "root-a"), "B": ("boot-b", "root-b")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """At `entries` writes the guest had this configuration, and had answered for it."""

    name: str  # what begins here: a stage of the box's life
    entries: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    image: Path  # the disk before the first write
    log: Path
    marks: tuple[Mark, ...]

    def save(self, path: Path) -> None:
        told = {"image": str(self.image), "log": str(self.log), "marks": [asdict(x) for x in self.marks]}
        path.write_text(json.dumps(told, indent=1))

    @classmethod
    def read(cls, path: Path) -> Recording:
        told = json.loads(path.read_text())
        marks = tuple(Mark(**x) for x in told["marks"])
        return cls(image=Path(told["image"]), log=Path(told["log"]), marks=marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One cut and what is wrong with it; nothing, if all is well."""

    cut: Cut
    stage: str
    state: str
    complaints: tuple[str, ...]


@dataclass(slots=True)
class Result:
    found: list[Found] = field(default_factory=list)
    states: list[str] = field(default_factory=list)  # every configuration there was, in the order they came
    stages: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[Found]:
        return [x for x in self.found if x.complaints]


def written_so_far(log: Path) -> int:
    """How many entries a log that is being written has by now."""
    with log.open("rb") as file:
        head = file.read(log_writes.SUPERBLOCK.size)
    return log_writes.SUPERBLOCK.unpack(head)[2] if len(head) == log_writes.SUPERBLOCK.size else 0


def stage_of(marks: Sequence[Mark], end: int) -> str:
    """In which stage a cut falls."""
    passed = [x.name for x in marks if x.entries <= end]
    return passed[-1] if passed else "before"


def oldest_allowed(marks: Sequence[Mark], states: Sequence[str], end: int) -> int:
    """The place in `states` of the configuration that the box had answered for before the cut; an older one would be a
    promise broken."""
    promised = [states.index(x.state) for x in marks if x.entries <= end and x.state in states]
    return max(promised, default=0)


def judge_state(marks: Sequence[Mark], states: Sequence[str], end: int, state: str) -> tuple[str, ...]:
    """Complaints about the configuration that was found."""
    if state not in states:
        return ("a configuration that nobody saved",)
    if states.index(state) < oldest_allowed(marks, states, end):
        return ("an older configuration than the box had answered for",)
    return ()


def chosen(entries: Sequence[Entry], marks: Sequence[Mark], count: int, seed: int) -> list[Cut]:
    """Half of them, at most, behind flushes: all of those if they are fewer. The others at random, as many in each
    stage: an update writes more than all the rest."""
    chance = Random(seed)
    flushes = log_writes.at_flushes(entries)
    if len(flushes) > count // 2:
        flushes = chance.sample(flushes, count // 2)
    left = count - len(flushes)
    spans = [x for x in _spans(marks, len(entries)) if any(entries[i].writes for i in range(*x))]
    found = list(flushes)
    for number, (start, end) in enumerate(spans):
        share = left // len(spans) + (number < left % len(spans))
        places = [x.index + 1 for x in entries[start:end] if x.writes]
        found += log_writes.at_random(entries, share, chance, places)
    return by_last_flush(entries, found)


def _spans(marks: Sequence[Mark], end: int) -> list[tuple[int, int]]:
    """First entry of each stage, and the one behind its last."""
    starts = [x.entries for x in marks]
    return [(a, max(a, min(b, end))) for a, b in zip(starts, [*starts[1:], end], strict=True)]


def startable(block: bytes) -> tuple[str, ...]:
    """The slots that the boot loader may start, as its note says."""
    choice = boot_choice.read(block)
    return tuple(x for x in (choice.good, choice.trial) if x)


class Checker:
    """Looks at one cut after the other."""

    def __init__(self, recording: Recording, tell: Tell) -> None:
        self._folder = room() / f"noroshi-cuts-{recording.log.stat().st_ino}"
        self._recording, self._tell = recording, tell
        table = disk.read_table(recording.image)
        self._parts: tuple[Partition, ...] = tuple(x for x in table if x.name in _kept())
        self._digests: dict[tuple[str, int], str] = {}
        self._whole: dict[str, set[str]] = {}

    def run(self, count: int, seed: int = 1) -> Result:
        """`count` cuts. What the configurations were is learnt first, from every flush with nothing lost."""
        result = Result()
        try:
            with self._recording.log.open("rb") as log:
                medium = self._begin(log)
                result.states = self._states(medium)
                self._whole_slots(medium)
                self._tell(f"{len(medium.entries)} writes and flushes, {len(result.states)} configurations")
            with self._recording.log.open("rb") as log:
                medium = self._begin(log)
                cuts = chosen(medium.entries, self._recording.marks, count, seed)
                for number, cut in enumerate(cuts, start=1):
                    result.found.append(self._look(medium, cut, result.states))
                    if number % 50 == 0 or number == len(cuts):
                        self._tell(f"{number} of {len(cuts)} cuts, {len(result.bad)} bad")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        result.stages = list(dict.fromkeys(["before", *(x.name for x in self._recording.marks)]))
        return result

    def _begin(self, log: object) -> Medium:
        shutil.rmtree(self._folder, ignore_errors=True)
        return Medium.begin(self._recording.image, log, self._parts, self._folder)  # type: ignore[arg-type]

    def _states(self, medium: Medium) -> list[str]:
        """Every configuration, oldest first, as an undisturbed disk had it."""
        states = [soundness.NOTHING]
        seen = -1
        for cut in log_writes.at_flushes(medium.entries):
            medium.forward(cut.end)
            if medium.written.get(DATA, 0) == seen:
                continue
            seen = medium.written.get(DATA, 0)
            verdict, _ = soundness.data_partition(self._folder / DATA, self._folder / "scratch")
            if verdict.state not in (states[-1], soundness.DAMAGED):
                states.append(verdict.state)
        return states

    def _whole_slots(self, medium: Medium) -> None:
        """A partition may be what it was at the beginning, or what it was at the end."""
        medium.forward(len(medium.entries))
        for names in SLOTS.values():
            for part in (x for x in self._parts if x.name in names):
                start = self._folder / "start"
                disk.extract(self._recording.image, part, start)
                both = {soundness.digest(start), soundness.digest(self._folder / part.name)}
                self._whole[part.name] = both

    def _look(self, medium: Medium, cut: Cut, states: Sequence[str]) -> Found:
        paths = medium.after(cut)
        verdict, _ = soundness.data_partition(paths[DATA], self._folder / "scratch")
        complaints = list(verdict.complaints)
        if verdict.state != soundness.DAMAGED:
            complaints += judge_state(self._recording.marks, states, cut.end, verdict.state)
        complaints += soundness.fat_partition(paths[FAT])
        complaints += self._slots(medium, paths)
        stage = stage_of(self._recording.marks, cut.end)
        return Found(cut=cut, stage=stage, state=verdict.state, complaints=tuple(complaints))

    def _slots(self, medium: Medium, paths: dict[str, Path]) -> list[str]:
        block = disk.take_bytes(paths[FAT], "noroshi/boot.env")
        if block is None:
            return ["the boot loader's note is gone"]
        complaints = []
        for slot in startable(block):
            for name in SLOTS[slot]:
                digest = self._digest(medium, name, paths[name])
                if digest not in self._whole.get(name, set()):
                    complaints.append(f"slot {slot} would be started, and {name} is not whole")
        return complaints

    def _digest(self, medium: Medium, name: str, path: Path) -> str:
        if path.parent != self._folder:
            return soundness.digest(path)
        key = (name, medium.written.get(name, 0))
        if key not in self._digests:
            self._digests[key] = soundness.digest(path)
        return self._digests[key]


def _kept() -> frozenset[str]:
    return frozenset({FAT, DATA, *(x for names in SLOTS.values() for x in names)})


def table(result: Result) -> str:
    """For people, and for the page in docs."""
    lines = [
        "| stage | cuts behind a flush | cuts with writes lost or torn | older state | newest state | bad |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stage in result.stages:
        mine = [x for x in result.found if x.stage == stage]
        if not mine:
            continue
        clean = sum(x.cut.clean for x in mine)
        newest = max((result.states.index(x.state) for x in mine if x.state in result.states), default=0)
        new = sum(x.state == result.states[newest] for x in mine)
        bad = sum(bool(x.complaints) for x in mine)
        lines.append(f"| {stage} | {clean} | {len(mine) - clean} | {len(mine) - new} | {new} | {bad} |")
    total = len(result.found)
    lines.append(
        f"| all | {sum(x.cut.clean for x in result.found)} | {total - sum(x.cut.clean for x in result.found)} | | | {len(result.bad)} |"
    )
    return "\n".join(lines)


def worst(result: Result) -> list[str]:
    """What was wrong, most frequent first."""
    counted = Counter(y for x in result.bad for y in x.complaints)
    return [f"{count} times: {what}" for what, count in counted.most_common(8)]
