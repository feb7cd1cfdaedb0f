"""The nouns: everything Noroshi decides about is one of these frozen values. Nothing here acts.

Times are seconds since the epoch (float) unless a name says otherwise; keys are standard base64 text as
wireguard-tools writes them; networks and addresses are the text that `ipaddress` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Secret(str):
    """A text that prints as asterisks; `reveal` is the one way to its value."""

    __slots__ = ()

    def __new__(cls, text: str) -> Secret:
        return super().__new__(cls, text.reveal() if isinstance(text, Secret) else text)

    def __repr__(self) -> str:
        return "'****'"

    def __str__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return format("****", spec)

    def reveal(self) -> str:
        return str.__str__(self)


class Role(StrEnum):
    FIELD = "field"
    HUB = "hub"


class Phase(StrEnum):
    """What the field office may do now; each phase has one complete firewall (see docs/security.md)."""

    SETUP = "SETUP"
    SIGN_IN = "SIGN_IN"
    CONNECTING = "CONNECTING"
    STANDBY = "STANDBY"
    PROTECTED = "PROTECTED"
    DEGRADED = "DEGRADED"
    BLOCKED = "BLOCKED"


OPEN_PHASES = frozenset({Phase.PROTECTED, Phase.DEGRADED})


class Reason(StrEnum):
    """Why the box is in its phase. `words.py` has a sentence and a 症状番号 for each."""

    NO_TICKET = "no-ticket"
    NO_UPLINK = "no-uplink"
    NO_ADDRESS = "no-address"
    NO_INTERNET = "no-internet"
    HUB_SILENT = "hub-silent"
    INVITATION_SILENT = "invitation-silent"
    HUB_PORT_CLOSED = "hub-port-closed"
    TUNNEL_STARTING = "tunnel-starting"
    ENROLLING = "enrolling"
    NEW_KEY_STARTING = "new-key-starting"
    CLOCK_WRONG = "clock-wrong"
    NO_MISSION = "no-mission"
    MISSION_NOT_STARTED = "mission-not-started"
    MISSION_ENDED = "mission-ended"
    ALL_WELL = "all-well"
    LOSING_PACKETS = "losing-packets"
    SPARE_UPLINK = "spare-uplink"
    LINE_LOST = "line-lost"
    TESTING_DESKTOPS = "testing-desktops"
    DESKTOP_SILENT = "desktop-silent"
    NO_DESKTOP_ANSWERS = "no-desktop-answers"
    REVOKED = "revoked"
    TICKET_EXPIRED = "ticket-expired"
    TICKET_USED = "ticket-used"
    TICKET_UNKNOWN = "ticket-unknown"
    CONFIG_DAMAGED = "config-damaged"
    STEP_FAILED = "step-failed"
    DISK_FULL = "disk-full"
    HUB_RUNNING = "hub-running"


class MissionKind(StrEnum):
    DISASTER = "disaster"
    DRILL = "drill"
    HOME = "home"
    VENUE = "venue"
    PERMANENT = "permanent"


class DesktopKind(StrEnum):
    OWN_PC = "own-pc"
    SHARED_HOST = "shared-host"
    VIRTUAL = "virtual"


class NetworkClass(StrEnum):
    LGWAN = "lgwan"
    MYNUMBER = "mynumber"
    INTERNET = "internet"


class Part(StrEnum):
    SCREEN = "screen"
    CONTROL = "control"
    SIGN_IN = "sign-in"


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    host: str  # IPv4 literal in the desktops' network
    protocol: Protocol
    port: int
    part: Part
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    name: str  # [a-z0-9-]{1,32}
    title: str
    kind: DesktopKind
    network: NetworkClass
    profile: str
    endpoints: tuple[Endpoint, ...]
    certificate: str = ""  # SHA-256 of the TLS certificate, hex; "" = not pinned
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    kind: MissionKind
    site: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A laptop that HQ registered. What tells it apart is a hardware address: a weak sign, see docs/security.md."""

    name: str  # asset number: [A-Za-z0-9._-]{1,32}
    title: str = ""  # for HQ's people; boxes are not told
    macs: tuple[str, ...]  # aa:bb:cc:dd:ee:ff, one for each of its network sockets
    desktops: tuple[str, ...]  # names; ("*",) is every desktop that HQ names


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Any laptop behind one box reaches its desktops for a while: who decided it, and when."""

    start: float
    end: float
    by: str


# ---------------------------------------------------------------------------------- tickets, joining


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An invitation, as signed by HQ. `invitation` is good for reaching HQ's intake and nothing else."""

    id: str  # 16 hex digits
    hq_name: str
    site: str
    endpoints: tuple[str, ...]  # "address:port", tried in order
    hub_key: str
    hub_address: str  # the intake, inside the tunnel
    signing_key: str  # Ed25519, base64
    invitation_key: Secret
    invitation_address: str
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxKeys:
    """Made on the box before anything else happens; the private halves never leave it."""

    tunnel_private: Secret
    tunnel_public: str
    report_private: Secret  # Ed25519 seed, base64
    report_public: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What HQ decided about one box. Signed by HQ, replaced as a whole; `version` only ever grows."""

    version: int
    box: str
    site: str
    hq_name: str
    tunnel_address: str
    lan: str  # IPv4 network, unique in the fleet
    hub_address: str
    hub_key: str
    endpoints: tuple[str, ...]
    desktops_network: str
    desktops: tuple[Desktop, ...] = ()
    dns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    mission: Mission | None = None
    revoked: bool = False
    hub_time: float = 0.0
    rdp_files: tuple[tuple[str, str], ...] = ()  # desktop name -> signed .rdp file
    key: str = ""  # the public key of the box it is meant for: nobody else's paper counts
    publisher: str = ""  # HQ's signing certificate, PEM
    devices: tuple[Device, ...] = ()
    any_laptop_until: float = 0.0  # the emergency's end


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    ssid: str
    passphrase: Secret
    country: str = "JP"
    channel: int = 6


class JoinStage(StrEnum):
    """How far joining got; every step of it can be cut off by a power cut and is taken up again."""

    INVITED = "invited"
    ASSIGNED = "assigned"
    JOINED = "joined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    ticket: Ticket
    stage: JoinStage
    since: float
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What people decided about this box: the whole of the private file."""

    role: Role = Role.FIELD
    serial: str
    joining: Joining | None = None
    keys: BoxKeys | None = None
    signing_key: str = ""  # HQ's, pinned at enrolment or at the first ticket
    assignment: Assignment | None = None
    access_point: AccessPoint | None = None


