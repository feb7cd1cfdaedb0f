"""The grammar of what boxes send. Pure: text in, a frozen `Report` or a `Malformed` out, never anything else.

A box is not trusted further than its own row: every text is bounded and freed of control characters, every
number is finite and in range, unknown fields are ignored (a newer box may say more than we know).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from appliance.core.clock import is_nonce
from appliance.core.devices import is_mac, short_number
from appliance.core.identity import MOST_SOCKETS
from appliance.core.logbook import Line

T = TypeVar("T")

MAX_BODY = 64 * 1024  # characters of one report
MAX_DESKTOPS = 64
MAX_MILESTONES = 32
MAX_PROOF_ROWS = 256
MAX_DEVICES, MAX_GUESTS = 256, 64
MAX_LOG, MAX_LINE = 64, 400
IN_TIME = 15.0  # seconds a report may have waited on the box
READ_BEFORE = 5.0  # seconds by which a report may be younger than the uptime its envelope names

PHASE = re.compile(r"[A-Z][A-Z_]{0,23}")
REASON = re.compile(r"[a-z][a-z0-9-]{0,47}")
NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}", re.IGNORECASE)
DOOR = re.compile(r"(udp|relay)/[0-9]{1,5}")
BOOT = re.compile(r"[0-9a-zA-Z-]{1,64}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Malformed(ValueError):
    """One report, or the envelope around several, is not what the contract says. `seq` where it was legible."""

    def __init__(self, why: str, seq: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.seq = seq


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One report as it travelled: the signature is over the body's bytes."""

    body: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One post of a box's courier. The uptime is the box's at the moment of sending."""

    boot_id: str
    uptime: float
    reports: tuple[Signed, ...]
    malformed: tuple[Malformed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    at: float
    ok: bool
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A laptop or phone behind a box that nobody registered; `host` is what it calls itself."""

    number: str
    mac: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What an image-made box runs, and how far its update is; `state` and `trouble` are of core/update.py."""

    image: str
    version: str
    slot: str
    on_trial: bool
    wish: str
    state: str
    percent: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What a box says of HQ's blue sockets; `state` and `why` are of core/sockets.py."""

    blue: tuple[int, ...]
    state: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One health ping. Times by the box's clock; `uptime` by its boot clock; `loss`, `memory`, `disk` 0..1."""

    box: str
    boot_id: str
    seq: int
    uptime: float
    made_at: float
    phase: str
    reason: str
    since: float
    policy: int
    uplink: str = ""
    uplink_kind: str = ""
    round_trip: float | None = None
    loss: float = 0.0
    handshake_age: float | None = None
    laptops: int = 0
    load: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    temperature: float | None = None
    version: str = ""
    desktops: Mapping[str, str] = field(default_factory=dict)
    milestones: Mapping[str, float] = field(default_factory=dict)
    proof: Proof | None = None
    nonce: str = ""  # the box asks for the time
    forget: bool = False  # and that its last handshake be forgotten
    devices: tuple[str, ...] = ()  # registered laptops that are there
    guests: tuple[Guest, ...] = ()
    software: Software | None = None
    sockets: Colours | None = None
    log: tuple[Line, ...] = ()  # what its programs said, `at` by its boot clock


def clean(text: str, limit: int) -> str:
    """Text of a stranger, fit to be shown: no control or direction characters, at most `limit` long."""
    return CONTROL.sub("", text)[:limit].strip()


def read_json(text: str | bytes) -> Any:
    """JSON as the standard has it: no NaN, no endless nesting, no number beyond a float."""

    def refuse(constant: str) -> Any:
        raise Malformed(f"not a JSON number: {constant[:20]}")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as problem:
        if isinstance(problem, Malformed):
            raise
        raise Malformed("not JSON") from None


