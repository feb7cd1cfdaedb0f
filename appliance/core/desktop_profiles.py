"""What each desktop product needs open and keeps closed: the table in `desktop_profiles.toml`, read strictly.

A profile that cannot be read whole is refused whole: a misspelt `closed` would otherwise open what it names.
Also the grammar of every value that a desktop is made of.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from appliance.core.model import Part, Protocol
from appliance.core.sentence import Sentence

TITLE_LENGTH = 60  # characters: one line on a 360-pixel screen, two at worst
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_PORTS = re.compile(r"(tcp|udp) ([0-9]{1,5})(?:-([0-9]{1,5}))?")


class GreetingKind(StrEnum):
    """The protocol's own first words, by which an endpoint shows that it is what it should be."""

    RDP = "rdp"
    TLS = "tls"
    VNC = "vnc"


class NeedsNames(StrEnum):
    """Whether the product's client must resolve a name of its own to reach its desktop."""

    NO = "no"
    YES = "yes"
    ASK = "ask"  # the vendor knows


class Fault(StrEnum):
    """Why a text did not become a profile or a desktop."""

    PROFILES_DAMAGED = "profiles-damaged"
    PROFILE_UNKNOWN = "profile-unknown"
    NAME = "desktop-name"
    NAME_TAKEN = "name-taken"
    TITLE = "desktop-title"
    ROLE_MISSING = "desktop-host-missing"
    ROLE_UNKNOWN = "desktop-role-unknown"
    HOST = "desktop-host"
    HOST_ELSEWHERE = "desktop-host-elsewhere"
    PORT = "desktop-port"
    PORT_CLOSED = "desktop-port-closed"
    REASON = "desktop-reason"
    CERTIFICATE = "desktop-certificate"
    ENDPOINTS = "desktop-endpoints"


FAULTS: dict[Fault, Sentence] = {
    Fault.PROFILES_DAMAGED: Sentence(
        "7-20", "製品の一覧が読めません", "最後に書き換えた行を見直してください",
        "The list of products cannot be read", "Check the line that was changed last",
    ),
    Fault.PROFILE_UNKNOWN: Sentence(
        "7-21", "その製品は一覧にありません", "一覧から選び直してください",
        "That product is not on the list", "Choose one from the list",
    ),
    Fault.NAME: Sentence(
        "7-22", "名前に使えない文字があります", "小文字の英数字と - だけ、32文字までにしてください",
        "The name has a character it cannot have", "Use a-z, 0-9 and -, 32 at most",
    ),
    Fault.NAME_TAKEN: Sentence(
        "7-04", "その名前はもう使われています", "別の名前にしてください",
        "That name is taken", "Choose another name",
    ),
    Fault.TITLE: Sentence(
        "7-23", "表示名が空か、長すぎるか、見えない文字を含みます", "60文字までの見える文字にしてください",
        "The title is empty, too long, or has invisible characters", "Use up to 60 visible characters",
    ),
    Fault.ROLE_MISSING: Sentence(
        "7-24", "接続先の番地が足りません", "製品が求める番地をすべて入れてください",
        "An address is missing", "Give every address the product asks for",
    ),
    Fault.ROLE_UNKNOWN: Sentence(
        "7-25", "この製品にない役割の番地があります", "役割の名前を見直してください",
        "An address is for a role this product does not have", "Check the role's name",
    ),
    Fault.HOST: Sentence(
        "7-26", "接続先の番地の形が違います", "10.10.0.20 のような形で入れてください",
        "That is not an address", "Write it like 10.10.0.20",
    ),
    Fault.HOST_ELSEWHERE: Sentence(
        "7-27", "接続先の番地がデスクトップの範囲にありません", "本部のデスクトップの番地を入れてください",
        "That address is outside the desktops' network", "Give an address in the desktops' network",
    ),
    Fault.PORT: Sentence(
        "7-28", "通信の番号の形が違います", "tcp 443 のような形で、1から65535までにしてください",
        "That is not a port", "Write it like tcp 443, between 1 and 65535",
    ),
    Fault.PORT_CLOSED: Sentence(
        "7-29", "その通信は閉じておく決まりです", "画面転送の通信だけにしてください",
        "That port has to stay closed", "Open screen transfer only",
    ),
    Fault.REASON: Sentence(
        "7-30", "開ける理由がないか、長すぎます", "100文字までで理由を書いてください",
        "The reason is missing or too long", "Give a reason of up to 100 characters",
    ),
    Fault.CERTIFICATE: Sentence(
        "7-31", "証明書の指紋の形が違うか、この製品では使えません",
        "64桁の英数字(SHA-256)を入れるか、空にしてください",
        "That is not a fingerprint, or this product shows no certificate",
        "Give the 64 hex digits of its SHA-256, or leave it empty",
    ),
    Fault.ENDPOINTS: Sentence(
        "7-32", "接続先が多すぎるか、画面転送がありません", "接続先の一覧を見直してください",
        "Too many endpoints, or none for the screen", "Check the list of endpoints",
    ),
}  # fmt: skip


