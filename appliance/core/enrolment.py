"""Tickets and signed papers: ticket ↔ QR text, sign, check, expire. Keys come in as arguments.

A ticket is `NOROSHI:` + base32(CBOR [payload, Ed25519 signature]); base32 keeps the QR code in its dense
alphanumeric mode and survives being typed. The payload is itself CBOR, an array in the order of `_pack`.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from appliance.core.codec import Invalid, canonical, parse_json
from appliance.core.model import Entrance, Secret, Ticket

PREFIX = "NOROSHI:"
FORMAT = 1
MAX_TICKET_TEXT = 4096
LATEST = 253402300799  # 9999-12-31
MAX_NAME = 60  # characters of a site's or HQ's name


class TicketRefused(ValueError):
    """`code` is one of: torn, altered, foreign, expired, format."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


# ------------------------------------------------------------------------------------------- grammar

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ID = re.compile(r"[0-9a-f]{16}")
_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
_PIN = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
MOST_DOORS = 8  # ports of HQ's entrance, and names


def is_phone(text: str) -> bool:
    """Digits, in groups if need be: what a telephone's own dialler takes (RFC 3966, without its extras)."""
    return len(text) <= 20 and re.fullmatch(r"\+?[0-9](-?[0-9]){2,}", text, re.ASCII) is not None


def is_name(text: str) -> bool:
    """A name people gave to a site or an office: printable, 1 to 60 characters, no direction tricks."""
    return 0 < len(text) <= MAX_NAME and not _UNPRINTABLE.search(text) and text.strip() == text


def is_key(text: str) -> bool:
    """32 octets in standard base64, as `wg` prints them."""
    return bool(_KEY.fullmatch(text))


def is_endpoint(text: str) -> bool:
    """`address:port` or `[v6 address]:port`, literal addresses only: names are looked up at HQ."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        return False
    if host.startswith("[") and host.endswith("]"):
        return _is_address(host[1:-1], 6)
    return _is_address(host, 4)


def is_host(text: str) -> bool:
    """A host name with at least one dot, in lower case (RFC 1123)."""
    return bool(_HOST.fullmatch(text))


def is_entrance(x: Entrance) -> bool:
    ports = (*x.ports, x.relay_port)
    return (
        all(type(y) is int for y in ports)
        and all(0 < y < 65536 for y in x.ports)
        and 0 <= x.relay_port < 65536
        and len(x.ports) <= MOST_DOORS
        and (_PIN.fullmatch(x.relay_pin) is not None or not (x.relay_port or x.relay_pin))
        and (not x.relay_name or is_host(x.relay_name))
        and len(x.names) <= MOST_DOORS
        and all(is_host(y) for y in x.names)
    )


def is_ipv4(text: str) -> bool:
    return _is_address(text, 4)


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


# -------------------------------------------------------------------------------------------- tickets


def ticket_text(ticket: Ticket, signing_private: Secret) -> str:
    """The text that goes into the QR code."""
    payload = cbor2.dumps(_pack(ticket))
    envelope = cbor2.dumps([payload, _signer(signing_private).sign(payload)])
    return PREFIX + base64.b32encode(envelope).decode().rstrip("=")


def read_ticket(text: str, pinned_signing_key: str = "") -> Ticket:
    """The ticket in `text`, its signature checked against the pinned key, or against its own where none is
    pinned yet (trust on first use: the person is shown HQ's name). Raises TicketRefused."""
    payload, signature = _open(text)
    ticket = _unpack(payload)
    try:
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(ticket.signing_key))
        verifier.verify(signature, payload)
    except (InvalidSignature, ValueError) as error:
        raise TicketRefused("altered") from error
    if pinned_signing_key and ticket.signing_key != pinned_signing_key:
        raise TicketRefused("foreign")
    return ticket


def check_expiry(ticket: Ticket, now: float, clock_trusted: bool) -> None:
    """Raises TicketRefused("expired"). A clock nobody vouches for proves nothing: then HQ decides."""
    if clock_trusted and now > ticket.expires:
        raise TicketRefused("expired")


def clean_ticket_text(text: str) -> str:
    """What people paste or a scanner adds: spaces, line breaks, lower case, words around it."""
    compact = re.sub(r"\s+", "", text[: 4 * MAX_TICKET_TEXT]).upper()
    match = re.search(r"NOROSHI:([A-Z2-7]*)", compact)
    return PREFIX + match[1] if match else ""


