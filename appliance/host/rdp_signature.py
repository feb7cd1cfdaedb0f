"""HQ's signature on `.rdp` files: makes the publisher's key and certificate, signs, verifies.

The authority that certifies the publisher is made for that one certificate and its key is thrown away: a
laptop that trusts it can never be shown anything else from it. Verifying parses nothing that a stranger
wrote: everything in the PKCS#7 but the signature itself follows from the certificate we trust, so it is
written once more and compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.core.model import Secret
from appliance.core.rdp_file import (
    FileRefused,
    SignedFile,
    WhyNot,
    attach_signature,
    message_to_sign,
    read_signed,
)

_KEY_BITS = 3072
_AUTHORITY = " 認証局"
_REMOTE_DESKTOP = x509.ObjectIdentifier("1.3.6.1.4.1.311.54.1.2")  # Microsoft: Remote Desktop Authentication
_USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING, _REMOTE_DESKTOP])


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """`certificate`: PEM, the signing certificate first, then the authority that laptops are to trust."""

    certificate: str
    key: Secret


def make_publisher(name: str, now: float, years: int = 10) -> Publisher:
    """`name` is what Windows shows as 発行元: the town's. A certificate has room for 21 kanji of it."""
    start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)  # a laptop's clock may be behind
    end = start + timedelta(days=366 * years)
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    authority_name = _name(f"{_fitting(name, 64 - len(_AUTHORITY.encode()))}{_AUTHORITY}")
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_USAGE, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _certificate(_name(_fitting(name, 64)), authority_name, key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(_USAGE, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    return Publisher(
        certificate=_pem(certificate) + _pem(authority),
        key=Secret(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
        ),
    )


def sign(text: str, publisher: Publisher) -> str:
    """The signed file for the unsigned `text`; what would not be believed is refused here already."""
    key = load_pem_private_key(publisher.key.reveal().encode("ascii"), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("Windows takes RSA signatures only")
    signature = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(message_to_sign(text))
        .add_signer(_first(publisher.certificate), key, hashes.SHA256())
        .sign(
            Encoding.DER,
            [
                pkcs7.PKCS7Options.DetachedSignature,
                pkcs7.PKCS7Options.Binary,
                pkcs7.PKCS7Options.NoAttributes,
            ],
        )
    )
    signed = attach_signature(text, signature)
    verify(signed, publisher.certificate)
    return signed


def verify(text: str, trusted_certificate: str, now: float | None = None) -> SignedFile:
    """The file's destination, if the first certificate of `trusted_certificate` (PEM) signed it as it is.

    Raises `FileRefused`. With `now` the certificate must also be within its dates; a box whose clock is
    wrong leaves that to the laptop.
    """
    file = read_signed(text)
    certificate = _first(trusted_certificate)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise FileRefused(WhyNot.SIGNER, "certificate")
    if now is not None:
        moment = datetime.fromtimestamp(now, UTC)
        if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
            raise FileRefused(WhyNot.SIGNER, "dates")
    if certificate.public_bytes(Encoding.DER) not in file.signature:
        raise FileRefused(WhyNot.SIGNER, "certificate")
    signature = file.signature[-(key.key_size // 8) :]
    if file.signature != _pkcs7(certificate, signature):
        raise FileRefused(WhyNot.ALTERED, "signature")
    try:
        key.verify(signature, file.message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise FileRefused(WhyNot.ALTERED, "signature") from error
    return file


# ---------------------------------------------------------------------- PKCS#7 as rdpsign.exe writes it

_SHA256 = bytes.fromhex("300d0609608648016503040201 0500")  # AlgorithmIdentifier with NULL parameters
_RSA = bytes.fromhex("300d06092a864886f70d010101 0500")
_CONTENT = bytes.fromhex("300b06092a864886f70d010701")  # ContentInfo of type data, without content: detached
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_SEQUENCE, _SET, _INTEGER, _OCTETS, _EXPLICIT = 0x30, 0x31, 0x02, 0x04, 0xA0
_ONE = bytes.fromhex("020101")


def _pkcs7(certificate: x509.Certificate, signature: bytes) -> bytes:
    """SignedData (RFC 2315, 9) with one signer and no attributes, in DER."""
    number = certificate.serial_number
    serial = _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
    issuer = _der(_SEQUENCE, certificate.issuer.public_bytes() + serial)
    signer = _der(_SEQUENCE, _ONE + issuer + _SHA256 + _RSA + _der(_OCTETS, signature))
    certificates = _der(_EXPLICIT, certificate.public_bytes(Encoding.DER))
    data = _der(_SEQUENCE, _ONE + _der(_SET, _SHA256) + _CONTENT + certificates + _der(_SET, signer))
    return _der(_SEQUENCE, _SIGNED_DATA + _der(_EXPLICIT, data))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


# -------------------------------------------------------------------------------------------- certificates


def _first(certificates: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(certificates.encode("ascii"))[0]
    except (ValueError, IndexError) as error:
        raise FileRefused(WhyNot.SIGNER, "certificate") from error


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _name(common: str) -> x509.Name:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "JP")
    return x509.Name([country, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _fitting(text: str, octets: int) -> str:
    """As much of it as fits: X.520 leaves a common name 64 characters, the library counts octets."""
    return text.encode("utf-8")[:octets].decode("utf-8", "ignore").strip()


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