class BadDesktop(ValueError):
    """`fault` says why, `subject` is the value it is about, `sentence` says it to people."""

    def __init__(self, fault: Fault, subject: str) -> None:
        super().__init__(f"{fault}: {subject}")
        self.fault = fault
        self.subject = subject

    @property
    def sentence(self) -> Sentence:
        return FAULTS[self.fault]

    @property
    def code(self) -> str:
        """The refusal's code at the door."""
        return "name-taken" if self.fault is Fault.NAME_TAKEN else "bad-value"


class Ports(NamedTuple):
    protocol: Protocol
    first: int
    last: int

    def holds(self, protocol: Protocol, port: int) -> bool:
        return protocol is self.protocol and self.first <= port <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEndpoint:
    host: str  # a role
    open: tuple[Ports, ...]
    part: Part
    reason: str
    greeting: GreetingKind | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    title: str
    hosts: tuple[str, ...]  # roles; the first is meant when none is named
    needs_names: NeedsNames
    rdp_file: bool
    closed: tuple[Ports, ...]  # the product's own, and the ports no desktop may ever open
    endpoints: tuple[ProfileEndpoint, ...]
    note: str = ""


def load_profiles(text: str) -> dict[str, Profile]:
    """Profiles by name from the TOML text; raises `BadDesktop(PROFILES_DAMAGED)` naming what is wrong."""
    try:
        table = tomllib.loads(text)
        _only(table, {"never", "profile"}, "top")
        never = tuple(_ports(x) for x in table["never"])
        return {name: _profile(name, entry, never) for name, entry in table["profile"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadDesktop(Fault.PROFILES_DAMAGED, str(error)) from error


def _profile(name: str, entry: Mapping[str, Any], never: tuple[Ports, ...]) -> Profile:
    _only(entry, {"title", "hosts", "needs_names", "rdp_file", "closed", "endpoint", "note"}, name)
    profile = Profile(
        name=checked_name(name),
        title=checked_title(entry["title"]),
        hosts=tuple(checked_name(x) for x in entry["hosts"]),
        needs_names=NeedsNames(entry["needs_names"]),
        rdp_file=_boolean(entry["rdp_file"]),
        closed=never + tuple(_ports(x) for x in entry["closed"]),
        endpoints=tuple(_profile_endpoint(x) for x in entry["endpoint"]),
        note=checked_reason(entry["note"]) if "note" in entry else "",
    )
    for endpoint in profile.endpoints:
        if endpoint.host not in profile.hosts:
            raise ValueError(f"{name}: endpoint for {endpoint.host!r}, which is not among its hosts")
        for ports in endpoint.open:
            for port in range(ports.first, ports.last + 1):
                refuse_closed(profile, ports.protocol, port)
    if not any(x.part is Part.SCREEN and not x.optional for x in profile.endpoints):
        raise ValueError(f"{name}: no endpoint carries the screen")
    return profile


def _profile_endpoint(entry: Mapping[str, Any]) -> ProfileEndpoint:
    _only(entry, {"host", "open", "part", "reason", "greeting", "optional"}, "endpoint")
    return ProfileEndpoint(
        host=checked_name(entry["host"]),
        open=tuple(_ports(x) for x in entry["open"]),
        part=Part(entry["part"]),
        reason=checked_reason(entry["reason"]),
        greeting=GreetingKind(entry["greeting"]) if "greeting" in entry else None,
        optional=_boolean(entry.get("optional", False)),
    )


def _only(entry: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(set(entry) - known):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}")


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false expected, not {value!r}")
    return value


def _ports(text: str) -> Ports:
    match = _PORTS.fullmatch(text)
    if match is None:
        raise BadDesktop(Fault.PORT, text)
    first = checked_port(int(match[2]))
    last = checked_port(int(match[3] or match[2]))
    if first > last:
        raise BadDesktop(Fault.PORT, text)
    return Ports(Protocol(match[1]), first, last)


# ------------------------------------------------------------------------------------------- grammar


def refuse_closed(profile: Profile, protocol: Protocol, port: int) -> None:
    if any(ports.holds(protocol, port) for ports in profile.closed):
        raise BadDesktop(Fault.PORT_CLOSED, f"{protocol} {port}")


def checked_port(port: int) -> int:
    if not 1 <= port <= 65535:
        raise BadDesktop(Fault.PORT, str(port))
    return port


def checked_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise BadDesktop(Fault.NAME, text)
    return text


def checked_title(text: str) -> str:
    if not _prints(text, TITLE_LENGTH):
        raise BadDesktop(Fault.TITLE, text)
    return text


def checked_reason(text: str) -> str:
    if not _prints(text, 100):
        raise BadDesktop(Fault.REASON, text)
    return text


_UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def _prints(text: str, longest: int) -> bool:
    """Not blank, not too long, and no control, format (direction tricks, zero width), unassigned, private or
    surrogate characters, nor line or paragraph separators."""
    return (
        bool(text.strip())
        and len(text) <= longest
        and not any(unicodedata.category(x) in _UNPRINTABLE for x in text)
    )
