"""HQ's signature on `.rdp` files: ours is believed, everything else is not, and openssl agrees."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.model import Desktop, DesktopKind, Endpoint, NetworkClass, Part, Protocol
from appliance.core.rdp_file import (
    FileRefused,
    WhyNot,
    attach_signature,
    decoded,
    rdp_text,
    read_signed,
    trusted_authority,
)
from appliance.host.rdp_signature import Publisher, make_publisher, sign, verify

HERE = Path(__file__).parent
NOW = 1_790_000_000.0
YEAR = 365 * 86400.0

DESKTOP = Desktop(
    name="soumu",
    title="総務課のデスクトップ",
    kind=DesktopKind.SHARED_HOST,
    network=NetworkClass.LGWAN,
    profile="rdp",
    endpoints=(
        Endpoint(host="10.10.0.20", protocol=Protocol.TCP, port=3389, part=Part.SCREEN, reason="画面転送"),
    ),
)
TEXT = rdp_text(DESKTOP)


@pytest.fixture(scope="module")
def publisher() -> Publisher:
    return make_publisher("上越市", NOW)


@pytest.fixture(scope="module")
def signed(publisher: Publisher) -> str:
    return sign(TEXT, publisher)


def why(text: str, certificate: str, now: float | None = None) -> WhyNot:
    with pytest.raises(FileRefused) as caught:
        verify(text, certificate, now)
    return caught.value.why


def test_a_good_file_is_accepted(signed: str, publisher: Publisher) -> None:
    file = verify(signed, publisher.certificate, NOW)
    assert (file.host, file.port) == ("10.10.0.20", 3389)


def test_the_golden_file_is_still_accepted() -> None:
    text = decoded((HERE / "soumu-signed.rdp").read_bytes())
    assert verify(text, (HERE / "publisher.pem").read_text("ascii"), NOW).host == "10.10.0.20"
    assert text.startswith(TEXT)


def test_each_line_taken_out_or_altered_is_refused(signed: str, publisher: Publisher) -> None:
    harmless = 0
    lines = signed.split("\r\n")[:-1]
    for at, line in enumerate(lines):
        without = "".join(f"{x}\r\n" for x in lines[:at] + lines[at + 1 :])
        name, kind, value = line.split(":", 2)
        other = str(int(value) + 1) if kind == "i" else f"{value}x"
        altered = "".join(f"{x}\r\n" for x in [*lines[:at], f"{name}:{kind}:{other}", *lines[at + 1 :]])
        if line in TEXT[TEXT.index("screen mode id") :]:
            harmless += 1
            verify(without, publisher.certificate)
            verify(altered, publisher.certificate)
        else:
            why(without, publisher.certificate)
            why(altered, publisher.certificate)
    assert harmless == 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("full address:s:10.10.0.20", "full address:s:203.0.113.9"),  # both lines, so only the key can tell
        ("server port:i:3389", "server port:i:3390"),
        ("autoreconnection enabled:i:1", "autoreconnection enabled:i:0"),
    ],
)
def test_what_only_the_signature_protects_is_protected(
    old: str, new: str, signed: str, publisher: Publisher
) -> None:
    altered = signed.replace(old, new)
    read_signed(altered)  # nothing else is wrong with it
    assert why(altered, publisher.certificate) is WhyNot.ALTERED


def test_every_altered_octet_of_the_signature_is_refused(signed: str, publisher: Publisher) -> None:
    signature = read_signed(signed).signature
    for at in range(len(signature)):
        altered = bytearray(signature)
        altered[at] ^= 1
        why(attach_signature(TEXT, bytes(altered)), publisher.certificate)
    for wrong in (b"", signature[:-1], signature + b"\0", signature[1:], signature * 2):
        why(attach_signature(TEXT, wrong), publisher.certificate)


def test_a_redirection_added_after_signing_is_refused(signed: str, publisher: Publisher) -> None:
    assert why(f"redirectdrives:i:1\r\n{signed}", publisher.certificate) is WhyNot.MALFORMED
    on = signed.replace("redirectdrives:i:0", "redirectdrives:i:1")
    assert why(on, publisher.certificate) is WhyNot.REDIRECTION
    assert why(f"{signed}username:s:x\r\n", publisher.certificate) is WhyNot.UNSIGNED_SETTING


def test_an_unsigned_file_is_refused(publisher: Publisher) -> None:
    assert why(TEXT, publisher.certificate) is WhyNot.UNSIGNED


def test_hq_does_not_sign_a_file_with_a_redirection_on(publisher: Publisher) -> None:
    with pytest.raises(FileRefused) as caught:
        sign(TEXT.replace("redirectclipboard:i:0", "redirectclipboard:i:1"), publisher)
    assert caught.value.why is WhyNot.REDIRECTION


def test_a_signature_by_another_key_is_refused(publisher: Publisher) -> None:
    stranger = make_publisher("上越市", NOW)  # the same name is not the same publisher
    assert why(sign(TEXT, stranger), publisher.certificate) is WhyNot.SIGNER


def test_a_key_that_is_not_the_certificates_signs_nothing(publisher: Publisher) -> None:
    other = make_publisher("上越市", NOW)
    with pytest.raises(FileRefused):
        sign(TEXT, Publisher(certificate=publisher.certificate, key=other.key))


def test_our_certificate_around_a_strangers_signature_is_refused(signed: str, publisher: Publisher) -> None:
    stranger = make_publisher("上越市", NOW)
    theirs = read_signed(sign(TEXT, stranger)).signature
    ours = read_signed(signed).signature
    assert why(attach_signature(TEXT, ours[:-384] + theirs[-384:]), publisher.certificate) is WhyNot.ALTERED


@pytest.mark.parametrize(("later", "fits"), [(-2 * 86400.0, False), (0.0, True), (11 * YEAR, False)])
def test_dates_count_where_the_clock_is_known(
    later: float, fits: bool, signed: str, publisher: Publisher
) -> None:
    verify(signed, publisher.certificate)
    if fits:
        verify(signed, publisher.certificate, NOW + later)
    else:
        assert why(signed, publisher.certificate, NOW + later) is WhyNot.SIGNER


@pytest.mark.parametrize(
    "certificate", ["", "nonsense", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"]
)
def test_without_a_certificate_nothing_is_trusted(certificate: str, signed: str) -> None:
    assert why(signed, certificate) is WhyNot.SIGNER


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=3000))
def test_any_octets_as_a_signature_get_one_plain_refusal(publisher: Publisher, raw: bytes) -> None:
    with suppress(FileRefused):
        verify(attach_signature(TEXT, raw), publisher.certificate)
        raise AssertionError("believed")


# ------------------------------------------------------------------------------- what others make of it


def test_windows_is_shown_the_towns_name(publisher: Publisher) -> None:
    certificate, authority = x509.load_pem_x509_certificates(publisher.certificate.encode())
    assert certificate.subject.rfc4514_string() == "CN=上越市,C=JP"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {x.dotted_string for x in usage} == {"1.3.6.1.5.5.7.3.3", "1.3.6.1.4.1.311.54.1.2"}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert trusted_authority(publisher.certificate) == authority.public_bytes(Encoding.DER)
    certificate.verify_directly_issued_by(authority)


def test_the_longest_name_a_town_may_have_fits() -> None:
    long = make_publisher("あ" * 60, NOW)
    names = [x.subject.rfc4514_string() for x in x509.load_pem_x509_certificates(long.certificate.encode())]
    assert names == [f"CN={'あ' * 21},C=JP", f"CN={'あ' * 18} 認証局,C=JP"]


def test_the_key_is_not_printed(publisher: Publisher) -> None:
    assert "PRIVATE" not in repr(publisher)


def test_openssl_believes_the_signature_and_would_write_the_same(
    signed: str, publisher: Publisher, tmp_path: Path
) -> None:
    file = read_signed(signed)
    for name, content in (("message", file.message), ("signature", file.signature)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "publisher.pem").write_text(publisher.certificate)
    (tmp_path / "authority.pem").write_text(publisher.certificate.split("-----END CERTIFICATE-----\n")[1]
                                            + "-----END CERTIFICATE-----\n")  # fmt: skip
    (tmp_path / "key.pem").write_text(publisher.key.reveal())
    check = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature"]
    check += ["-content", "message", "-out", "/dev/null", "-CAfile", "authority.pem", "-purpose", "any"]
    check += ["-no_check_time"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True, timeout=20)
    # How Norbert Federa's rdpsign calls openssl for what rdpsign.exe does.
    write = ["openssl", "smime", "-sign", "-binary", "-signer", "publisher.pem", "-inkey", "key.pem"]
    write += ["-in", "message", "-outform", "DER", "-noattr", "-nosmimecap"]
    theirs = subprocess.run(write, cwd=tmp_path, check=True, capture_output=True, timeout=20)
    assert theirs.stdout == file.signature


def test_openssl_refuses_an_altered_message(signed: str, publisher: Publisher, tmp_path: Path) -> None:
    file = read_signed(signed)
    (tmp_path / "message").write_bytes(file.message.replace(b"3\x003\x008\x009", b"3\x003\x009\x000"))
    (tmp_path / "signature").write_bytes(file.signature)
    (tmp_path / "publisher.pem").write_text(publisher.certificate)
    check = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature"]
    check += ["-content", "message", "-out", "/dev/null", "-CAfile", "publisher.pem", "-purpose", "any"]
    done = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True, timeout=20)
    assert done.returncode != 0
