"""On which of HQ's doors each line stands, turn by turn, and what is remembered of it through a power cut."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from appliance.core import ladder
from appliance.core.enrolment import is_endpoint
from appliance.core.health import handshake_of
from appliance.core.ladder import Foot, Memories, Rung, Search, Seen, Standing
from appliance.core.machine import DoorProbe, LineState, Observed, Uplink
from appliance.core.model import Config
from appliance.core.names import NO_QUESTIONS, Questions
from appliance.core.phase import HUB_ANSWERED
from appliance.core.policy import at_line
from appliance.core.uplinks import Lines
from appliance.host import files


class Climbing:
    """Call `look` once a turn, after the uplink was chosen; the rest says what follows from it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memories = _read(path)
        self._usual: tuple[Rung, ...] = ()  # where nothing is known of the line
        self._ladders: Mapping[str, tuple[Rung, ...]] = {}
        self._doors: Mapping[str, Mapping[str, DoorProbe]] = {}
        self._uplinks: Mapping[str, Uplink] = {}
        self._entrance = ladder.NO_ENTRANCE
        self._relay_until = 0.0
        self._mute_since = 0.0
        self._heard = False
        self._now = 0.0
        self._active, self._active_since = ("", False), 0.0
        self.feet: Mapping[str, Foot] = {}  # replaced as a whole at every turn
        self.changed = False  # the active line took another rung at this turn

    def shift(self, seconds: float) -> None:
        self.feet = {k: x.moved(seconds) for k, x in self.feet.items()}
        self._active_since += seconds
        self._relay_until += seconds
        self._mute_since += seconds if self._mute_since else 0.0

    def look(
        self, config: Config, uplinks: tuple[Uplink, ...], observed: Observed, asked: float, *, alone: bool
    ) -> None:
        """`asked`: since when an answer inside the tunnel may be expected; `alone`: HQ does not know the box's key
        yet."""
        # A spare of another kind has its own kind's entrance, never that of the line in use.
        self._usual = ladder.ladder_of(at_line(config, uplinks), found=observed.found)
        self._now = observed.now
        self._mind_silence(observed, asked)
        self._entrance = ladder.entrance_of(config)
        self._uplinks = {x.link: x for x in uplinks if x.usable}
        active = next((x.link for x in uplinks if x.active), "")
        if (active, alone) != self._active:  # another line, or another key: nothing can have answered yet
            self._active, self._active_since = (active, alone), observed.now
        doors: dict[str, dict[str, DoorProbe]] = {}
        for x in observed.doors:
            doors.setdefault(x.link, {})[x.label] = x
        self._doors = doors
        self._ladders = {
            link: ladder.within_reach(
                self._usual if x.active else ladder.ladder_of(config, x.kind, observed.found), x
            )
            for link, x in self._uplinks.items()
            if self._usual
        }
        feet: dict[str, Foot] = {}
        memories = self._memories
        for link, rungs in self._ladders.items():
            uplink = self._uplinks[link]
            line = ladder.line_of(uplink, observed)
            seen = Seen(
                line=line,
                silent=self._silence(uplink, observed, asked),
                alone=alone,
                doors=doors.get(link, {}),
            )
            remembered = dict(self._memories).get(line, "")
            feet[link] = ladder.stand(self.feet.get(link), link, rungs, remembered, seen, observed.now)
            memories = ladder.remember(memories, feet[link], rungs, observed.now)
        before, after = self.feet.get(active), feet.get(active)
        self.changed = bool(before and after and before.rung != after.rung)
        self.feet = feet
        self._keep(memories)
        if ladder.wants_relay(feet.values(), self._ladders, self._now):
            self._relay_until = self._now + ladder.RELAY_STAYS

    def _mind_silence(self, observed: Observed, asked: float) -> None:
        """Since when HQ is silent at every door, whichever was tried; 0 while it is not, or not asked."""
        heard = observed.hub.last_answer and observed.now - observed.hub.last_answer < HUB_ANSWERED
        self._heard = bool(heard)
        silent = bool(asked) and not heard
        self._mute_since = (self._mute_since or observed.now) if silent else 0.0

    def _silence(self, uplink: Uplink, observed: Observed, asked: float) -> float | None:
        """Seconds without an answer where this line stands; None for a spare that the scout found dead."""
        foot = self.feet.get(uplink.link)
        if not uplink.active:
            state = next((x.state for x in observed.lines if x.link == uplink.link), LineState.UNKNOWN)
            return None if state is LineState.LOST else 0.0
        if foot is None or not asked:
            return 0.0
        hub = observed.hub
        # A handshake is an answer, too: the first echo may take as long again.
        heard = max(hub.last_answer, handshake_of(observed))
        silent = observed.now - max(heard, asked, self._active_since, foot.since)
        well = (
            hub.state in (LineState.GOOD, LineState.LOSING) and observed.now - hub.last_answer < HUB_ANSWERED
        )
        return 0.0 if well else max(0.001, silent)

    def _keep(self, memories: Memories) -> None:
        if memories == self._memories:
            return
        self._memories = memories
        try:
            files.write_private(self._path, [list(x) for x in memories])
        except OSError as error:  # the next time costs a second or two more
            sys.stderr.write(f"noroshi: the doors that worked could not be saved: {error}\n")

    # ------------------------------------------------------------------------------ what follows from it

    def standing(self) -> Standing | None:
        uplink = next((x for x in self._uplinks.values() if x.active), None)
        foot = self.feet.get(uplink.link) if uplink else None
        return ladder.standing(
            self._ladders,
            self._usual,
            foot,
            self._uplinks,
            self._entrance,
            relaying=self._now < self._relay_until,
            lookups=self.questions().servers,
        )

    def questions(self) -> Questions:
        """HQ's name is looked up only once every address we know stayed silent for a while."""
        names, mute = self._entrance.names, self._mute_since
        if not names or not mute or self._now - mute < ladder.LOOK_UP_AFTER:
            return NO_QUESTIONS
        servers = ((x.link, y) for x in self._uplinks.values() if x.lease for y in x.lease.dns)
        return Questions(names=names, servers=tuple(servers))

    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Uplink → where the scout sends its hellos there."""
        return tuple((link, ladder.endpoint(x.rung, self._uplinks[link])) for link, x in self.feet.items())

    def search(self, lines: Lines | None) -> Search:
        """What the finder has to ask; nothing without the key that `lines` brings."""
        if lines is None or lines.key is None:
            return Search()
        found = (
            ladder.search_line(
                x,
                self._ladders[link],
                self._doors.get(link, {}),
                self._uplinks[link],
                self._now,
            )
            for link, x in self.feet.items()
        )
        wanted = tuple(x for x in found if x is not None)
        return Search(key=lines.key, hub_key=lines.hub_key, lines=wanted) if wanted else Search()

    @property
    def searching(self) -> bool:
        return any(x.quiet and self._now - x.quiet < ladder.HURRY_ENDS for x in self.feet.values())

    def ways(self) -> dict[str, Rung]:
        """Where the lines stand, as far as HQ answers there: a door that was only tried is no way."""
        return {
            link: x.rung
            for link, x in self.feet.items()
            if not x.quiet and (self._heard or not self._uplinks[link].active)
        }


def _read(path: Path) -> Memories:
    """What cannot be read is forgotten: it only saves seconds."""
    try:
        data = files.read_private(path)
    except (files.Damaged, ValueError):
        return ()
    found = []
    for x in data if isinstance(data, list) else ():
        if isinstance(x, list) and len(x) == 2 and all(isinstance(y, str) for y in x):
            way, _, where = x[1].partition("/")
            if way in tuple(ladder.Way) and is_endpoint(where):
                found.append((x[0][:64], x[1]))
    return tuple(found[: ladder.REMEMBERED])
