"""A desktop's greeting against real and hostile servers: always an answer, never late, never an exception."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.desktop_profiles import GreetingKind, load_profiles
from appliance.core.machine import Answer
from appliance.core.model import Desktop, DesktopKind, Endpoint, NetworkClass, Part, Protocol
from appliance.host.greeting import greet, greet_desktop
from appliance.host.profiles import packaged_profiles

SLACK = 0.5  # seconds a busy machine may add to a deadline
RDP, TLS, VNC = GreetingKind.RDP, GreetingKind.TLS, GreetingKind.VNC
CONFIRM = bytes.fromhex("03000013 0ed00000123400")


def confirm(protocol: int, kind: int = 2) -> bytes:
    """X.224 Connection Confirm with a negotiation response (MS-RDPBCGR 2.2.1.2)."""
    return CONFIRM + struct.pack("<BBHI", kind, 0, 8, protocol)


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that does `behave` with each connection; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(2)
                    with suppress(OSError):
                        behave(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join()
        listener.close()


class Identity:
    """A self-signed certificate, as a desk PC makes its own."""

    def __init__(self, folder: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk")])
        start = datetime.now(UTC) - timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=30))
            .sign(key, hashes.SHA256())
        )
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, self.key)

    def speak_tls(self, connection: socket.socket) -> None:
        with self.context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


def rdp_server(identity: Identity, answer: bytes, seen: list[bytes] | None = None) -> Callable[..., None]:
    def behave(connection: socket.socket) -> None:
        request = connection.recv(64)
        if seen is not None:
            seen.append(request)
        connection.sendall(answer)
        identity.speak_tls(connection)

    return behave


# --------------------------------------------------------------------------------- servers that are good


@pytest.mark.parametrize("protocol", [1, 2], ids=["tls", "nla"])
def test_a_desktop_that_negotiates_tls_answers_with_its_certificate(
    protocol: int, identity: Identity
) -> None:
    seen: list[bytes] = []
    with server(rdp_server(identity, confirm(protocol), seen)) as port:
        greeting = greet("127.0.0.1", port, RDP, pin=identity.fingerprint)
    assert greeting.answer is Answer.ANSWERS
    assert greeting.certificate == identity.fingerprint
    assert 0 < greeting.seconds < 3
    assert seen == [bytes.fromhex("030000130ee000000000000100080003000000")]


def test_a_confirm_in_single_octets_is_understood(identity: Identity) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(64)
        for octet in confirm(1):
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
        identity.speak_tls(connection)

    with server(behave) as port:
        assert greet("127.0.0.1", port, RDP).answer is Answer.ANSWERS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_gateway_answers_with_its_certificate(version: ssl.TLSVersion, tmp_path: Path) -> None:
    identity = Identity(tmp_path)
    identity.context.minimum_version = identity.context.maximum_version = version
    with server(identity.speak_tls) as port:
        greeting = greet("127.0.0.1", port, TLS, pin=identity.fingerprint.upper())
        assert greet("127.0.0.1", port, TLS).answer is Answer.ANSWERS
    assert (greeting.answer, greeting.certificate) == (Answer.ANSWERS, identity.fingerprint)


def test_a_vnc_server_answers() -> None:
    with server(lambda connection: connection.sendall(b"RFB 003.008\n")) as port:
        assert greet("127.0.0.1", port, VNC).answer is Answer.ANSWERS
        assert greet("127.0.0.1", port, VNC, pin="ab" * 32).answer is Answer.WRONG_CERTIFICATE


@pytest.mark.parametrize("kind", [RDP, TLS])
def test_another_certificate_than_the_pinned_one_is_not_the_desktop(
    kind: GreetingKind, identity: Identity
) -> None:
    behave = identity.speak_tls if kind is TLS else rdp_server(identity, confirm(2))
    with server(behave) as port:
        greeting = greet("127.0.0.1", port, kind, pin="ab" * 32)
    assert (greeting.answer, greeting.certificate) == (Answer.WRONG_CERTIFICATE, identity.fingerprint)


# ----------------------------------------------------------------------------------- servers that are not


@pytest.mark.parametrize(
    "answer",
    [
        confirm(5, kind=3),  # RDP_NEG_FAILURE: a desktop that wants what we do not offer
        confirm(0),  # the old RDP security, without TLS
        confirm(8),  # a protocol that was not asked for
        bytes.fromhex("0300000b06d00000123400"),  # a server from before negotiation
        bytes.fromhex("0300000b06e00000123400"),
        bytes.fromhex("03000004"),
        bytes.fromhex("0300ffff"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"RFB 003.008\n",
        b"",
    ],
)
def test_what_does_not_negotiate_tls_is_not_the_protocol(answer: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(answer)

    with server(behave) as port:
        assert greet("127.0.0.1", port, RDP).answer is Answer.NOT_THE_PROTOCOL


@pytest.mark.parametrize("answer", [b"RFB 004.000\n", b"RFB 003.0x8\n", b"RFB 003.0080", b"RFB", b""])
def test_other_words_than_rfb_3_are_not_vnc(answer: bytes) -> None:
    with server(lambda connection: connection.sendall(answer)) as port:
        assert greet("127.0.0.1", port, VNC).answer is Answer.NOT_THE_PROTOCOL


def test_a_confirm_without_tls_after_it_is_not_the_protocol() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(confirm(1) + b"\x16\x03\x03\x00\x02\x02\x00 nonsense")

    with server(behave) as port:
        assert greet("127.0.0.1", port, RDP).answer is Answer.NOT_THE_PROTOCOL


def test_an_open_port_alone_is_silent() -> None:
    with server(lambda connection: time.sleep(0.6)) as port:
        for kind in GreetingKind:
            greeting = greet("127.0.0.1", port, kind, deadline=0.2)
            assert greeting.answer is Answer.SILENT
            assert greeting.seconds < 0.2 + SLACK


def test_a_closed_port_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    greeting = greet("127.0.0.1", port, RDP, deadline=5)
    assert greeting.answer is Answer.REFUSED
    assert greeting.seconds < SLACK


def test_a_reset_in_the_middle_is_not_the_protocol() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(64)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(behave) as port:
        assert greet("127.0.0.1", port, RDP).answer is Answer.NOT_THE_PROTOCOL


@pytest.mark.parametrize("kind", GreetingKind)
def test_octet_by_octet_for_ever_ends_with_the_deadline(kind: GreetingKind) -> None:
    words = {
        RDP: confirm(1) + b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb",
        TLS: b"\x16\x03\x03\x3f\xff",
        VNC: b"",
    }

    def behave(connection: socket.socket) -> None:
        for octet in words[kind] + b"R" * 200:
            connection.sendall(bytes([octet]))
            time.sleep(0.05)

    with server(behave) as port:
        greeting = greet("127.0.0.1", port, kind, deadline=0.4)
    assert greeting.answer in (Answer.SILENT, Answer.NOT_THE_PROTOCOL)
    assert greeting.seconds < 0.4 + SLACK


@pytest.mark.parametrize("kind", GreetingKind)
def test_a_flood_ends_before_the_deadline_and_is_not_read_to_its_end(kind: GreetingKind) -> None:
    sent = 0
    record = b"\x16\x03\x03\x40\x00" + b"\x0b\x00\x40\x00" + b"\0" * 16380

    def behave(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(confirm(1) if kind is RDP else b"")
        for _ in range(4000):
            connection.sendall(record)
            sent += len(record)

    with server(behave) as port:
        greeting = greet("127.0.0.1", port, kind, deadline=5)
    assert greeting.answer is Answer.NOT_THE_PROTOCOL
    assert greeting.seconds < 2
    assert sent < 4000 * len(record)


def test_a_name_is_never_looked_up() -> None:
    with pytest.raises(ValueError, match="desk"):
        greet("desk", 3389, RDP)


def test_a_deadline_in_the_past_is_silent() -> None:
    assert greet("127.0.0.1", 9, RDP, deadline=0).answer is Answer.SILENT
    assert greet("127.0.0.1", 9, RDP, deadline=-1).answer is Answer.SILENT


class Hostile:
    """Says what it was told to say, piece by piece, and ends as it was told to."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.pause = 0.0
        self.hang = False

    def __call__(self, connection: socket.socket) -> None:
        for piece in self.pieces:
            connection.sendall(piece)
            time.sleep(self.pause)
        if self.hang:
            time.sleep(0.25)


