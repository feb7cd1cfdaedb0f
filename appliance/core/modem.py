"""What a modem says of itself, as ModemManager hands it on, through a value grammar: names and numbers in it were made by
a SIM, a network or whoever built the stick. Nothing here decides; see modem_line.py.

Numbers are ModemManager's own (its ModemManager-enums.h).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from appliance.core.lease import Lease
from appliance.core.model import NO_SECRET, Secret

Properties = Mapping[str, object]
Interfaces = Mapping[str, Properties]  # of one object: interface → its properties

NAME = "org.freedesktop.ModemManager1"
MODEM, THREE_GPP, BEARER = f"{NAME}.Modem", f"{NAME}.Modem.Modem3gpp", f"{NAME}.Bearer"
MOST_MODEMS = 4
_PATH = re.compile(rf"/{NAME.replace('.', '/')}/(Modem|Bearer)/[0-9]{{1,9}}", re.ASCII)
_LINK = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}", re.ASCII)
_LONGEST_WORD = 32
_NET_PORT = 2  # MM_MODEM_PORT_TYPE_NET
_PIN2, _PUK2 = 4, 5  # MM_MODEM_LOCK_SIM_PIN2, _PUK2: they lock nothing that we need
_NO_LOCK = (0, 1, _PIN2, _PUK2)
_NO_SIM = (2, 3, 5)  # MM_MODEM_STATE_FAILED_REASON_SIM_MISSING, _SIM_ERROR, _ESIM_WITHOUT_PROFILES
_WIDEST = 8  # the shortest prefix that a line's network may have


class State(IntEnum):
    """MMModemState."""

    FAILED = -1
    UNKNOWN = 0
    INITIALIZING = 1
    LOCKED = 2
    DISABLED = 3
    DISABLING = 4
    ENABLING = 5
    ENABLED = 6
    SEARCHING = 7
    REGISTERED = 8
    DISCONNECTING = 9
    CONNECTING = 10
    CONNECTED = 11


class Registration(IntEnum):
    """MMModem3gppRegistrationState, as far as it matters."""

    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5


class Way(StrEnum):
    """How a connection's address is had (MMBearerIpMethod)."""

    NONE = ""
    PPP = "ppp"
    STATIC = "static"
    DHCP = "dhcp"


