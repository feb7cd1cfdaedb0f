"""Which socket is for what: the colour of each, from the hardware alone.

The first built-in Ethernet socket, in the order of the machine's own buses, is blue (a line), the further ones are
yellow (laptops). Whoever prepares a box, and HQ later, may declare other ones blue; nothing else changes a colour. What is plugged in
by USB is a line. DHCP is served on yellow sockets only: a socket that nobody is sure of is blue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from appliance.core.codec import Invalid, load
from appliance.core.machine import Link, Machine, Observed

MOST_SOCKETS = 16
MOST_PLUGGED = 16
_HEX = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*", re.ASCII)


class Role(StrEnum):
    LINE = "line"
    LAPTOPS = "laptops"
    RADIO = "radio"


ROLE_WORDS = {
    Role.LINE: ("青(回線)", "blue (line)"),
    Role.LAPTOPS: ("黄(パソコン)", "yellow (laptops)"),
    Role.RADIO: ("Wi-Fi", "Wi-Fi"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The machine's sockets as far as they were ever seen. `numbered`: the built-in ones by their place on the buses,
    number one first. `late`: turned up before a numbered one while the box was running; numbered at the next start.
    `plugged`: links by USB, in the order of their coming."""

    numbered: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    plugged: tuple[str, ...] = ()

    @property
    def remembered(self) -> tuple[str, ...]:
        """What the next start begins with."""
        return tuple(sorted({*self.numbered, *self.late}, key=place_on_bus))[:MOST_SOCKETS]


def place_on_bus(bus: str) -> tuple[tuple[int, str, int], ...]:
    """Sorts places as the hardware counts them: usb2 before usb10, 0000:02:00.0 before 0000:0a:00.0."""
    found = []
    for part in re.split(r"[/:.#-]", bus):
        word = part.rstrip("0123456789")
        if _HEX.fullmatch(part):
            found.append((0, "", int(part, 16)))
        else:
            found.append((1, word, int(part[len(word) :] or "0")))
    return tuple(found)


def look(panel: Panel, links: Iterable[Link], outside: str) -> Panel:
    """The panel with what is there now. A number never changes while the box runs."""
    sockets = [x for x in links if x.namespace == outside and x.bus and not x.wireless]
    numbered, late = list(panel.numbered), list(panel.late)
    first_look = not numbered
    for bus in sorted({x.bus for x in sockets if not x.plugged}, key=place_on_bus):
        if bus in numbered or bus in late or len(numbered) + len(late) >= MOST_SOCKETS:
            continue
        if first_look or place_on_bus(bus) > place_on_bus(numbered[-1]):
            numbered.append(bus)
        else:
            late.append(bus)
    come = sorted(x.name for x in sockets if x.plugged and x.name not in panel.plugged)
    plugged = (*panel.plugged, *come)
    if len(plugged) > MOST_PLUGGED:  # the longest gone make room
        there = {x.name for x in sockets}
        plugged = tuple(x for x in plugged if x in there)[:MOST_PLUGGED]
    return Panel(numbered=tuple(numbered), late=tuple(late), plugged=plugged)


def fitted(machine: Machine, panel: Panel, observed: Observed) -> Machine:
    """The machine with its sockets in their roles."""
    if not machine.follows:
        return machine
    names = {
        x.bus: x.name for x in observed.links if x.namespace == machine.outside and x.bus and not x.plugged
    }
    lines: list[str] = []
    ports: list[str] = []
    for number, bus in enumerate(panel.numbered, 1):
        if bus in names:
            (lines if number in machine.blue else ports).append(names[bus])
    lines += [names[x] for x in panel.late if x in names]
    return replace(machine, uplinks=(*lines, *panel.plugged), ports=tuple(ports))


class Declared(StrEnum):
    """What came of HQ's declaration on a box."""

    IN_FORCE = "in-force"
    NEXT_START = "next-start"
    REFUSED = "refused"


def objection(blue: tuple[int, ...], sockets: int, wifi: bool) -> str:
    """Why a declaration does not count on a machine with so many built-in sockets, "" where it does: there must be a
    line, and a way in for laptops."""
    lines = sum(1 for x in blue if x <= sockets)
    if not lines:
        return "no-line"
    return "" if wifi or lines < sockets else "no-way-in"


def outcome(
    declared: tuple[int, ...], own: tuple[int, ...], now: tuple[int, ...], why: str
) -> tuple[Declared, str]:
    """`own`: what the disk says, `now`: what counts since the machine's start, `why`: what the box objected. With the
    reason of a refusal."""
    if why:
        return Declared.REFUSED, why
    if set(declared) != set(own):
        return Declared.REFUSED, "not-saved"
    return (Declared.IN_FORCE if set(declared) == set(now) else Declared.NEXT_START), ""


def view(machine: Machine, panel: Panel, observed: Observed, radio: str) -> list[dict[str, Any]]:
    """Each socket with its colour, for `noroshi status`, the pages and HQ."""
    found = []
    roles = [
        *((x, Role.LINE) for x in machine.uplinks),
        *((x, Role.LAPTOPS) for x in machine.ports),
        *((x, Role.RADIO) for x in (radio,) if x),
    ]
    for name, role in roles:
        link = observed.link(machine.outside, name)
        number = panel.numbered.index(link.bus) + 1 if link is not None and link.bus in panel.numbered else 0
        words = ROLE_WORDS[role]
        found.append(
            {
                "link": name,
                "role": role.value,
                "number": number,
                "there": link is not None,
                "carrier": link is not None and link.carrier,
                "words": {"ja": words[0], "en": words[1]},
            }
        )
    return found


def read_panel(data: Any) -> Panel:
    """What was remembered; raises Invalid."""
    numbered = load(tuple[str, ...], data)
    if len(numbered) > MOST_SOCKETS or any(len(x) > 200 for x in numbered):
        raise Invalid("sockets: too many")
    return Panel(numbered=tuple(sorted(set(numbered), key=place_on_bus)))
