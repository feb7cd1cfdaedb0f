"""The machine's nouns: what is there, what should be there, and what was measured. Nothing here acts.

Times are seconds since the epoch (float) unless a name says otherwise; networks and addresses are the text that
`ipaddress` prints.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from appliance.core.lease import Lease
from appliance.core.model import NetworkClass, Phase, Reason, Secret
from appliance.core.modem import NO_MOBILE, Mobile, Order
from appliance.core.radio import Heard, Radio

TUNNEL_MTU = 1280  # the device's; what its routes let through is measured for each line (core/path_mtu.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    namespace: str
    name: str
    kind: str = ""  # "bridge", "veth", "wireguard", "tun", "" for hardware
    up: bool = False
    carrier: bool = False
    master: str = ""
    isolated: bool = False
    wireless: bool = False
    ssid: str = ""  # of the Wi-Fi network that a client is in: hostile text
    drops: int = 0  # how often the carrier went since the link was made
    bus: str = ""  # where its hardware sits, below /sys/devices; "" for what is no Ethernet or Wi-Fi hardware
    plugged: bool = False  # on USB, and not soldered to the board; a modem counts as plugged in
    modem: bool = False  # it carries nothing before its modem was told to connect


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Address:
    namespace: str
    link: str
    address: str  # "10.0.0.1/24"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Route:
    namespace: str
    table: int
    destination: str  # network, or "default"
    link: str = ""
    gateway: str = ""
    blackhole: bool = False
    metric: int = 0  # the lowest is taken; the others serve packets that are bound to their link
    mtu: int = 0  # 0: the link's


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    namespace: str
    preference: int
    table: int = 0
    mark: int = 0
    incoming: str = ""
    blackhole: bool = False
    user: int = 0  # only what this uid sends
    family: int = 4


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LaptopLease:
    """An address that a laptop or a phone holds on the LAN. `host` is its own word: hostile text."""

    mac: str
    address: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    public_key: str
    allowed: tuple[str, ...]
    endpoint: str = ""
    keepalive: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One WireGuard interface: born in `birthplace` (its UDP socket stays there), living in `namespace`."""

    name: str
    birthplace: str
    namespace: str
    private_key: Secret
    public_key: str
    peers: tuple[Peer, ...]
    mark: int = 0
    listen_port: int = 0
    mtu: int = TUNNEL_MTU


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerState:
    public_key: str
    endpoint: str
    allowed: tuple[str, ...]
    handshake: float  # 0.0 = never
    received: int
    sent: int
    keepalive: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelState:
    name: str
    namespace: str
    public_key: str
    listen_port: int
    mark: int
    peers: tuple[PeerState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A process that the machine keeps running. On the image systemd does it, elsewhere we do."""

    name: str
    command: tuple[str, ...]
    namespace: str
    user: int = 0
    group: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    config: str = ""  # digest of what it reads at its start; a new one means a restart


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FileContent:
    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sysctl:
    namespace: str
    key: str  # "net/ipv4/ip_forward"
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    namespace: str
    name: str
    ports: tuple[str, ...]  # every one isolated
    guests: tuple[str, ...] = ()  # put there by another program (hostapd); isolated once they are
    never: tuple[str, ...] = ()  # taken out, whoever put them there: lines
    veth: str  # the port that leads into the field namespace, not isolated
    peer: str  # its other end, in `peer_namespace`
    peer_namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    namespace: str
    ruleset: str  # complete text for `nft -f -`


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shaper:
    """The tunnel, held to a rate in one direction and shared out; core/queues.py says why."""

    namespace: str
    link: str  # the tunnel
    down: bool  # what comes from HQ; else what leaves for it
    rate: int  # bit/s, with `overhead` octets counted for each packet
    overhead: int = 0
    lan: str = ""  # each address of this network has a queue of its own; "" for one queue
    screens: tuple[int, ...] = ()  # ports that go before others

    @property
    def layout(self) -> int:
        """A number for everything but the rate, which the kernel keeps for us as the discipline's handle."""
        text = f"{self.overhead} {self.lan} {self.screens}"
        return 0x4000 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") % 0x4000

    @property
    def in_force(self) -> ShaperState:
        return ShaperState(
            namespace=self.namespace, link=self.link, down=self.down, rate=self.rate, layout=self.layout
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ShaperState:
    """What is in force; 0 and 0 where something is there, but not whole or not ours."""

    namespace: str
    link: str
    down: bool
    rate: int
    layout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the machine should be. `owned_*` say where undesired things are ours to remove."""

    namespaces: frozenset[str] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    firewalls: tuple[Firewall, ...] = ()
    bridge: Bridge | None = None
    links_up: frozenset[tuple[str, str]] = frozenset()  # (namespace, link)
    tunnel: Tunnel | None = None
    tunnel_name: str = ""  # taken down when `tunnel` is None
    forget: tuple[Peer, ...] = ()  # taken off the tunnel and put on again: no session, no timestamp is left
    addresses: frozenset[Address] = frozenset()
    owned_links: frozenset[tuple[str, str]] = frozenset()
    routes: frozenset[Route] = frozenset()
    owned_tables: frozenset[tuple[str, int]] = frozenset()
    rules: frozenset[Rule] = frozenset()
    owned_rules: tuple[str, int, int] | None = None  # namespace, first and last preference
    hole: Hole | None = None
    shapers: frozenset[Shaper] = frozenset()
    files: frozenset[FileContent] = frozenset()
    units: tuple[Unit, ...] = ()
    unit_names: frozenset[str] = frozenset()  # every unit we may ever run; stopped when not in `units`
    country: str = ""  # whose rules the radios obey from now on; "" = as they are
    unmuted: frozenset[str] = frozenset()  # radios that must not be muted
    client: tuple[str, str] = ("", "")  # an interface to be made, and its radio
    scan: tuple[str, str] = ("", "")  # an interface that has to look around now, and the name it asks for
    order: Order | None = None  # what a modem is to do now


class Answer(StrEnum):
    """How a desktop's endpoint answered its protocol's greeting."""

    ANSWERS = "answers"
    REFUSED = "refused"
    SILENT = "silent"
    WRONG_CERTIFICATE = "wrong-certificate"
    NOT_THE_PROTOCOL = "not-the-protocol"
    PROHIBITED = "prohibited"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopProbe:
    desktop: str
    answer: Answer
    at: float
    seconds: float = 0.0


class LineState(StrEnum):
    """What the answers on a line say of it; see core/line.py."""

    UNKNOWN = "unknown"
    GOOD = "good"
    SUSPECTED = "suspected"
    LOSING = "losing"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProbe:
    """The scout's hellos on one uplink, outside the tunnel."""

    link: str
    state: LineState
    round_trip: float = 0.0
    loss: float = 0.0
    good_for: float = 0.0  # seconds without a bad moment
    answered: int = 0  # of the hellos that the state is read from


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProbe:
    """The largest packet that the tunnel carried on a line; see core/path_mtu.py."""

    line: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorProbe:
    """Hellos to one of HQ's doors on one uplink."""

    link: str
    label: str  # of the rung; see core/ladder.py
    answered: int  # the last ones in a row
    age: float  # seconds since the last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class HubProbe:
    """Echo requests inside the tunnel: the last ones' answers. Times in seconds."""

    at: float = 0.0
    last_answer: float = 0.0
    round_trip: float = 0.0
    loss: float = 0.0  # 0..1 over the window
    refusal: str = ""  # "internet" or "port": an ICMP error came back for the hub's endpoint
    state: LineState = LineState.UNKNOWN


class Finding(StrEnum):
    """What HQ's own check says of a line."""

    UNKNOWN = "unknown"
    CLEAR = "clear"
    CAPTIVE = "captive"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalProbe:
    link: str = ""
    finding: Finding = Finding.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One phone's way to a line's sign-in page: TCP 80 and 443, and the line's name servers. `source` is the box's
    own address on that line."""

    mac: str
    address: str
    link: str
    source: str
    dns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One way of the line in use. Rates in bit/s on the line; `carried` is what got through to the far end."""

    rate: float = 0.0
    carried: float = 0.0  # 0 = not known
    delay: float = 0.0  # seconds added lately, at least
    noise: float = 0.0  # seconds that this line adds when idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What goes over the line in use. `at` is by a clock that nobody sets."""

    at: float
    up: Stream = Stream()
    down: Stream = Stream()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """The machine's own health, for reports."""

    load: float = 0.0
    memory_used: float = 0.0  # 0..1
    disk_used: float = 0.0  # 0..1
    temperature: float | None = None  # °C


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    step: str
    message: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the machine is, as read in one go. `firewalls` maps a namespace to the digest of the ruleset
    text that is loaded there, "" when what is loaded is not what we loaded."""

    now: float
    namespaces: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()
    addresses: frozenset[Address] = frozenset()
    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    firewalls: tuple[tuple[str, str], ...] = ()
    tunnel: TunnelState | None = None
    files: tuple[tuple[str, str], ...] = ()  # path, digest
    units: tuple[tuple[str, str], ...] = ()  # running unit, digest of its config at start
    leases: tuple[Lease, ...] = ()
    hub: HubProbe = HubProbe()
    lines: tuple[LineProbe, ...] = ()
    paths: tuple[PathProbe, ...] = ()
    doors: tuple[DoorProbe, ...] = ()
    found: tuple[str, ...] = ()  # addresses that HQ's name had lately
    routers: tuple[tuple[str, str], ...] = ()  # uplink, hardware address of its router
    load: Load | None = None
    shapers: frozenset[ShaperState] = frozenset()
    shapes: bool = True  # False once this kernel turned out not to be able to
    desktops: tuple[DesktopProbe, ...] = ()
    portal: PortalProbe = PortalProbe()
    hole: Hole | None = None  # the relay that runs
    laptops: tuple[LaptopLease, ...] = ()
    radios: tuple[Radio, ...] = ()
    heard: tuple[Heard, ...] = ()  # networks around, while somebody asks
    mobile: Mobile = NO_MOBILE
    vitals: Vitals = Vitals()
    failures: tuple[Failure, ...] = ()
    config_damaged: bool = False

    def link(self, namespace: str, name: str) -> Link | None:
        return next((x for x in self.links if x.namespace == namespace and x.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One way out, as judged: `table` carries its default route, reached by mark only."""

    link: str
    kind: str  # a `LineKind`
    carrier: bool
    lease: Lease | None
    table: int
    active: bool = False
    doubled: bool = False  # the tunnel's packets go out here, too
    metered: bool = False  # taken only in need
    number: int = 0  # its place among the machine's uplinks
    drops: int = 0  # how often its carrier went: another cable may be in it now
    ssid: str = ""
    dialled: bool = True  # a modem's link stays down until it is
    asks: bool = True  # for its address, of a router; what came with a modem's connection is not asked for
    refused: Reason | None = None  # HQ's policy: nothing of ours leaves on it
    lacks: frozenset[NetworkClass] = frozenset()  # classes of this box's desktops that it must not carry

    @property
    def usable(self) -> bool:
        return self.carrier and self.lease is not None and self.refused is None

    @property
    def six(self) -> bool:
        """Nothing but IPv6 is spoken there."""
        return self.lease is not None and ":" in self.lease.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    phase: Phase
    reason: Reason
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Which sockets this hardware has and where things lie on it; read once at the start."""

    outside: str = ""  # "" = the machine's own namespace
    field: str = "field"
    uplinks: tuple[str, ...] = ("eth0", "usb0")  # the one to prefer first
    metered: tuple[str, ...] = ()  # of these, the ones where every byte costs: taken only in need
    closed: tuple[str, ...] = ()  # and the ones with a closed network's SIM
    ports: tuple[str, ...] = ()
    follows: bool = False  # uplinks and ports follow from the sockets that are there (core/sockets.py)
    blue: tuple[int, ...] = (1,)  # then: which built-in sockets are for lines
    radio: str = ""  # the access point's, where somebody chose it by hand
    tunnel: str = "wg0"
    state: str = "/var/lib/noroshi"
    run: str = "/run/noroshi"
    python: str = "/usr/bin/python3"
    lease_script: str = "/usr/lib/noroshi/lease-script"  # what the DHCP client calls
    model: str = "PC"
    keeps_rates: bool = True  # holds the tunnel below what a line carries, once a queue was seen on it
    systemd: bool = False  # the image: its programs are units of systemd; else the daemon keeps them itself
    sets_clock: bool = False  # only where no other system on this kernel needs its own time
    web_hosts: tuple[str, ...] = ()  # names besides our own by which people may open our pages
    web_uid: int = 64301
    courier_uid: int = 64302
    hq_uid: int = 64303
    intake_uid: int = 64304
    relay_uid: int = 64305
    portal_uid: int = 64306
    corporate: str = ""  # hub: address of the staff's web, inside HQ