def read_envelope(raw: bytes, *, limit: int) -> Envelope:
    """`limit` is how many reports one post may carry. Unreadable reports are listed, not fatal."""
    body = read_json(raw)
    if not isinstance(body, dict):
        raise Malformed("the post is not an object")
    reports = body.get("reports")
    if not isinstance(reports, list):
        raise Malformed("reports: not a list")
    if len(reports) > limit:
        raise Malformed(f"reports: more than {limit}")
    good, bad = [], []
    for item in reports:
        if not isinstance(item, dict):
            bad.append(Malformed("a report is not an object"))
            continue
        text, signature = item.get("body"), item.get("signature")
        if isinstance(text, str) and isinstance(signature, str) and len(text) <= MAX_BODY:
            good.append(Signed(body=text, signature=signature))
        else:
            bad.append(Malformed("a report without body and signature"))
    return Envelope(
        boot_id=_text(body, "boot_id", BOOT),
        uptime=_number(body, "uptime", 0, 1e10),
        reports=tuple(good),
        malformed=tuple(bad),
    )


def read_report(text: str) -> Report:
    body = read_json(text)
    if not isinstance(body, dict):
        raise Malformed("the body is not an object")
    seq = _whole(body, "seq", 0, 2**53)
    try:
        return _report(body, seq)
    except Malformed as problem:
        problem.seq = seq
        raise


def _line(uplink: dict[str, Any]) -> str:
    """The socket, and behind a space the door to HQ where it is not the usual one: "eth0 relay/443"."""
    if "door" not in uplink:
        return _words(uplink, "link", 32)
    return f"{_words(uplink, 'link', 15)} {_text(uplink, 'door', DOOR)}"


def _report(body: dict[str, Any], seq: int) -> Report:
    uplink = _optional(body, "uplink", _object) or {}
    return Report(
        box=_text(body, "box", NAME),
        boot_id=_text(body, "boot_id", BOOT),
        seq=seq,
        uptime=_number(body, "uptime", 0, 1e10),
        made_at=_number(body, "made_at", -1e11, 1e11),
        phase=_text(body, "phase", PHASE),
        reason=_text(body, "reason", REASON),
        since=_number(body, "since", -1e11, 1e11),
        policy=_whole(body, "policy", 0, 2**53),
        uplink=_line(uplink) if uplink else "",
        uplink_kind=_words(uplink, "kind", 16) if uplink else "",
        round_trip=_optional(body, "round_trip", lambda b, k: _number(b, k, 0, 3600)),
        loss=_optional(body, "loss", lambda b, k: _number(b, k, 0, 1)) or 0.0,
        handshake_age=_optional(body, "handshake_age", lambda b, k: _number(b, k, -1e11, 1e11)),
        laptops=_whole(body, "laptops", 0, 100_000),
        load=_number(body, "load", 0, 1e6),
        memory=_number(body, "memory", 0, 1),
        disk=_number(body, "disk", 0, 1),
        temperature=_optional(body, "temperature", lambda b, k: _number(b, k, -100, 300)),
        version=_words(body, "version", 64),
        desktops=_map(body, "desktops", MAX_DESKTOPS, _answer),
        milestones=_map(body, "milestones", MAX_MILESTONES, lambda b, k: _number(b, k, -1e11, 1e11)),
        proof=_optional(body, "proof", _proof),
        nonce=body["nonce"] if is_nonce(body.get("nonce")) else "",
        forget=body.get("forget") is True,
        devices=tuple(_text({"devices": x}, "devices", NAME) for x in _list(body, "devices", MAX_DEVICES)),
        guests=tuple(map(_guest, _list(body, "guests", MAX_GUESTS))),
        software=_optional(body, "software", _software),
        sockets=_optional(body, "sockets", _colours),
        log=tuple(map(_log_line, _list(body, "log", MAX_LOG))),
    )


def in_time(report: Report, boot_id: str, uptime: float) -> bool:
    """Was the report sent in the boot and within seconds of being made? Judged by the box's boot clock only."""
    waited = uptime - report.uptime
    return report.boot_id == boot_id and -READ_BEFORE <= waited <= IN_TIME


def happened(report: Report, boot_id: str, uptime: float, received: float) -> float:
    """When the report was made, by HQ's clock. Within the same boot no wall clock of the box is needed."""
    if report.boot_id == boot_id:
        return received - max(0.0, uptime - report.uptime)
    return min(max(report.made_at, 0.0), received)


# ------------------------------------------------------------------------------------- value grammar


def _object(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key)
    if not isinstance(value, dict):
        raise Malformed(f"{key}: not an object")
    return value


def _text(body: dict[str, Any], key: str, grammar: re.Pattern[str]) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not grammar.fullmatch(value):
        raise Malformed(f"{key}: not the expected text")
    return value


