"""A scout's hello: WireGuard's own first message (Noise IKpsk2, whitepaper 5.4) with a key that is good for nothing
else. The hub's answer proves that hub and line are there, without touching the tunnel. Pure; no packet leaves here.

Nobody has to hand the scout's keys over: box and hub each make them from the Diffie-Hellman secret of their tunnel
keys. The hub lets such a key in with no addresses at all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.core.model import Secret

SCOUTS = 2  # keys a box has: one hello overtaking another with the same key is taken for a replay
FINDER = SCOUTS  # the number of one key more: for the one who tries HQ's further doors
KEYS = SCOUTS + 1
HELLO_SIZE, ANSWER_SIZE = 148, 92
_CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
_IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
_NONCE = bytes(12)
_NO_PSK = bytes(32)
_TAI64_BASE = (1 << 62) + 10  # TAI runs ten seconds ahead of 1970's UTC, by wireguard's reckoning


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """One hello on its way: what is needed to know its answer."""

    index: int
    message: bytes
    chain: bytes
    hash: bytes
    ephemeral: X25519PrivateKey


@dataclass(frozen=True, slots=True)
class Initiator:
    """The scout's key and the hub's."""

    private: X25519PrivateKey
    hub: bytes

    def hello(self, index: int, moment: int, ephemeral: X25519PrivateKey) -> Hello:
        """The first message. `moment`: nanoseconds since 1970, more with every hello of this key."""
        hub = X25519PublicKey.from_public_bytes(self.hub)
        chain = _hash(_CONSTRUCTION)
        digest = _hash(_hash(chain + _IDENTIFIER) + self.hub)
        public = ephemeral.public_key().public_bytes_raw()
        chain, digest = _derive(chain, public, 1)[0], _hash(digest + public)
        chain, key = _derive(chain, ephemeral.exchange(hub), 2)
        static = _seal(key, self.private.public_key().public_bytes_raw(), digest)
        digest = _hash(digest + static)
        chain, key = _derive(chain, self.private.exchange(hub), 2)
        stamp = _seal(key, _tai64n(moment), digest)
        digest = _hash(digest + stamp)
        body = struct.pack("<II", 1, index) + public + static + stamp
        first = hashlib.blake2s(body, key=_hash(b"mac1----" + self.hub), digest_size=16).digest()
        message = body + first + bytes(16)
        return Hello(index=index, message=message, chain=chain, hash=digest, ephemeral=ephemeral)

    def is_answer(self, hello: Hello, packet: bytes) -> bool:
        """Whether only the hub can have said this, and to this very hello."""
        if receiver(packet) != hello.index:
            return False
        public, proof = packet[12:44], packet[44:60]
        try:
            hub = X25519PublicKey.from_public_bytes(public)
            chain, digest = _derive(hello.chain, public, 1)[0], _hash(hello.hash + public)
            chain = _derive(chain, hello.ephemeral.exchange(hub), 1)[0]
            chain = _derive(chain, self.private.exchange(hub), 1)[0]
            _, mixed, key = _derive(chain, _NO_PSK, 3)
            ChaCha20Poly1305(key).decrypt(_NONCE, proof, _hash(digest + mixed))
        except (InvalidTag, ValueError):
            return False
        return True


def receiver(packet: bytes) -> int:
    """Which hello a packet claims to answer; -1 for anything else."""
    if len(packet) != ANSWER_SIZE or packet[:4] != b"\x02\0\0\0":
        return -1
    index: int = struct.unpack_from("<I", packet, 8)[0]
    return index


def initiator(own: Secret, theirs: str, number: int) -> Initiator:
    """The scout `number` of a box, from either end: own private tunnel key, the other's public one."""
    return Initiator(
        X25519PrivateKey.from_private_bytes(_seed(own, theirs, number)), base64.b64decode(theirs)
    )


def public_key(own: Secret, theirs: str, number: int) -> str:
    """The same scout's public key, base64."""
    key = X25519PrivateKey.from_private_bytes(_seed(own, theirs, number))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _seed(own: Secret, theirs: str, number: int) -> bytes:
    private = X25519PrivateKey.from_private_bytes(base64.b64decode(own.reveal()))
    shared = private.exchange(X25519PublicKey.from_public_bytes(base64.b64decode(theirs)))
    return hashlib.blake2s(f"noroshi scout {number}".encode(), key=shared).digest()


def _hash(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def _derive(chain: bytes, data: bytes, count: int) -> list[bytes]:
    """HKDF as the whitepaper's Kdf1 to Kdf3."""
    secret = hmac.new(chain, data, hashlib.blake2s).digest()
    found, last = [], b""
    for number in range(1, count + 1):
        last = hmac.new(secret, last + bytes([number]), hashlib.blake2s).digest()
        found.append(last)
    return found


def _seal(key: bytes, text: bytes, digest: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_NONCE, text, digest)


def _tai64n(moment: int) -> bytes:
    return struct.pack(">QI", _TAI64_BASE + moment // 10**9, moment % 10**9)
