"""An address that an uplink got. A file of its own: who only reads what a router says carries no more of us."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a mobile router said on one uplink, after the value grammar let it pass; of IPv4 or of IPv6."""

    link: str
    address: str  # with prefix length
    gateway: str
    dns: tuple[str, ...] = ()
    nat64: str = ""  # the prefix by which an IPv6 line reaches IPv4 addresses
    portal: bool = False  # it says itself that there is a sign-in page (RFC 8910)
    obtained: float = 0.0
    seconds: int = 0