@pytest.fixture(scope="module")
def hostile() -> Iterator[tuple[Hostile, int]]:
    behaviour = Hostile()
    with server(behaviour) as port:
        yield behaviour, port


GARBAGE = st.binary(max_size=80) | st.sampled_from(
    [confirm(1), confirm(2), confirm(5, 3), b"RFB 003.008\n", b"\x16\x03\x03\x00\x05", b"\x15\x03\x03\x00\x02\x02\x28"]
)  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from(GreetingKind),
    pieces=st.lists(GARBAGE, max_size=5),
    pause=st.sampled_from([0.0, 0.0, 0.01]),
    hang=st.booleans(),
    pin=st.sampled_from(["", "ab" * 32]),
)
def test_whatever_a_server_says_there_is_an_answer_in_time(
    hostile: tuple[Hostile, int], kind: GreetingKind, pieces: list[bytes], pause: float, hang: bool, pin: str
) -> None:
    behaviour, port = hostile
    behaviour.pieces, behaviour.pause, behaviour.hang = pieces, pause, hang
    greeting = greet("127.0.0.1", port, kind, pin=pin, deadline=0.2)
    assert isinstance(greeting.answer, Answer)
    assert greeting.seconds < 0.2 + SLACK
    if greeting.answer is Answer.ANSWERS:
        assert kind is VNC and b"".join(pieces).startswith(b"RFB 003.") and not pin


