"""Asks a desktop for its protocol's own greeting: bounded in time and input, and never an exception.

Blocking sockets, made in the calling thread and without an event loop: the caller is a thread that lives in
the field namespace. A connection alone proves nothing, so each greeting goes on until the other side has
shown that it speaks the protocol, and with which certificate.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from appliance.core.desktop_profiles import GreetingKind, Profile
from appliance.core.desktops import Expected, greetings, judge_answers
from appliance.core.machine import Answer, DesktopProbe
from appliance.core.model import Desktop
from appliance.host import icmp_errors

MOST_OCTETS = 65536  # a server's whole first flight of TLS, certificates included, is a tenth of it

# X.224 Connection Request with an RDP Negotiation Request for TLS or CredSSP (MS-RDPBCGR 2.2.1.1).
_RDP_REQUEST = bytes.fromhex("0300 0013 0ee00000000000 01000800 03000000")
_RDP_TLS, _RDP_HYBRID = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    answer: Answer
    seconds: float
    certificate: str = ""  # SHA-256 of what the server showed, hex; "" = it showed none


class _Ended(Exception):
    """The greeting is over: this is what came of it."""

    def __init__(self, answer: Answer, certificate: str = "") -> None:
        self.answer = answer
        self.certificate = certificate


def greet(host: str, port: int, kind: GreetingKind, *, pin: str = "", deadline: float = 3.0) -> Greeting:
    """`host` is an IPv4 literal (no name is ever looked up), `pin` a SHA-256 fingerprint in hex or "",
    `deadline` the seconds for all of it."""
    address = str(ipaddress.IPv4Address(host))
    start = time.monotonic()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            line = _Line(connection, start + deadline)
            line.connect(address, port)
            _GREETINGS[kind](line, pin)
            ended = _Ended(Answer.ANSWERS)
    except _Ended as error:
        ended = error
    except TimeoutError:
        ended = _Ended(Answer.SILENT)
    except (OSError, ValueError):  # SSLError is an OSError: reset, closed or nonsense in the middle
        ended = _Ended(Answer.NOT_THE_PROTOCOL)
    return Greeting(answer=ended.answer, seconds=time.monotonic() - start, certificate=ended.certificate)


def greet_desktop(
    desktop: Desktop, profiles: Mapping[str, Profile], *, now: float, deadline: float = 3.0
) -> DesktopProbe:
    """Every screen endpoint that can be greeted, within `deadline` seconds for all of them. A pool is greeted
    by several threads: they are born from the calling one and so live in its network namespace."""
    expected = greetings(desktop, profiles)
    end = time.monotonic() + deadline

    def one(x: Expected) -> Greeting:
        left = end - time.monotonic()
        return greet(x.endpoint.host, x.endpoint.port, x.greeting, pin=x.certificate, deadline=left)

    if len(expected) < 2:
        answers = [one(x) for x in expected]
    else:
        # All at once (a desktop has at most `ENDPOINTS_MOST`): dead hosts must not use up the others' time.
        with ThreadPoolExecutor(len(expected)) as pool:
            answers = list(pool.map(one, expected))
    answer = judge_answers([x.answer for x in answers])
    seconds = min((x.seconds for x in answers if x.answer is answer), default=0.0)
    return DesktopProbe(desktop=desktop.name, answer=answer, at=now, seconds=seconds)


# ---------------------------------------------------------------------------------------- the protocols


def _greet_rdp(line: _Line, pin: str) -> None:
    line.send(_RDP_REQUEST)
    version, _, length = struct.unpack(">BBH", line.receive(4))  # TPKT (RFC 1006)
    if version != 3 or not 11 <= length <= 1024:
        raise _Ended(Answer.NOT_THE_PROTOCOL)
    confirm = line.receive(length - 4)
    if confirm[1] & 0xF0 != 0xD0 or len(confirm) < 15:  # Connection Confirm with a negotiation response
        raise _Ended(Answer.NOT_THE_PROTOCOL)
    kind, _, size, protocol = struct.unpack("<BBHI", confirm[7:15])
    if (kind, size) != (2, 8) or protocol not in (_RDP_TLS, _RDP_HYBRID):
        raise _Ended(Answer.NOT_THE_PROTOCOL)  # a failure, or a desktop without TLS, which we do not open
    _greet_tls(line, pin)


def _greet_tls(line: _Line, pin: str) -> None:
    certificate = line.handshake()
    fingerprint = hashlib.sha256(certificate).hexdigest()
    if pin and fingerprint != pin.replace(":", "").lower():
        raise _Ended(Answer.WRONG_CERTIFICATE, fingerprint)
    raise _Ended(Answer.ANSWERS, fingerprint)


def _greet_vnc(line: _Line, pin: str) -> None:
    """ProtocolVersion (RFC 6143, 7.1.1). It shows no certificate, so with a pin nothing is good enough."""
    words = line.receive(12)
    if not (words.startswith(b"RFB 003.") and words[8:11].isdigit() and words.endswith(b"\n")):
        raise _Ended(Answer.NOT_THE_PROTOCOL)
    if pin:
        raise _Ended(Answer.WRONG_CERTIFICATE)


_GREETINGS = {GreetingKind.RDP: _greet_rdp, GreetingKind.TLS: _greet_tls, GreetingKind.VNC: _greet_vnc}


# --------------------------------------------------------------------------------------------- the line


class _Line:
    """One TCP connection with one deadline for everything, and an end to how much it takes in."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._socket = connection
        self._deadline = deadline
        self._left = MOST_OCTETS

    def connect(self, host: str, port: int) -> None:
        # Asks the kernel to keep ICMP errors: only they tell a filter's refusal from an absent host.
        icmp_errors.keep(self._socket)
        try:
            self._wait()
            self._socket.connect((host, port))
            icmp_errors.must_be_connected(self._socket)
        except TimeoutError:
            raise _Ended(Answer.SILENT) from None
        except OSError as error:
            raise _Ended(self._why_not_connected(error)) from error

    def _why_not_connected(self, error: OSError) -> Answer:
        if error.errno in (errno.EACCES, errno.EPERM) or icmp_errors.is_filtered(self._socket):
            return Answer.PROHIBITED
        if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
            return Answer.REFUSED
        return Answer.SILENT  # no route, no such host

    def send(self, octets: bytes) -> None:
        self._wait()
        self._socket.sendall(octets)

    def receive(self, size: int) -> bytes:
        """Exactly `size` octets."""
        octets = b""
        while len(octets) < size:
            octets += self._some(size - len(octets))
        return octets

    def handshake(self) -> bytes:
        """A TLS handshake; the server's certificate in DER. Whom to believe is the caller's business."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    self.send(outgoing.read())
                incoming.write(self._some(4096))
        if outgoing.pending:
            self.send(outgoing.read())
        return tls.getpeercert(binary_form=True) or b""

    def _some(self, most: int) -> bytes:
        self._wait()
        octets = self._socket.recv(min(most, self._left))
        if not octets:  # closed by the other side, or more than anybody needs to say
            raise _Ended(Answer.NOT_THE_PROTOCOL)
        self._left -= len(octets)
        return octets

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
