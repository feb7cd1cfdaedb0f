"""The `.rdp` file of one desktop: every redirection off, and the exact bytes that HQ signs. Signs nothing.

The signature is the one Windows' rdpsign.exe makes, as publicly described by Norbert Federa's rdpsign and
compared with rdpsign.exe by others since: the settings that have a name in `SIGNABLE`, in its order, one per
line, then the `signscope` line, then a NUL, all in UTF-16LE, signed as a detached PKCS#7 without attributes;
in the file it stands after a header of twelve octets, in base64, 64 characters and two spaces at a time.

rdpsign has no name for some settings (camera, microphone, USB, location). They stand in the file unsigned,
so a file is refused unless each has the one value that is safe.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.core.model import Desktop, Part, Protocol

MOST_CHARACTERS = 65536
_HEADER = struct.Struct("<III")  # 0x00010001, 0x00000001, octets of PKCS#7 that follow
_LINE = re.compile(r"([a-z][a-z0-9 -]{0,63}):([isb]):(.*)")
_NUMBER = re.compile(r"-?[0-9]{1,10}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Setting and its name in `signscope`, in the order in which rdpsign.exe signs.
SIGNABLE: dict[str, str] = {
    "full address:s": "Full Address",
    "alternate full address:s": "Alternate Full Address",
    "pcb:s": "PCB",
    "use redirection server name:i": "Use Redirection Server Name",
    "server port:i": "Server Port",
    "negotiate security layer:i": "Negotiate Security Layer",
    "enablecredsspsupport:i": "EnableCredSspSupport",
    "disableconnectionsharing:i": "DisableConnectionSharing",
    "autoreconnection enabled:i": "AutoReconnection Enabled",
    "gatewayhostname:s": "GatewayHostname",
    "gatewayusagemethod:i": "GatewayUsageMethod",
    "gatewayprofileusagemethod:i": "GatewayProfileUsageMethod",
    "gatewaycredentialssource:i": "GatewayCredentialsSource",
    "support url:s": "Support URL",
    "promptcredentialonce:i": "PromptCredentialOnce",
    "require pre-authentication:i": "Require pre-authentication",
    "pre-authentication server address:s": "Pre-authentication server address",
    "alternate shell:s": "Alternate Shell",
    "shell working directory:s": "Shell Working Directory",
    "remoteapplicationprogram:s": "RemoteApplicationProgram",
    "remoteapplicationexpandworkingdir:s": "RemoteApplicationExpandWorkingdir",
    "remoteapplicationmode:i": "RemoteApplicationMode",
    "remoteapplicationguid:s": "RemoteApplicationGuid",
    "remoteapplicationname:s": "RemoteApplicationName",
    "remoteapplicationicon:s": "RemoteApplicationIcon",
    "remoteapplicationfile:s": "RemoteApplicationFile",
    "remoteapplicationfileextensions:s": "RemoteApplicationFileExtensions",
    "remoteapplicationcmdline:s": "RemoteApplicationCmdLine",
    "remoteapplicationexpandcmdline:s": "RemoteApplicationExpandCmdLine",
    "prompt for credentials:i": "Prompt For Credentials",
    "authentication level:i": "Authentication Level",
    "audiomode:i": "AudioMode",
    "redirectdrives:i": "RedirectDrives",
    "redirectprinters:i": "RedirectPrinters",
    "redirectcomports:i": "RedirectCOMPorts",
    "redirectsmartcards:i": "RedirectSmartCards",
    "redirectposdevices:i": "RedirectPOSDevices",
    "redirectclipboard:i": "RedirectClipboard",
    "devicestoredirect:s": "DevicesToRedirect",
    "drivestoredirect:s": "DrivesToRedirect",
    "loadbalanceinfo:s": "LoadBalanceInfo",
    "redirectdirectx:i": "RedirectDirectX",
    "rdgiskdcproxy:i": "RDGIsKDCProxy",
    "kdcproxyname:s": "KDCProxyName",
    "eventloguploadaddress:s": "EventLogUploadAddress",
    "enablerdsaadauth:i": "EnableRdsAadAuth",
    "redirectwebauthn:i": "RedirectWebAuthn",
}

# What must be in every file, with this very value: left out, most of it would be on by default.
REDIRECTIONS_OFF: dict[str, str] = {
    "audiomode:i": "2",  # no sound is carried
    "redirectdrives:i": "0",
    "redirectprinters:i": "0",
    "redirectcomports:i": "0",
    "redirectsmartcards:i": "0",
    "redirectposdevices:i": "0",
    "redirectclipboard:i": "0",
    "devicestoredirect:s": "",
    "drivestoredirect:s": "",
    "redirectdirectx:i": "0",
    "redirectwebauthn:i": "0",
    # rdpsign has no name for these:
    "audiocapturemode:i": "0",
    "camerastoredirect:s": "",
    "usbdevicestoredirect:s": "",
    "redirectlocation:i": "0",
}
_FIXED: dict[str, str] = REDIRECTIONS_OFF | {
    "use redirection server name:i": "0",
    "negotiate security layer:i": "1",
    "enablecredsspsupport:i": "1",
    "gatewayhostname:s": "",
    "gatewayusagemethod:i": "0",
    "promptcredentialonce:i": "0",
    "alternate shell:s": "",
    "shell working directory:s": "",
    "remoteapplicationmode:i": "0",
    "prompt for credentials:i": "1",
    "authentication level:i": "2",  # ask where the desktop cannot prove itself: own desk PCs sign their own
}
# Looks only: may be changed by whoever holds the file, so they stand outside the signature.
_HARMLESS: dict[str, str] = {
    "screen mode id:i": "2",
    "use multimon:i": "0",
    "session bpp:i": "32",
    "compression:i": "1",
    "keyboardhook:i": "2",
    "displayconnectionbar:i": "1",
    "networkautodetect:i": "1",
    "bandwidthautodetect:i": "1",
    "dynamic resolution:i": "1",
    "smart sizing:i": "1",
}
_OURS = {"full address:s", "alternate full address:s", "server port:i", "autoreconnection enabled:i"}


class WhyNot(StrEnum):
    """Why a file is not handed out, or not believed."""

    NO_SCREEN = "no-screen"
    MALFORMED = "malformed"
    REDIRECTION = "redirection"
    SETTING = "setting"
    UNSIGNED = "unsigned"
    UNSIGNED_SETTING = "unsigned-setting"
    ALTERED = "altered"
    SIGNER = "signer"


class FileRefused(ValueError):
    def __init__(self, why: WhyNot, subject: str = "") -> None:
        super().__init__(f"{why}: {subject}" if subject else str(why))
        self.why = why
        self.subject = subject


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A file whose settings are all in order; whether `signature` is good for `message` is still open."""

    host: str
    port: int
    message: bytes
    signature: bytes  # PKCS#7, DER