# ------------------------------------------------------------------------------------------- the hub


class BoxState(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    ticket: Ticket
    issued: float
    issued_by: str
    mission: Mission | None = None
    redeemed_by: str = ""  # box name once a box enrolled with it
    spent: bool = False  # the box's own key shook hands: the invitation peer is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRecord:
    name: str  # "box-0001"
    serial: str
    model: str
    site: str
    number: int  # allots the addresses
    tunnel_public: str
    report_public: str
    tunnel_address: str
    lan: str
    version: int
    joined: float
    state: BoxState = BoxState.ACTIVE
    mission: Mission | None = None
    emergencies: tuple[Emergency, ...] = ()  # oldest first; the last one may be running


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    role: Role = Role.HUB
    name: str  # 本部 as people call it, e.g. 上越市 災害対策本部
    endpoints: tuple[str, ...]
    listen_port: int = 51820
    private_key: Secret
    public_key: str
    signing_private: Secret
    signing_key: str
    publisher_key: Secret  # signs .rdp files, PEM
    publisher: str  # its certificate, PEM
    tunnel_network: str = "10.210.0.0/16"
    lan_network: str = "10.211.0.0/16"
    desktops_network: str
    desktops: tuple[Desktop, ...] = ()
    dns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    boxes: tuple[BoxRecord, ...] = ()
    devices: tuple[Device, ...] = ()
    next_number: int = 1


# ------------------------------------------------------------------------------------ the machine


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


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    namespace: str
    preference: int
    table: int = 0
    mark: int = 0
    incoming: str = ""
    blackhole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a mobile router said on one uplink, after the value grammar let it pass."""

    link: str
    address: str  # with prefix length
    gateway: str
    dns: tuple[str, ...] = ()
    obtained: float = 0.0
    seconds: int = 0


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
    mtu: int = 1280


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
    veth: str  # the port that leads into the field namespace, not isolated
    peer: str  # its other end, in `peer_namespace`
    peer_namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    namespace: str
    ruleset: str  # complete text for `nft -f -`


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
    files: frozenset[FileContent] = frozenset()
    units: tuple[Unit, ...] = ()
    unit_names: frozenset[str] = frozenset()  # every unit we may ever run; stopped when not in `units`


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
class HubProbe:
    """Echo requests inside the tunnel: the last ones' answers. Times in seconds."""

    at: float = 0.0
    last_answer: float = 0.0
    round_trip: float = 0.0
    loss: float = 0.0  # 0..1 over the window
    refusal: str = ""  # "internet" or "port": an ICMP error came back for the hub's endpoint
    state: LineState = LineState.UNKNOWN


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
    desktops: tuple[DesktopProbe, ...] = ()
    laptops: tuple[LaptopLease, ...] = ()
    vitals: Vitals = Vitals()
    failures: tuple[Failure, ...] = ()
    config_damaged: bool = False

    def link(self, namespace: str, name: str) -> Link | None:
        return next((x for x in self.links if x.namespace == namespace and x.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One way out, as judged: `table` carries its default route, reached by mark only."""

    link: str
    kind: str  # "ethernet", "usb", "lte", "wifi"
    carrier: bool
    lease: Lease | None
    table: int
    active: bool = False
    doubled: bool = False  # the tunnel's packets go out here, too
    metered: bool = False  # taken only in need

    @property
    def usable(self) -> bool:
        return self.carrier and self.lease is not None


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
    ports: tuple[str, ...] = ()
    radio: str = ""
    tunnel: str = "wg0"
    state: str = "/var/lib/noroshi"
    run: str = "/run/noroshi"
    python: str = "/usr/bin/python3"
    lease_script: str = "/usr/lib/noroshi/lease-script"  # what the DHCP client calls
    model: str = "PC"
    sets_clock: bool = False  # only where no other system on this kernel needs its own time
    web_hosts: tuple[str, ...] = ()  # names besides our own by which people may open our pages
    web_uid: int = 64301
    courier_uid: int = 64302
    hq_uid: int = 64303
    intake_uid: int = 64304
    corporate: str = ""  # hub: address of the staff's web, inside HQ
