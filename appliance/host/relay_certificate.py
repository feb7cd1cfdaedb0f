"""The relay's own TLS certificate: boxes know it by its fingerprint, so no authority is asked and nothing is renewed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from appliance.host import files

YEARS = 20
NOBODY = "localhost"  # the name on it where HQ has none; whoever scans the internet learns nothing


def make(folder: Path, name: str, uid: int, now: float) -> str:
    """Key and certificate in a folder that only the relay's user may enter; the certificate's SHA-256, hex."""
    start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (name or NOBODY)[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=366 * YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name or NOBODY)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files.make_folder(folder, 0o700, uid, uid)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    public = certificate.public_bytes(Encoding.PEM).decode("ascii")
    for file, text, mode in (("key.pem", private, 0o400), ("certificate.pem", public, 0o444)):
        files.write_atomically(folder / file, text, mode)
        if os.geteuid() == 0:
            os.chown(folder / file, uid, uid)
    return certificate.fingerprint(hashes.SHA256()).hex()