def _open(text: str) -> tuple[bytes, bytes]:
    compact = clean_ticket_text(text)
    if not compact:
        raise TicketRefused("format")
    body = compact.removeprefix(PREFIX)
    if not body or len(body) > MAX_TICKET_TEXT:
        raise TicketRefused("torn")
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
        stream = BytesIO(raw)
        envelope = cbor2.load(stream)
    except Exception as error:  # whatever hostile CBOR makes the reading stumble over
        raise TicketRefused("torn") from error
    if stream.read(1) or not (isinstance(envelope, list) and len(envelope) == 2):
        raise TicketRefused("torn")
    payload, signature = envelope
    if not isinstance(payload, bytes) or not isinstance(signature, bytes) or len(signature) != 64:
        raise TicketRefused("torn")
    return payload, signature


def _pack(t: Ticket) -> list[Any]:
    def raw(key: str) -> bytes:
        return base64.b64decode(key)

    doors, e = [], t.entrance
    if e != Entrance():  # a QR code with fewer octets is read from farther away
        doors = [[list(e.ports), e.relay_port, bytes.fromhex(e.relay_pin), e.relay_name, list(e.names)]]
    return [
        FORMAT, bytes.fromhex(t.id), t.hq_name, t.site, list(t.endpoints), raw(t.hub_key), t.hub_address,
        raw(t.signing_key), raw(t.invitation_key.reveal()), t.invitation_address, int(t.expires), *doors,
    ]  # fmt: skip


def _unpack(payload: bytes) -> Ticket:
    try:
        version, *rest = cbor2.loads(payload)
        if version != FORMAT:
            raise TicketRefused("format")
        id_, hq, site, endpoints, hub, hub_address, signing, invitation, address, expires, *doors = rest
        ticket = Ticket(
            id=id_.hex(),
            hq_name=hq,
            site=site,
            endpoints=tuple(endpoints),
            hub_key=_key(hub),
            hub_address=hub_address,
            signing_key=_key(signing),
            invitation_key=Secret(_key(invitation)),
            invitation_address=address,
            expires=_time(expires),
            entrance=_entrance(doors),
        )
    except TicketRefused:
        raise
    except Exception as error:  # whatever hostile CBOR makes the reading stumble over
        raise TicketRefused("altered") from error
    if not _sound(ticket):
        raise TicketRefused("altered")
    return ticket


def _entrance(doors: list[Any]) -> Entrance:
    if not doors:
        return Entrance()
    ((ports, relay_port, pin, relay_name, names),) = doors
    return Entrance(
        ports=tuple(ports),
        relay_port=relay_port,
        relay_pin=pin.hex(),
        relay_name=relay_name,
        names=tuple(names),
    )


def _key(raw: bytes) -> str:
    if not isinstance(raw, bytes) or len(raw) != 32:
        raise TicketRefused("altered")
    return base64.b64encode(raw).decode()


def _time(value: object) -> float:
    """Whole seconds: NaN and infinity would be a ticket without an end, and a file that cannot be read again."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TicketRefused("altered")
    return float(value)


def _sound(t: Ticket) -> bool:
    e = t.entrance
    texts = (t.hq_name, t.site, t.hub_address, t.invitation_address, *t.endpoints, e.relay_name, *e.names)
    return (
        all(isinstance(x, str) for x in texts)
        and _ID.fullmatch(t.id) is not None
        and 0 <= t.expires <= LATEST
        and is_name(t.hq_name)
        and is_name(t.site)
        and 0 < len(t.endpoints) <= 8
        and all(is_endpoint(x) for x in t.endpoints)
        and is_entrance(e)
        and _is_address(t.hub_address, 4)
        and _is_address(t.invitation_address, 4)
    )


# -------------------------------------------------------------------------------------- signed papers


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    body: str
    signature: str


def sign(body: Any, private: Secret) -> str:
    """JSON data → the text `{"body": …, "signature": …}` that travels."""
    text = canonical(body)
    signature = _signer(private).sign(text.encode())
    return canonical({"body": text, "signature": base64.b64encode(signature).decode()})


def sign_text(text: str, private: Secret) -> str:
    """A detached signature over `text`, base64: how a box signs a report."""
    return base64.b64encode(_signer(private).sign(text.encode())).decode()


def open_signed(text: str, public: str, limit: int = 1 << 20) -> Any:
    """The body of a signed paper as data. Raises Invalid when anything about it is wrong."""
    data = parse_json(text, limit)
    if not (isinstance(data, dict) and set(data) == {"body", "signature"}):
        raise Invalid("not a signed paper")
    body, signature = data["body"], data["signature"]
    if not (isinstance(body, str) and isinstance(signature, str)):
        raise Invalid("not a signed paper")
    if not verify_text(body, signature, public):
        raise Invalid("the signature is wrong")
    return parse_json(body, limit)


def verify_text(text: str, signature: str, public: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _signer(private: Secret) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(private.reveal()))