# --------------------------------------------------------------------------------------------- writing


def rdp_text(desktop: Desktop) -> str:
    """The unsigned file, lines ending in CR LF. For a pool it names the first host."""
    endpoint = next(
        (x for x in desktop.endpoints if x.part is Part.SCREEN and x.protocol is Protocol.TCP), None
    )
    if endpoint is None:
        raise FileRefused(WhyNot.NO_SCREEN, desktop.name)
    values = _FIXED | {
        "full address:s": endpoint.host,
        # The client prefers the alternate address where there is one, so it must be in the signature too.
        "alternate full address:s": endpoint.host,
        "server port:i": str(endpoint.port),
        "autoreconnection enabled:i": "1",
    }
    signed = [f"{x}:{values[x]}" for x in SIGNABLE if x in values]
    others = [f"{x}:{y}" for x, y in (values | _HARMLESS).items() if x not in SIGNABLE]
    return "".join(f"{x}\r\n" for x in signed + others)


def message_to_sign(text: str) -> bytes:
    """What HQ's key signs for this unsigned file."""
    settings = dict(_settings(text))
    scope = [x for x in SIGNABLE if x in settings]
    return _message(settings, scope)


def attach_signature(text: str, signature: bytes) -> str:
    """The signed file; `signature` is the detached PKCS#7 over `message_to_sign(text)`, in DER."""
    settings = dict(_settings(text))
    scope = _scope_line([x for x in SIGNABLE if x in settings])
    return f"{text}{scope}\r\nsignature:s:{_signature_text(signature)}\r\n"


def encoded(text: str) -> bytes:
    """The file as Windows writes it: UTF-16LE with a byte order mark."""
    return b"\xff\xfe" + text.encode("utf-16-le")


def decoded(raw: bytes) -> str:
    """The text of a file in UTF-16LE or UTF-8; raises `FileRefused`."""
    if len(raw) > 2 * MOST_CHARACTERS + 2:
        raise FileRefused(WhyNot.MALFORMED, "too long")
    try:
        if raw.startswith(b"\xff\xfe"):
            return raw[2:].decode("utf-16-le")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(WhyNot.MALFORMED, "encoding") from error


