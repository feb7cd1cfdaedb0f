"""How large a packet the tunnel carries on each line: a binary search over padded echoes, and what to use meanwhile.

Lines say it themselves only where nobody filters ICMP, so it is measured inside the tunnel, whatever lies below it:
IPv4 (60 octets more), IPv6 (80) or a relay. All sizes are multiples of 16, to which WireGuard pads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.core.machine import TUNNEL_MTU, PathProbe, Uplink

TOP = TUNNEL_MTU
START = 1200  # until it is known: 1280 octets on the line even over IPv6, and every IPv6 line carries those (RFC 8200)
BOTTOM = 512  # a line below that is no line: IPv4 itself asks for 576 (RFC 791)
STEP = 16
MISSES = 2  # rounds without an answer until a size counts as too large: packets get lost, too
LOOK_AGAIN = 120.0  # seconds: whether what passed still passes
BEGIN_AGAIN = 900.0  # seconds: whether more passes now, where it was less than the top
HEADERS = 40  # of IPv4 and TCP: what a segment is less than its packet (RFC 9293)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`good` passed (0: nothing did yet), `bad` did not."""

    good: int = 0
    bad: int = TOP + STEP
    misses: int = 0  # of the size that is asked now

    @property
    def asks(self) -> int:
        """The size to try next; 0 when the search is over. The top first: most lines carry it."""
        if self.over:
            return 0
        if self.bad > TOP:
            return TOP
        if self.good == 0 and self.bad > START:
            return START
        low = self.good or BOTTOM - STEP
        return low + (self.bad - low) // (2 * STEP) * STEP

    @property
    def over(self) -> bool:
        return self.bad - (self.good or BOTTOM - STEP) <= STEP

    @property
    def found(self) -> int:
        """What to use by now."""
        return self.good or (START if self.bad > START else BOTTOM)

    @property
    def telling(self) -> bool:
        """Over, or the line is narrow: then what it carries at least is better than what it does not."""
        return self.over or (self.bad <= TOP and self.good in (0, START))


def answered(search: Search, size: int) -> Search:
    return replace(search, good=max(search.good, size), misses=0)


def missed(search: Search, size: int) -> Search:
    """A round of echoes of that size stayed without an answer, while a small one beside them had its own."""
    if search.misses + 1 < MISSES:
        return replace(search, misses=search.misses + 1)
    return replace(search, bad=min(search.bad, size), misses=0)


def shrunk(size: int) -> Search:
    """What passed before passes no more: the way behind the same line is another one."""
    return Search(bad=size)


def line_of(uplinks: Sequence[Uplink]) -> str:
    """What a size is remembered by: the socket in use and who is behind it. "" without a line."""
    lines = [f"{x.link} {x.lease.address} {x.lease.gateway}" for x in uplinks if x.active and x.lease]
    return lines[0] if lines else ""


def line_to_measure(uplinks: Sequence[Uplink]) -> str:
    """While copies leave on a second line nobody knows which of the two answered."""
    return "" if any(x.doubled for x in uplinks) else line_of(uplinks)


def size_of(known: Iterable[PathProbe], line: str, before: int) -> int:
    """The largest packet for the tunnel on this line. A line that was not measured yet keeps what was right
    `before`: a switch must not wait for rules."""
    return next((x.size for x in known if x.line == line), before)
