"""The nouns: everything Noroshi decides about is one of these frozen values. Nothing here acts.

Times are seconds since the epoch (float) unless a name says otherwise; keys are standard base64 text as
wireguard-tools writes them; networks and addresses are the text that `ipaddress` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.core.software import NO_WISH, Bundle, Wish


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


NO_SECRET = Secret("")


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
    LINE_REFUSED = "line-refused"
    OPEN_WIFI_REFUSED = "open-wifi-refused"
    WIFI_CHANNEL = "wifi-channel"
    WIFI_COUNTRY = "wifi-country"
    MODEM_STARTING = "modem-starting"
    MODEM_NO_SIM = "modem-no-sim"
    MODEM_LOCKED = "modem-locked"
    MODEM_SEARCHING = "modem-searching"
    MODEM_DENIED = "modem-denied"
    MODEM_ROAMING = "modem-roaming"
    MODEM_NEEDS_APN = "modem-needs-apn"
    MODEM_REFUSED = "modem-refused"
    MODEM_UNSUPPORTED = "modem-unsupported"
    MODEM_FAILED = "modem-failed"
    LINE_CAPTIVE = "line-captive"
    SPARE_CAPTIVE = "spare-captive"
    SIGNING_IN = "signing-in"
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


class LineKind(StrEnum):
    """What sort of line an uplink is. CLOSED: a SIM of a closed network, as whoever prepared the box declared it."""

    ETHERNET = "ethernet"
    USB = "usb"
    LTE = "lte"
    WIFI = "wifi"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRule:
    """Which kinds of line may carry desktops of one class; a class without a rule is carried by every kind."""

    network: NetworkClass
    kinds: tuple[LineKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEntrance:
    """Where HQ is reached over one kind of line; the assignment's own endpoints serve every other kind."""

    kind: LineKind
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What HQ lets a box do with its lines. Every default is the careful one; see core/policy.py."""

    sign_in: bool = False  # a phone may pass a line's sign-in page, ten minutes
    open_wifi: bool = False  # 00000JAPAN may be a line
    lines: tuple[LineRule, ...] = ()
    entrances: tuple[LineEntrance, ...] = ()
    both_lines: bool = False  # everything leaves by two lines at once, doubt or not
    prefer: tuple[LineKind, ...] = ()  # first of all; kinds that are not named follow in the box's own order
    in_need: tuple[LineKind, ...] = ()  # used only where no other line works


# ---------------------------------------------------------------------------------- tickets, joining


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """HQ's further doors, for lines that close the first one; see core/ladder.py."""

    ports: tuple[int, ...] = ()  # UDP, besides the endpoints' own; best first
    relay_port: int = 0  # TCP; 0 = there is no relay
    relay_pin: str = ""  # SHA-256 of the relay's TLS certificate, hex
    relay_name: str = ""  # the server name that is told in clear (SNI); "" = none
    names: tuple[str, ...] = ()  # host names, looked up when the pinned addresses are silent


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
    entrance: Entrance = Entrance()


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
    policy: Policy = Policy()
    entrance: Entrance = Entrance()
    software: Wish = NO_WISH
    blue: tuple[int, ...] = ()  # sockets for lines, as HQ declares them; none: as the box has it
    phone: str = ""  # HQ's telephone, for people on site


class Security(StrEnum):
    """How a laptop joins the Wi-Fi. MIXED: WPA3 for whoever can, WPA2 for the rest."""

    WPA2 = "wpa2"
    WPA3 = "wpa3"
    MIXED = "mixed"


class Place(StrEnum):
    """Where the box stands. The law allows some channels indoors only: until somebody says so, it is outdoors."""

    INDOORS = "indoors"
    OUTDOORS = "outdoors"


class Band(StrEnum):
    TWO = "2.4"
    FIVE = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What people on site decided about the Wi-Fi. The country is not theirs to decide."""

    place: Place = Place.OUTDOORS
    band: Band = Band.TWO


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiNetwork:
    """Somebody's Wi-Fi that is a line."""

    ssid: str
    passphrase: Secret  # "" = open


class Auth(StrEnum):
    """How a SIM's contract has user and password told."""

    ANY = ""
    PAP = "pap"
    CHAP = "chap"


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetwork:
    """What a SIM's contract says of the way in: the access point's name (APN), and who asks. `roaming`: other carriers'
    networks are part of it; some SIMs know no other."""

    apn: str
    user: str = ""
    password: Secret = NO_SECRET
    auth: Auth = Auth.ANY
    roaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """The Wi-Fi as it is on the air: decided by core/air.py from the identity, the radio and the place."""

    link: str
    ssid: str
    passphrase: Secret
    security: Security = Security.MIXED
    channel: int = 6
    band: Band = Band.TWO


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
    pins: bool = False  # this ticket brought HQ's signing key; nobody has confirmed it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWishes:
    """What people on site wish of this box's lines, by link; it counts more than HQ's order of kinds."""

    first: str = ""  # the line to prefer
    in_need: tuple[str, ...] = ()  # used only where no other line works
    freely: tuple[str, ...] = ()  # not so, whatever HQ or the machine says


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What people decided about this box: the whole of the private file."""

    role: Role = Role.FIELD
    serial: str
    joining: Joining | None = None
    keys: BoxKeys | None = None
    signing_key: str = ""  # HQ's, pinned at enrolment or at the first ticket
    assignment: Assignment | None = None
    lines: LineWishes = LineWishes()
    air: Air = Air()
    wifi: WifiNetwork | None = None
    mobile: MobileNetwork | None = None


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
    policy: Policy | None = None  # None: the fleet's
    update_to: str = ""  # the version it is wished to run; "" = as it is
    update_now: bool = False  # start it although laptops use the box
    update_order: int = 0  # grows with every such wish
    blue: tuple[int, ...] = ()  # sockets for lines, from one on; none: as the box was prepared


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
    policy: Policy = Policy()  # of every box that has none of its own
    entrance: Entrance = Entrance()
    next_number: int = 1
    bundles: tuple[Bundle, ...] = ()
    oldest_version: str = ""  # no box is given an older one
    phone: str = ""  # its telephone, which every box shows