# --------------------------------------------------------------------------------------- whole desktops


PROFILE = """
never = []
[profile.pool]
title = "共有"
hosts = ["host"]
needs_names = "no"
rdp_file = false
closed = []
[[profile.pool.endpoint]]
host = "host"
open = ["tcp PORT"]
part = "screen"
reason = "x"
greeting = "vnc"
"""


def pool(port: int, hosts: int) -> Desktop:
    return Desktop(
        name="pool",
        title="共有",
        kind=DesktopKind.SHARED_HOST,
        network=NetworkClass.LGWAN,
        profile="pool",
        endpoints=tuple(
            Endpoint(host=f"127.0.0.{x}", protocol=Protocol.TCP, port=port, part=Part.SCREEN, reason="x")
            for x in range(1, hosts + 1)
        ),
    )


def test_a_pool_answers_though_all_its_hosts_but_the_last_are_silent() -> None:
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = first.getsockname()[1]
        others = [stack.enter_context(socket.create_server((f"127.0.0.{x}", port))) for x in range(2, 31)]
        profiles = load_profiles(PROFILE.replace("PORT", str(port)))

        def answer() -> None:
            connection, _ = others[-1].accept()
            with connection:
                connection.sendall(b"RFB 003.008\n")

        thread = threading.Thread(target=answer)
        thread.start()
        start = time.monotonic()
        probe = greet_desktop(pool(port, 30), profiles, now=7.0, deadline=1.0)
        took = time.monotonic() - start
        thread.join()
        assert greet_desktop(pool(port, 29), profiles, now=7.0, deadline=0.3).answer is Answer.SILENT
    assert (probe.desktop, probe.answer, probe.at) == ("pool", Answer.ANSWERS, 7.0)
    assert 0 < probe.seconds < 1.0
    assert took < 1.0 + SLACK


def test_a_desktop_with_nothing_to_greet_is_silent() -> None:
    probe = greet_desktop(pool(1234, 1), packaged_profiles(), now=7.0)
    assert (probe.answer, probe.seconds) == (Answer.SILENT, 0.0)


# --------------------------------------------------------------------------------------------- the real thing

XRDP = Path("/usr/sbin/xrdp")


@pytest.fixture
def xrdp(identity: Identity, tmp_path: Path) -> Iterator[int]:
    if not XRDP.exists():
        pytest.skip("xrdp is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "xrdp.ini"
    config.write_text(
        f"[Globals]\nini_version=1\nport=tcp://127.0.0.1:{port}\nsecurity_layer=tls\n"
        f"certificate={identity.certificate}\nkey_file={identity.key}\nssl_protocols=TLSv1.2, TLSv1.3\n"
        f"[Logging]\nLogFile={tmp_path}/log\nLogLevel=INFO\nEnableSyslog=false\n"
        "[Xorg]\nname=Xorg\nlib=libxup.so\nip=127.0.0.1\nport=-1\n"
    )
    with subprocess.Popen(
        [XRDP, "-n", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            end = time.monotonic() + 10
            while greet("127.0.0.1", port, RDP).answer is Answer.REFUSED and time.monotonic() < end:
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def test_a_real_xrdp_answers_and_its_pin_is_held(xrdp: int, identity: Identity) -> None:
    good = greet("127.0.0.1", xrdp, RDP, pin=identity.fingerprint)
    assert (good.answer, good.certificate) == (Answer.ANSWERS, identity.fingerprint)
    assert greet("127.0.0.1", xrdp, RDP, pin="ab" * 32).answer is Answer.WRONG_CERTIFICATE
    assert greet("127.0.0.1", xrdp, TLS, deadline=1).answer is Answer.NOT_THE_PROTOCOL
    assert greet("127.0.0.1", xrdp, VNC, deadline=0.3).answer is Answer.SILENT
