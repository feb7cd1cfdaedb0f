"""Outcomes → the table of docs/leaks.md, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.net.leaks.harness import Outcome
from tests.net.leaks.rows import ROWS

OURS = "Noroshi"
NEAR = "the line's own network"
HEAD = """# What leaks, and what does not

Written by the run itself: `sudo scripts/leaks`. Change the table in `tests/net/leaks/rows.py`, never here.

While a row lasts, volley after volley is fired: TCP, UDP, ICMP and name questions, IPv4 and IPv6, to the internet, to the
uplink's own network and to what lies behind the tunnel, from a laptop behind the box that knows the box's hardware
address and from people on the box itself (root and nobody in the machine's own namespace, also bound to the uplinks;
nobody and the courier in the field namespace). Taps on the mobile routers' side of both uplinks are read all the time.
**passed**: nothing left but WireGuard (by its content) and TLS to HQ's own doors, DHCP and neighbour discovery, HQ's desks
saw nothing but their desktops, what the row asserts besides was true, and the box was as it should be afterwards.
**leaks**: packets that were seen, by kind below the table. "—": cannot happen there.
"""
NOTES = """
* *outside rules flushed*, *all rules flushed*: nothing is fired by the box's own processes in the machine's own namespace
  while its rules are away. Structure does not close these: a process that binds to an uplink may use it until the next
  turn has put the rules back. Laptops and everything in the field namespace stay closed.
* *on the booted image*: that command fires the same volleys and reads the same taps; its findings are in
  [image-proof.md](image-proof.md), not in the counts above.
* *clock*: the daemon's clock; wireguard-go dates its handshakes by the kernel's, which no test here may set.
* Compared are routing set-ups that people use, each as its own documents say, with a LAN behind: `wg-quick` with
  AllowedIPs 0.0.0.0/0 and the kill switch of wg-quick(8), for IPv6, too; "RaspAP's kind" with what RaspAP's installer
  leaves (forward everything, masquerade everything) and the same kill switch, a rule for what the box itself sends
  (OUTPUT); "RaspAP's firewall" has, besides, the rules that its firewall page makes for a WireGuard client: into the
  tunnel only. Where they run no such program the row is "—". None claims what the rows ask; nothing of theirs was put
  back by hand. The network beside the box is reached on purpose by `wg-quick` (it leaves routes more specific than the
  default alone); for a box of ours it is somebody's mobile router.
"""


def markdown(outcomes: Sequence[Outcome], about: dict[str, Any]) -> str:
    subjects = list(dict.fromkeys(x.subject for x in outcomes))
    found = {(x.row, x.phase, x.subject): x for x in outcomes}
    lines = list(dict.fromkeys((x.row, x.phase) for x in outcomes))
    ours = [x for x in outcomes if x.subject == OURS]
    text = [HEAD, _summary(outcomes, subjects, about), ""]
    text += [
        f"| row | phase | {' | '.join(subjects)} | run this row |",
        f"| --- | --- |{' --- |' * (len(subjects) + 1)}",
    ]
    for row, phase in lines:
        cells = [_cell(found.get((row, phase, x))) for x in subjects]
        text.append(f"| {row} | {phase} | {' | '.join(cells)} | {command(row, phase)} |")
    for each in ROWS:
        if each.elsewhere:
            told = "on the booted image"
            cells = [told, *("—" for _ in subjects[1:])]
            text.append(
                f"| {each.name} | {', '.join(each.phases)} | {' | '.join(cells)} | `{each.elsewhere}` |"
            )
    text += [NOTES, *_reasons(ours), *_leaks(outcomes)]
    return "\n".join(text).rstrip() + "\n"


def command(row: str, phase: str) -> str:
    return f"`sudo scripts/leaks --row '{row}' --phase {phase}`"


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "—"
    return "passed" if outcome.passed else f"**leaks**: {', '.join(outcome.where)}"


def _summary(outcomes: Sequence[Outcome], subjects: Sequence[str], about: dict[str, Any]) -> str:
    lines = []
    for name in subjects:
        own = [x for x in outcomes if x.subject == name]
        near = [x for x in own if not x.passed and set(x.where) == {NEAR}]
        lines.append(f"* {name}: {sum(x.passed for x in own)} of {len(own)} passed" + (
            f"; in {len(near)} of the others nothing got further than the mobile router's own network" if near else ""
        ))  # fmt: skip
    volleys, seconds = sum(x.volleys for x in outcomes), sum(x.seconds for x in outcomes)
    lines += [
        f"* without any protection every single probe was seen by the same taps: {about['guard']}",
        f"* {volleys} volleys in {seconds:.0f} s; kernel {about['kernel']}; {about['date']}, revision {about['revision']}",
    ]
    return "\n".join(lines)


def _reasons(ours: Sequence[Outcome]) -> list[str]:
    """What the box said of itself, where something was taken from it."""
    lines = [
        f"* {x.row} [{x.phase}]: {' → '.join(x.reasons)}"
        for x in ours
        if len(x.reasons) > 1 and " → " not in x.row
    ]
    return ["## What the box said meanwhile", "", *lines, ""] if lines else []


def _leaks(outcomes: Sequence[Outcome]) -> list[str]:
    lines = [f"* {x.subject}, {x.row} [{x.phase}]: {x.told}" for x in outcomes if not x.passed]
    return ["## What was seen to leave", "", *lines] if lines else []


def data(outcomes: Sequence[Outcome], about: dict[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "rows": [asdict(x) for x in outcomes],
        "elsewhere": [
            {"row": x.name, "phases": x.phases, "command": x.elsewhere} for x in ROWS if x.elsewhere
        ],
    }
