"""The leak list: every row, the phases in which it can happen, and how to bring it about.

While `act` runs, probes are fired and the taps are read all the time: the one claim holds for every row. What `act`
asserts comes on top. A new way out that somebody thinks of is a new line in `ROWS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.net.leaks import acts, holes
from tests.net.leaks.ours import Noroshi
from tests.net.leaks.subject import Subject

YEAR = 365 * 86400.0
ALL = Noroshi.phases
RUNNING = tuple(x for x in ALL[1:] if x != "SIGN_IN")
SOME = ("SETUP", "CONNECTING", "STANDBY", "PROTECTED", "BLOCKED")
TUNNELLED = ("CONNECTING", "STANDBY", "PROTECTED", "DEGRADED")
THEIRS = ("boot", "PROTECTED", "CONNECTING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    phases: tuple[str, ...]  # of ours
    act: Callable[[Noroshi], None] | None = None
    theirs: tuple[str, ...] = ()  # the phases of what is used today
    common: Callable[[Subject], None] | None = None  # how, for both
    chatter: bool = False  # without rules the kernel announces its own multicast groups
    box_is_open: tuple[str, ...] = field(default=())  # namespaces whose own processes are not fired from
    elsewhere: str = ""  # what plays it, with the same volleys and taps, where namespaces cannot


ROWS: tuple[Row, ...] = (
    Row(name="the probes alone", phases=ALL, theirs=THEIRS, common=acts.probes),
    Row(name="before the daemon, network up", phases=("boot",), act=acts.line_without_rules_of_ours),
    Row(name="daemon SIGKILL", phases=SOME, act=acts.daemon_killed),
    Row(name="web, courier, DHCP, names, tunnel SIGKILL", phases=("SETUP", "PROTECTED", "STANDBY"), act=acts.programs_killed),
    Row(name="every process SIGKILL", phases=("PROTECTED",), act=acts.everything_killed),
    Row(name="program of the tunnel SIGKILL", phases=TUNNELLED, theirs=THEIRS[1:], common=acts.tunnel_killed),
    Row(name="field rules flushed", phases=SOME, act=acts.flushed("field")),
    Row(name="outside rules flushed", phases=SOME, act=acts.flushed("box"), chatter=True, box_is_open=("box",)),
    Row(
        name="all rules flushed, nobody mends",
        phases=SOME,
        theirs=THEIRS[1:],
        common=acts.flushed_for_good,
        chatter=True,
        box_is_open=("box",),
    ),
    Row(name="tunnel device deleted", phases=TUNNELLED, theirs=THEIRS[1:], common=acts.tunnel_deleted),
    Row(name="bridge deleted", phases=("SETUP", "PROTECTED"), act=acts.link_deleted("box", "br-lan")),
    Row(name="lead into the field deleted", phases=("SETUP", "PROTECTED"), act=acts.link_deleted("field", "lan0")),
    Row(name="field namespace deleted", phases=("SETUP", "PROTECTED", "STANDBY"), act=acts.field_deleted),
    Row(name="default route and forwarding set by hand", phases=("SETUP", "PROTECTED", "DEGRADED", "BLOCKED"), act=acts.foreign_routes),
    Row(name="mission expires, another starts", phases=("PROTECTED",), act=acts.mission_expires),
    Row(name="uplink swapped mid-flow", phases=("PROTECTED",), theirs=("PROTECTED",), common=acts.swapped),
    Row(name="DHCP options 121, 249, 33, 3", phases=("SETUP", "CONNECTING", "PROTECTED"), theirs=THEIRS, common=acts.lying_dhcp),
    Row(name="rogue router advertisement", phases=("SETUP", "CONNECTING", "PROTECTED"), theirs=THEIRS, common=acts.rogue_advertisement),
    Row(name="name of HQ poisoned", phases=("CONNECTING", "PROTECTED"), act=acts.poisoned_names),
    Row(name="scout and doubled packets", phases=("PROTECTED",), act=acts.two_lines),
    Row(name="clock a year ahead", phases=("PROTECTED",), act=acts.clock(YEAR)),
    Row(name="clock a year behind", phases=("PROTECTED",), act=acts.clock(-YEAR)),
    Row(name="line → any port of the box", phases=SOME, theirs=THEIRS, common=acts.from_the_line),
    Row(name="laptop → laptop", phases=RUNNING, theirs=("PROTECTED",), common=acts.between_laptops),
    Row(name="laptop → other ports of the box", phases=RUNNING, act=acts.other_ports),
    Row(name="mobile router in a LAN socket", phases=("SETUP", "PROTECTED"), act=acts.router_in_a_lan_socket),
    Row(name="ARP, ping, SYN-ACK for the tunnel address", phases=("PROTECTED", "DEGRADED"), theirs=("PROTECTED",), common=acts.address_of_the_tunnel),
    Row(name="spoofed sources", phases=("PROTECTED", "DEGRADED"), theirs=("PROTECTED",), common=acts.spoofed),
    Row(name="half a minute after the revocation was read", phases=("BLOCKED",), act=acts.silence_after_revocation),
    Row(name="sign-in hole: another device", phases=("SIGN_IN",), act=holes.another_device),
    Row(name="sign-in hole: other ports", phases=("SIGN_IN",), act=holes.other_ports),
    Row(name="sign-in hole: line → box", phases=("SIGN_IN",), act=acts.from_the_line),
    Row(name="sign-in hole: rules flushed, nobody mends", phases=("SIGN_IN",), act=holes.flushed_for_good, chatter=True, box_is_open=("box",)),
    Row(name="sign-in hole: its time is over, nobody mends", phases=("SIGN_IN",), act=holes.time_is_over),
    Row(name="sign-in hole: daemon SIGKILL", phases=("SIGN_IN",), act=holes.daemon_killed),
    Row(name="sign-in hole: ended by the person", phases=("SIGN_IN",), act=holes.ended),
    Row(name="software upgrade", phases=("PROTECTED",), elsewhere="sudo scripts/test-image pc --scene update --scene rollback"),
)  # fmt: skip
