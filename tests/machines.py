"""The fixed cast: FACTORY (a box fresh from its carton), SHELTER (one that joined, its mission running), HQ, the
hardware they run on and the laptops behind them. Keys are made from small numbers, so every run sees the same."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.core import fleet
from appliance.core.enrolment import ticket_text
from appliance.core.identity import Identity
from appliance.core.lease import Lease
from appliance.core.machine import LaptopLease, Machine
from appliance.core.model import (
    Assignment,
    BoxKeys,
    BoxRecord,
    Config,
    Desktop,
    DesktopKind,
    Device,
    Endpoint,
    HubConfig,
    Joining,
    JoinStage,
    Mission,
    MissionKind,
    NetworkClass,
    Part,
    Protocol,
    Secret,
    Ticket,
)
from appliance.core.radio import Channel, Radio
from appliance.host.rdp_signature import Publisher, make_publisher
from appliance.host.wireguard import public_of

NOW = 1_800_000_000.0  # 2027-01-15
DAY = 86400.0


# ---------------------------------------------------------------------------------------------- keys


def private_key(number: int) -> Secret:
    """A WireGuard key that is the same in every run."""
    return Secret(base64.b64encode(number.to_bytes(32, "big")).decode())


@cache
def key_pair(number: int) -> tuple[Secret, str]:
    private = private_key(number)
    return private, public_of(private)


@cache
def signing_pair(number: int) -> tuple[Secret, str]:
    raw = number.to_bytes(32, "little")
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    return Secret(base64.b64encode(raw).decode()), base64.b64encode(public).decode()


@cache
def box_keys(number: int = 1) -> BoxKeys:
    tunnel_private, tunnel_public = key_pair(1000 + number)
    report_private, report_public = signing_pair(2000 + number)
    return BoxKeys(
        tunnel_private=tunnel_private,
        tunnel_public=tunnel_public,
        report_private=report_private,
        report_public=report_public,
    )


@cache
def publisher() -> Publisher:
    """HQ's key for desktop files; RSA takes a moment, so one serves all tests."""
    return make_publisher("上越市 災害対策本部", NOW)


# ------------------------------------------------------------------------------------------ desktops


