"""Which peers the hub forgets and takes up again. WireGuard answers no handshake whose timestamp is not newer than
the last one: a box whose clock went back, or was once years ahead, hears nothing for as long as HQ remembers it.

Times are the hub's own, monotonic: nothing here depends on what any clock says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from appliance.core.machine import Peer, PeerState
from appliance.core.phase import HANDSHAKE_FRESH

ROUND = 5.0  # seconds between two rounds; a box tries again every five seconds by itself
QUIET = (
    15.0  # seconds without a packet after which a session counts as given up: the box shakes hands anew then
)
UNDER_WAY = 2.0  # seconds after any packet in which a handshake may be under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came from a peer so far, and since when nothing more did."""

    received: int
    since: float


def listen(before: Mapping[str, Heard], peers: Iterable[PeerState], now: float) -> dict[str, Heard]:
    """A counter that is at zero again means that we forgot the peer, not that it spoke."""
    heard = {}
    for peer in peers:
        known = before.get(peer.public_key)
        if known is None or (peer.received != known.received and peer.received > 0):
            heard[peer.public_key] = Heard(received=peer.received, since=now)
        else:
            heard[peer.public_key] = replace(known, received=peer.received)
    return heard


def deaf(peers: Iterable[PeerState], heard: Mapping[str, Heard], now: float, clock: float) -> frozenset[str]:
    """Public keys of the peers without a live session: never shaken or long ago and nothing under way, or silent
    for so long that their box has begun anew. `clock` is the clock that handshakes are dated by. Scouts, who are
    allowed nothing, never have a session: see `scouts_of_the_renewed`."""
    return frozenset(
        x.public_key
        for x in peers
        if x.allowed and _quiet(x, heard, now) >= (QUIET if _has_session(x, clock) else UNDER_WAY)
    )


def scouts_of_the_renewed(
    before: Mapping[str, float], peers: Iterable[PeerState], scouts: Mapping[str, tuple[str, ...]]
) -> frozenset[str]:
    """The scouts' keys of every box that shook hands since `before` (tunnel key → last handshake): what their hellos
    were dated by may be a clock that this box has no more, and they have no session by which to tell."""
    renewed = [x.public_key for x in peers if x.handshake > before.get(x.public_key, 0.0)]
    return frozenset(key for x in renewed for key in scouts.get(x, ()))


def until_next_round(
    peers: Iterable[PeerState], heard: Mapping[str, Heard], now: float, clock: float
) -> float:
    """Seconds. Sooner where a handshake seems under way: it is done by then, or was a poisoned one."""
    begun = any(x.allowed and not _has_session(x, clock) and _quiet(x, heard, now) < UNDER_WAY for x in peers)
    return UNDER_WAY if begun else ROUND


def _has_session(peer: PeerState, clock: float) -> bool:
    return peer.handshake > 0 and abs(clock - peer.handshake) < HANDSHAKE_FRESH


def _quiet(peer: PeerState, heard: Mapping[str, Heard], now: float) -> float:
    return now - heard[peer.public_key].since if peer.public_key in heard else 0.0


def wished(peers: Iterable[Peer], keys: frozenset[str]) -> tuple[Peer, ...]:
    return tuple(x for x in peers if x.public_key in keys)