def file_name(desktop: Desktop) -> str:
    """The desktop's title as a file name that Windows takes; drills say so on the first glance."""
    title = re.sub(r'[<>:"/\\|?*]', "_", desktop.title).strip(" .") or desktop.name
    return f"{'【訓練】' if desktop.drill else ''}{title}.rdp"


def trusted_authority(certificate: str) -> bytes:
    """What laptops put among their trusted authorities: the last certificate of HQ's chain (PEM), as a .cer file. Without
    it Windows calls the publisher unknown."""
    return x509.load_pem_x509_certificates(certificate.encode("ascii"))[-1].public_bytes(Encoding.DER)


# --------------------------------------------------------------------------------------------- reading


def read_signed(text: str) -> SignedFile:
    """Checks everything about a signed file but the signature itself; raises `FileRefused`."""
    settings = dict(_settings(text))
    scope_text = settings.pop("signscope:s", None)
    signature_text = settings.pop("signature:s", None)
    if scope_text is None or signature_text is None:
        raise FileRefused(WhyNot.UNSIGNED)
    _check_values(settings)
    scope = _check_scope(settings, scope_text)
    return SignedFile(
        host=settings["full address:s"],
        port=int(settings["server port:i"]),
        message=_message(settings, scope),
        signature=_signature(signature_text),
    )


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """`("redirectdrives:i", "0")` for each line. Strict, since the client is not: whatever it might read
    differently (capitals, spaces, a setting twice, other line ends) is refused."""
    if len(text) > MOST_CHARACTERS or not text.endswith("\r\n"):
        raise FileRefused(WhyNot.MALFORMED)
    seen: set[str] = set()
    for line in text[:-2].split("\r\n"):
        match = _LINE.fullmatch(line)
        if match is None or _CONTROL.search(line):
            raise FileRefused(WhyNot.MALFORMED, line[:80])
        name, kind, value = match.groups()
        if name in seen or (kind == "i" and not _NUMBER.fullmatch(value)):
            raise FileRefused(WhyNot.MALFORMED, line[:80])
        seen.add(name)
        yield f"{name}:{kind}", value


def _check_values(settings: dict[str, str]) -> None:
    for key, value in settings.items():
        if key not in SIGNABLE and key not in _FIXED and key not in _HARMLESS:
            raise FileRefused(WhyNot.UNSIGNED_SETTING, key)
        if key in _FIXED and value != _FIXED[key]:
            raise FileRefused(WhyNot.REDIRECTION if key in REDIRECTIONS_OFF else WhyNot.SETTING, key)
    for key in (*REDIRECTIONS_OFF, *_FIXED, *sorted(_OURS)):
        if key not in settings:
            raise FileRefused(WhyNot.REDIRECTION if key in REDIRECTIONS_OFF else WhyNot.SETTING, key)
    host = settings["full address:s"]
    if settings["alternate full address:s"] != host or not _is_address(host):
        raise FileRefused(WhyNot.SETTING, "full address:s")
    if not 1 <= int(settings["server port:i"]) <= 65535:
        raise FileRefused(WhyNot.SETTING, "server port:i")


def _is_address(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _check_scope(settings: dict[str, str], scope_text: str) -> list[str]:
    """The signed settings in signing order: all that can be signed, so none is left to be changed."""
    expected = [x for x in SIGNABLE if x in settings]
    names = scope_text.split(",")
    for key in expected:
        if SIGNABLE[key] not in names:
            raise FileRefused(WhyNot.UNSIGNED_SETTING, key)
    if names != [SIGNABLE[x] for x in expected]:
        raise FileRefused(WhyNot.ALTERED, "signscope")
    return expected


def _signature(text: str) -> bytes:
    try:
        signature = base64.b64decode(text.replace(" ", ""), validate=True)[_HEADER.size :]
    except ValueError as error:
        raise FileRefused(WhyNot.ALTERED, "signature") from error
    # Written again and compared: base64 has several spellings for the same octets.
    if _signature_text(signature) != text:
        raise FileRefused(WhyNot.ALTERED, "signature")
    return signature


def _signature_text(signature: bytes) -> str:
    blob = base64.b64encode(_HEADER.pack(0x00010001, 1, len(signature)) + signature).decode("ascii")
    return "".join(f"{blob[at : at + 64]}  " for at in range(0, len(blob), 64))


def _message(settings: dict[str, str], scope: list[str]) -> bytes:
    lines = [f"{x}:{settings[x]}" for x in scope] + [_scope_line(scope)]
    return ("".join(f"{x}\r\n" for x in lines) + "\0").encode("utf-16-le")


def _scope_line(scope: list[str]) -> str:
    return "signscope:s:" + ",".join(SIGNABLE[x] for x in scope)
