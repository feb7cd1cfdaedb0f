"""A WireGuard initiator (Noise_IKpsk2, WireGuard whitepaper 5.4) whose clock says what a test wants.

The machine's clock cannot be moved for one process, and preloading does not reach Go programs: so the handshake is
made by hand, and only wireguard-go on the other side is real.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
APART = (
    0.06  # seconds between two initiations: within 20 ms the second is dropped as a flood, whatever its date
)
PATIENCE = 0.4  # seconds an answer may take on one machine
INITIATION, RESPONSE, DATA = 1, 2, 4


def tai64n(moment: float) -> bytes:
    """Seconds since 1970 as WireGuard writes them (TAI64N, ten seconds ahead of UTC)."""
    whole = int(moment)
    return struct.pack(">QI", 0x400000000000000A + whole, int((moment - whole) * 1e9))


def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2s(b"".join(parts)).digest()


def _keys(chain: bytes, text: bytes, count: int) -> list[bytes]:
    """HKDF with HMAC-BLAKE2s (RFC 5869)."""
    secret = hmac.digest(chain, text, "blake2s")
    found, last = [], b""
    for number in range(1, count + 1):
        last = hmac.digest(secret, last + bytes([number]), "blake2s")
        found.append(last)
    return found


def _seal(key: bytes, counter: int, text: bytes, known: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(struct.pack("<IQ", 0, counter), text, known)


def _open(key: bytes, counter: int, text: bytes, known: bytes) -> bytes:
    return ChaCha20Poly1305(key).decrypt(struct.pack("<IQ", 0, counter), text, known)


@dataclass(slots=True)
class Started:
    """An initiation on its way, and what is needed to read its answer."""

    packet: bytes
    number: int
    chain: bytes
    transcript: bytes
    ephemeral: X25519PrivateKey


@dataclass(slots=True)
class Initiator:
    """`private` and `responder`: base64, as wireguard-tools write keys."""

    private: str
    responder: str
    static: X25519PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.static = X25519PrivateKey.from_private_bytes(base64.b64decode(self.private))

    def start(self, moment: float) -> Started:
        """The first message of a handshake, dated `moment`."""
        theirs = base64.b64decode(self.responder)
        them = X25519PublicKey.from_public_bytes(theirs)
        ephemeral = X25519PrivateKey.generate()
        open_half = ephemeral.public_key().public_bytes_raw()
        chain = _hash(CONSTRUCTION)
        transcript = _hash(_hash(chain, IDENTIFIER), theirs)
        (chain,) = _keys(chain, open_half, 1)
        transcript = _hash(transcript, open_half)
        chain, key = _keys(chain, ephemeral.exchange(them), 2)
        name = _seal(key, 0, self.static.public_key().public_bytes_raw(), transcript)
        transcript = _hash(transcript, name)
        chain, key = _keys(chain, self.static.exchange(them), 2)
        stamp = _seal(key, 0, tai64n(moment), transcript)
        transcript = _hash(transcript, stamp)
        number = int.from_bytes(os.urandom(4), "little")
        packet = struct.pack("<II", INITIATION, number) + open_half + name + stamp
        packet += _mac1(theirs, packet) + bytes(16)
        return Started(packet, number, chain, transcript, ephemeral)

    def finish(self, started: Started, answer: bytes) -> bytes:
        """The responder's answer, checked; an empty data packet, which is what makes the handshake count."""
        kind, theirs, ours = struct.unpack("<III", answer[:12])
        assert (kind, ours) == (RESPONSE, started.number)
        open_half = answer[12:44]
        them = X25519PublicKey.from_public_bytes(open_half)
        (chain,) = _keys(started.chain, open_half, 1)
        transcript = _hash(started.transcript, open_half)
        (chain,) = _keys(chain, started.ephemeral.exchange(them), 1)
        (chain,) = _keys(chain, self.static.exchange(them), 1)
        chain, tau, key = _keys(chain, bytes(32), 3)
        assert _open(key, 0, answer[44:60], _hash(transcript, tau)) == b""
        sending, _ = _keys(chain, b"", 2)
        return struct.pack("<IIQ", DATA, theirs, 0) + _seal(sending, 0, b"", b"")

    def shake(self, channel: socket.socket, moment: float, *, complete: bool = True) -> bool:
        """Shake hands over a connected UDP socket; False when nobody answers."""
        started = self.start(moment)
        answer = ask(channel, started.packet)
        if answer is None:
            return False
        data = self.finish(started, answer)
        if complete:
            channel.send(data)
        return True


def ask(channel: socket.socket, packet: bytes) -> bytes | None:
    """What comes back for a packet, or None."""
    time.sleep(APART)
    channel.settimeout(PATIENCE)
    channel.send(packet)
    try:
        return channel.recv(256)
    except TimeoutError:
        return None


def _mac1(responder: bytes, packet: bytes) -> bytes:
    return hashlib.blake2s(packet, key=_hash(b"mac1----", responder), digest_size=16).digest()