def _words(body: dict[str, Any], key: str, limit: int) -> str:
    value = body.get(key, "")
    if not isinstance(value, str):
        raise Malformed(f"{key}: not a text")
    return clean(value, limit)


def _number(body: dict[str, Any], key: str, least: float, most: float) -> float:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{key}: not a number")
    if not least <= value <= most or not math.isfinite(value):
        raise Malformed(f"{key}: out of range")
    return float(value)


def _whole(body: dict[str, Any], key: str, least: int, most: int) -> int:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Malformed(f"{key}: not a whole number")
    if not least <= value <= most:
        raise Malformed(f"{key}: out of range")
    return value


def _list(body: dict[str, Any], key: str, limit: int) -> list[Any]:
    value = body.get(key, [])
    if not isinstance(value, list) or len(value) > limit:
        raise Malformed(f"{key}: not a list of at most {limit}")
    return value


def _guest(guest: Any) -> Guest:
    if not isinstance(guest, dict):
        raise Malformed("guests: not an object")
    mac = guest.get("mac")
    if not isinstance(mac, str) or not is_mac(mac):
        raise Malformed("guests: not a hardware address")
    return Guest(number=short_number(mac), mac=mac, host=_words(guest, "host", 64))


def read_software(raw: str) -> Software | None:
    """Only that part of a report: a board has many to look at."""
    body = read_json(raw)
    if not isinstance(body, dict):
        raise Malformed("the report is not an object")
    return _optional(body, "software", _software)


def _software(body: dict[str, Any], key: str) -> Software:
    told = _object(body, key)
    return Software(
        image=_words(told, "image", 32),
        version=_words(told, "version", 64),
        slot=_words(told, "slot", 8),
        on_trial=told.get("on_trial") is True,
        wish=_words(told, "wish", 64),
        state=_text(told, "state", REASON),
        percent=_whole(told, "percent", 0, 100),
        trouble=_words(told, "trouble", 48),
    )


def _colours(body: dict[str, Any], key: str) -> Colours:
    told = _object(body, key)
    blue = [_whole({"blue": x}, "blue", 1, MOST_SOCKETS) for x in _list(told, "blue", MOST_SOCKETS)]
    return Colours(blue=tuple(blue), state=_text(told, "state", REASON), why=_words(told, "why", 48))


def _log_line(line: Any) -> Line:
    if not isinstance(line, dict):
        raise Malformed("log: not an object")
    return Line(
        at=_number(line, "at", 0, 1e10),
        source=_words(line, "source", 64),
        level=_whole(line, "level", 0, 7),
        text=_words(line, "text", MAX_LINE),
        times=_whole(line, "times", 1, 2**31),
    )


def _optional(body: dict[str, Any], key: str, read: Callable[[dict[str, Any], str], T]) -> T | None:
    return None if body.get(key) is None else read(body, key)


def _map(
    body: dict[str, Any], key: str, limit: int, read: Callable[[dict[str, Any], str], T]
) -> dict[str, T]:
    if body.get(key) is None:
        return {}
    value = _object(body, key)
    if len(value) > limit:
        raise Malformed(f"{key}: more than {limit}")
    if not all(NAME.fullmatch(name) for name in value):
        raise Malformed(f"{key}: not a name")
    return {name: read(value, name) for name in value}


def _answer(body: dict[str, Any], key: str) -> str:
    return _text(body, key, REASON)


def _proof(body: dict[str, Any], key: str) -> Proof | None:
    proof = _object(body, key)
    if proof.get("running") is True or proof.get("at") is None:
        return None
    rows = proof.get("rows", [])
    if not isinstance(rows, list) or len(rows) > MAX_PROOF_ROWS:
        raise Malformed("proof: rows")
    if not isinstance(proof.get("ok"), bool):
        raise Malformed("proof: ok")
    return Proof(
        at=_number(proof, "at", -1e11, 1e11), ok=proof["ok"], rows=tuple(_proof_row(row) for row in rows)
    )


def _proof_row(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("ok"), bool):
        raise Malformed("proof: a row")
    return {
        "what": _words(row, "what", 120),
        "target": _words(row, "target", 120),
        "expected": _words(row, "expected", 16),
        "outcome": _words(row, "outcome", 16),
        "ok": row["ok"],
    }
