"""What a packet of the box carries from one place in the kernel to another, so that rules and routes know it. A file of its
own: programs that need no more of us stay small."""

from __future__ import annotations

MARK = 0x4E52  # "NR": the tunnel's own UDP packets carry it
SCOUT_MARK = 0x4E53  # and the scout's this: they are bound to one uplink and never copied
PLACED_MARK = 0x4E54  # a packet of the tunnel whose line was decided (steer.py)
LOOKUP_MARK = 0x4E55  # questions to a line's own name server: HQ's name, the NAT64's prefix
CHECK_MARK = 0x4E56  # HQ's check of a line, outside the tunnel
SIGN_IN_MARK = 0x4E57  # one phone on its way to a line's sign-in page