def desktop(name: str, host: str, **changes: object) -> Desktop:
    endpoints = tuple(
        Endpoint(host=host, protocol=x, port=3389, part=Part.SCREEN, reason="画面転送") for x in Protocol
    )
    made = Desktop(
        name=name,
        title=f"{name}のデスクトップ",
        kind=DesktopKind.OWN_PC,
        network=NetworkClass.LGWAN,
        profile="rdp",
        endpoints=endpoints,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


SOUMU = desktop("soumu", "10.10.0.20")
ZEIMU = desktop("zeimu", "10.10.0.21", network=NetworkClass.MYNUMBER)
KUNREN = desktop("kunren", "10.10.0.30", drill=True)


REGISTERED = Device(name="NS-0001", title="総務課 1", macs=("02:00:00:00:00:01",), desktops=("*",))

# -------------------------------------------------------------------------------------------- HQ


@cache
def hq() -> HubConfig:
    private, public = key_pair(1)
    signing_private, signing_public = signing_pair(2)
    return HubConfig(
        name="上越市 災害対策本部",
        endpoints=("203.0.113.10:51820", "[2001:db8::10]:51820"),
        private_key=private,
        public_key=public,
        signing_private=signing_private,
        signing_key=signing_public,
        publisher_key=publisher().key,
        publisher=publisher().certificate,
        desktops_network="10.10.0.0/24",
        desktops=(SOUMU,),
        dns=("10.10.0.53",),
        names=("soumu.city.example",),
        devices=(REGISTERED,),
    )


HQ = hq()
HQ_MACHINE = Machine(outside="", field="field", uplinks=("wan0",), corporate="10.10.0.1")


def invite(
    config: HubConfig = HQ, number: int = 1, mission: tuple[MissionKind, int] | None = None, now: float = NOW
) -> tuple[HubConfig, Ticket]:
    new = fleet.NewTicket(id=f"{number:016x}", invitation_private=private_key(5000 + number))
    return fleet.issue_ticket(config, "柿崎総合体育館", 7, "tanaka", mission, new, now)


def newcomer(ticket: Ticket, number: int = 1) -> fleet.Newcomer:
    keys = box_keys(number)
    return fleet.Newcomer(
        ticket=ticket.id,
        tunnel_public=keys.tunnel_public,
        report_public=keys.report_public,
        serial=f"serial{number:04d}",
        model="Raspberry Pi 5",
        address=ticket.invitation_address,
    )


def enrolled(
    config: HubConfig = HQ, number: int = 1, mission: tuple[MissionKind, int] | None = None, now: float = NOW
) -> tuple[HubConfig, BoxRecord, Ticket]:
    config, ticket = invite(config, number, mission, now)
    config, box = fleet.enrol(config, newcomer(ticket, number), now)
    return config, box, ticket


TICKET = invite()[1]
TICKET_TEXT = ticket_text(TICKET, HQ.signing_private)


def assignment(**changes: object) -> Assignment:
    config, box, _ = enrolled()
    return replace(fleet.assignment_of(config, box, NOW), **changes)  # type: ignore[arg-type]


RUNNING = Mission(kind=MissionKind.DISASTER, site="柿崎総合体育館", start=NOW - DAY, end=NOW + DAY)


# ------------------------------------------------------------------------------------- boxes

BOX_MACHINE = Machine(
    uplinks=("eth0", "usb0"), ports=("port1", "port2"), state="/var/lib/noroshi", run="/run/noroshi"
)
IDENTITY = Identity(
    serial="serial0001", ssid="のろし-柿崎", passphrase=Secret("kakizaki-2027-shelter"), pin=Secret("481216")
)
WIRED = replace(IDENTITY, ssid="", passphrase=Secret(""))
# 2.4 GHz, W52 and a few of W53 and W56, as the kernel tells them under Japan's rules.
CHANNELS = (
    *(Channel(number=x) for x in range(1, 15)),
    *(Channel(number=x) for x in (36, 40, 44, 48)),
    *(Channel(number=x, radar=True) for x in (52, 56, 60, 64, 100, 104, 108, 112)),
)
RADIO = Radio(
    phy="phy0",
    link="wlan0",
    bus="platform/soc/fe300000.mmcnr/mmc_host/mmc1",
    hosts=True,
    both=True,
    sae=True,
    channels=CHANNELS,
    country="JP",
)

FACTORY = Config(serial="serial0001")
INVITED = replace(
    FACTORY,
    keys=box_keys(),
    signing_key=HQ.signing_key,
    joining=Joining(ticket=TICKET, stage=JoinStage.INVITED, since=NOW, pins=True),
)
REFUSED = replace(
    INVITED,
    joining=Joining(ticket=TICKET, stage=JoinStage.REFUSED, since=NOW, refusal="ticket-used", pins=True),
)
ASSIGNED = replace(
    INVITED,
    assignment=assignment(mission=RUNNING),
    joining=Joining(ticket=TICKET, stage=JoinStage.ASSIGNED, since=NOW, pins=True),
)
SHELTER = replace(ASSIGNED, joining=None)
STORED = replace(SHELTER, assignment=assignment())
REVOKED = replace(SHELTER, assignment=assignment(revoked=True, desktops=()))

ETH0 = Lease(link="eth0", address="192.168.1.100/24", gateway="192.168.1.1", obtained=NOW, seconds=3600)
USB0 = Lease(link="usb0", address="192.168.8.100/24", gateway="192.168.8.1", obtained=NOW, seconds=3600)

# ------------------------------------------------------------------------------------- laptops

LAPTOP = "10.211.0.2"  # behind SHELTER's port1, address from the prefix that HQ allotted
LAPTOP_BEFORE = "10.86.86.2"  # the same laptop before the box joined
PHONE = "10.211.0.3"  # nobody registered it
LAPTOPS = (
    LaptopLease(mac=REGISTERED.macs[0], address=LAPTOP, host="ns-0001"),
    LaptopLease(mac="02:00:00:00:00:02", address=PHONE, host="phone"),
)
