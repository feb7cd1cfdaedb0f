"""A modem as a line: which one, what it is told to do next, and why there is no connection yet.

ModemManager is asked for three things only: to switch a modem on, to connect, and to hang up. It sets no address, no
route and no name server; the connection's link is a line like every other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from appliance.core.machine import Desired, Machine, Unit
from appliance.core.model import Auth, Config, MobileNetwork, Reason, Secret
from appliance.core.modem import Mobile, Modem, Order, Registration, State, Way
from appliance.core.words import Refused

UNIT = "modems"
FIRST_PAUSE, LONGEST_PAUSE = (
    5.0,
    300.0,
)  # seconds until a connection that failed is tried again, doubled each time
PATIENCE = 120.0  # seconds from the hardware's coming until ModemManager knows a modem

# 3GPP TS 23.003, 9.1: labels of letters, digits and hyphens; carriers use the underscore, too.
_APN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_CREDENTIAL = re.compile(r"[\x21-\x7e]{0,64}")
_ON_THE_WAY = frozenset({State.ENABLED, State.SEARCHING})


def with_network(
    config: Config, apn: str, user: str, password: str, auth: str, roaming: bool = False
) -> Config:
    """Somebody wrote down what the SIM's contract says; no name: what the SIM knows by itself. Raises Refused."""
    if not apn:
        return replace(config, mobile=None)
    if auth not in tuple(Auth):
        raise Refused("bad-request")
    network = MobileNetwork(apn=apn, user=user, password=Secret(password), auth=Auth(auth), roaming=roaming)
    return replace(config, mobile=checked(network))


def checked(network: MobileNetwork) -> MobileNetwork:
    """The same, or Refused."""
    if not _APN.fullmatch(network.apn):
        raise Refused("apn-name")
    if not (_CREDENTIAL.fullmatch(network.user) and _CREDENTIAL.fullmatch(network.password.reveal())):
        raise Refused("apn-key")
    return network


def chosen(modems: Sequence[Modem]) -> Modem | None:
    """The one that is used, of several: which got furthest."""
    return max(modems, key=lambda x: (x.state, x.link != "", x.path), default=None)


def order(mobile: Mobile, network: MobileNetwork | None, *, changed: bool) -> Order | None:
    """What the modem has to do next; None while it is at it, or where nothing can be done but by people. `changed`:
    somebody wrote down another network since it was dialled."""
    modem = chosen(mobile.modems)
    if modem is None or mobile.busy or not modem.link or modem.locked or modem.no_sim:
        return None
    if modem.state is State.DISABLED:
        return Order(path=modem.path)
    if modem.state is State.REGISTERED and _is_let_in(modem, network):
        return _dial(modem, network)
    if modem.state is State.CONNECTED and changed:
        return replace(_dial(modem, network), hang_up=True)
    return None


def _is_let_in(modem: Modem, network: MobileNetwork | None) -> bool:
    if modem.registration is Registration.ROAMING:
        return network is not None and network.roaming
    return modem.registration is not Registration.DENIED


def _dial(modem: Modem, network: MobileNetwork | None) -> Order:
    if network is None:
        return Order(path=modem.path, connect=True)
    return Order(
        path=modem.path,
        connect=True,
        apn=network.apn,
        user=network.user,
        password=network.password,
        auth=network.auth.value,
        roaming=network.roaming,
    )


def pause(failed: int) -> float:
    """Seconds until the next try, after so many in a row that failed."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(failed - 1, 10))) if failed > 0 else 0.0


def missing(mobile: Mobile, network: MobileNetwork | None, waited: float) -> Reason | None:
    """Why the modem is no line yet, and with that what somebody can do; None where it is one, or where there is none.
    `waited`: seconds since the hardware came. The first line that applies wins."""
    modem = chosen(mobile.modems)
    if modem is None:
        silent = Reason.MODEM_UNSUPPORTED if waited > PATIENCE else Reason.MODEM_STARTING
        return silent if mobile.hardware else None
    if modem.no_sim:
        return Reason.MODEM_NO_SIM
    if modem.locked:
        return Reason.MODEM_LOCKED
    if modem.state is State.FAILED:
        return Reason.MODEM_FAILED
    if not modem.link:
        return Reason.MODEM_UNSUPPORTED
    if modem.bearer is not None:
        return None if has_address(modem) else Reason.MODEM_UNSUPPORTED
    return _not_connected(modem, mobile, network)


def _not_connected(modem: Modem, mobile: Mobile, network: MobileNetwork | None) -> Reason:
    if modem.registration is Registration.DENIED:
        return Reason.MODEM_DENIED
    if not _is_let_in(modem, network):
        return Reason.MODEM_ROAMING
    if modem.state in _ON_THE_WAY:
        return Reason.MODEM_SEARCHING
    if not mobile.failed:
        return Reason.MODEM_STARTING
    if modem.state < State.REGISTERED:  # it was only to be switched on
        return Reason.MODEM_FAILED
    return Reason.MODEM_REFUSED if network else Reason.MODEM_NEEDS_APN


def has_address(modem: Modem) -> bool:
    """Whether its connection is one that a link can carry: it brought an address, or DHCP has to ask."""
    bearer = modem.bearer
    return bearer is not None and (bearer.way is Way.DHCP or bearer.address != "")


def program(machine: Machine) -> Unit:
    return Unit(name=UNIT, command=("ModemManager",), namespace=machine.outside)


def with_program(desired: Desired, machine: Machine) -> Desired:
    """Where no systemd keeps our programs, whoever has a modem runs ModemManager himself."""
    return replace(desired, units=(*desired.units, program(machine))) if machine.systemd else desired