_WAYS = {1: Way.PPP, 2: Way.STATIC, 3: Way.DHCP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A connection that stands. `address` has a prefix length; "" for what did not pass the grammar."""

    link: str = ""
    way: Way = Way.NONE
    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Modem:
    """`link`: its network interface, "" where it has none. `signal`: 0..100."""

    path: str
    model: str = ""
    state: State = State.UNKNOWN
    no_sim: bool = False
    locked: bool = False
    registration: Registration = Registration.UNKNOWN
    operator: str = ""
    signal: int = 0
    link: str = ""
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mobile:
    """All there is of modems. `hardware`: the kernel sees one, whatever ModemManager says. `busy`: an order is being
    carried out; `failed` and `error`: how many in a row were not, and the last one's D-Bus error."""

    hardware: bool = False
    modems: tuple[Modem, ...] = ()
    busy: bool = False
    failed: int = 0
    error: str = ""


NO_MOBILE = Mobile()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One thing for ModemManager to do. Without `connect` the modem is only switched on; `hang_up`: a connection of
    another access point goes first."""

    path: str
    connect: bool = False
    hang_up: bool = False
    apn: str = ""
    user: str = ""
    password: Secret = NO_SECRET
    auth: str = ""  # "pap", "chap", "" for what the modem takes
    roaming: bool = False


def bearers_of(modem: Properties) -> tuple[str, ...]:
    """Paths of its connections, to be asked about."""
    found = modem.get("Bearers")
    return tuple(x for x in found if is_path(x))[:MOST_MODEMS] if isinstance(found, list) else ()


def is_path(text: object) -> bool:
    return isinstance(text, str) and _PATH.fullmatch(text) is not None


def read(path: str, told: Interfaces, bearers: tuple[Properties, ...]) -> Modem | None:
    """One modem, as far as it says something that we understand."""
    modem, network = told.get(MODEM), told.get(THREE_GPP, {})
    if modem is None or not is_path(path):
        return None
    state = _state(modem.get("State"))
    standing = next((x for x in map(_bearer, bearers) if x is not None), None)
    return Modem(
        path=path,
        model=word(modem.get("Model")),
        state=state,
        no_sim=state is State.FAILED and modem.get("StateFailedReason") in _NO_SIM,
        locked=state is State.LOCKED or modem.get("UnlockRequired") not in (None, *_NO_LOCK),
        registration=_registration(network.get("RegistrationState")),
        operator=word(network.get("OperatorName")),
        signal=_signal(modem.get("SignalQuality")),
        link=_net_port(modem.get("Ports")),
        bearer=standing,
    )


def word(value: object) -> str:
    """A name that strangers chose, for people to read."""
    text = value if isinstance(value, str) else ""
    return "".join(x for x in text[:200] if x.isprintable()).strip()[:_LONGEST_WORD]


def _state(value: object) -> State:
    try:
        return State(value)  # type: ignore[arg-type]
    except ValueError:
        return State.UNKNOWN


def _registration(value: object) -> Registration:
    try:
        return Registration(value)  # type: ignore[arg-type]
    except ValueError:
        return Registration.UNKNOWN


def _signal(value: object) -> int:
    percent = value[0] if isinstance(value, tuple | list) and value else 0
    return min(100, percent) if isinstance(percent, int) and percent > 0 else 0


def _net_port(value: object) -> str:
    for port in value if isinstance(value, list) else ():
        if isinstance(port, tuple | list) and len(port) == 2 and port[1] == _NET_PORT and _is_link(port[0]):
            return str(port[0])
    return ""


def _is_link(value: object) -> bool:
    return isinstance(value, str) and _LINK.fullmatch(value) is not None


def _bearer(told: Properties) -> Bearer | None:
    if told.get("Connected") is not True or not _is_link(told.get("Interface")):
        return None
    four = told.get("Ip4Config")
    four = four if isinstance(four, dict) else {}
    method = four.get("method")
    way = _WAYS.get(method, Way.NONE) if isinstance(method, int) else Way.NONE
    address, gateway = _place(four) if way is Way.STATIC else ("", "")
    return Bearer(
        link=str(told["Interface"]),
        way=way,
        address=address,
        gateway=gateway,
        dns=tuple(str(x) for x in (four.get(f"dns{n}") for n in (1, 2, 3)) if _is_host(x)),
    )


def _place(four: Properties) -> tuple[str, str]:
    """(address, gateway). Such a line has two ends and nothing between them, and nobody is asked by ARP: where the other
    end is not told it is made up, and the network is as wide as both need."""
    address, prefix, gateway = four.get("address"), four.get("prefix"), four.get("gateway")
    if not _is_host(address) or not isinstance(prefix, int) or not _WIDEST <= prefix <= 32:
        return "", ""
    own = ipaddress.IPv4Address(str(address))
    told = ipaddress.IPv4Address(str(gateway)) if _is_host(gateway) and gateway != address else None
    others = [told] if told else [ipaddress.IPv4Address(int(own) ^ x) for x in (1, 2, 3)]
    found = [(width, x) for x in others if (width := _width(own, x, min(prefix, 30)))]
    if not found:
        return "", ""
    width, other = max(found)
    return f"{own}/{width}", str(other)


def _width(own: ipaddress.IPv4Address, other: ipaddress.IPv4Address, prefix: int) -> int:
    """The longest prefix, from the told one on, that makes hosts of one network of both; 0 where none does."""
    for width in range(prefix, _WIDEST - 1, -1):
        network = ipaddress.IPv4Interface(f"{own}/{width}").network
        ends = (network.network_address, network.broadcast_address)
        if other in network and own not in ends and other not in ends:
            return width
    return 0


def _is_host(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        found = ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return not (int(found) >> 24 == 0 or found.is_loopback or found.is_multicast or found.is_reserved)


def lease_of(modem: Modem, now: float) -> Lease | None:
    """The address that came with the connection; None where DHCP has to ask for it, or where there is none."""
    bearer = modem.bearer
    if bearer is None or bearer.way is not Way.STATIC or not bearer.address:
        return None
    return Lease(
        link=bearer.link, address=bearer.address, gateway=bearer.gateway, dns=bearer.dns, obtained=now
    )
