"""The `.rdp` file as text: what stands in it, what is signed of it, and what is refused before any key."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.model import Desktop, DesktopKind, Endpoint, NetworkClass, Part, Protocol
from appliance.core.rdp_file import (
    REDIRECTIONS_OFF,
    SIGNABLE,
    FileRefused,
    WhyNot,
    attach_signature,
    decoded,
    encoded,
    file_name,
    message_to_sign,
    rdp_text,
    read_signed,
)

GOLDEN = Path(__file__).parent / "soumu.rdp"


def endpoint(host: str, protocol: Protocol, port: int, part: Part) -> Endpoint:
    return Endpoint(host=host, protocol=protocol, port=port, part=part, reason="x")


DESKTOP = Desktop(
    name="soumu",
    title="総務課のデスクトップ",
    kind=DesktopKind.SHARED_HOST,
    network=NetworkClass.LGWAN,
    profile="rdp",
    endpoints=(
        endpoint("10.10.0.9", Protocol.TCP, 8888, Part.CONTROL),
        endpoint("10.10.0.20", Protocol.UDP, 3389, Part.SCREEN),
        endpoint("10.10.0.20", Protocol.TCP, 3389, Part.SCREEN),
        endpoint("10.10.0.21", Protocol.TCP, 3389, Part.SCREEN),
    ),
)
TEXT = rdp_text(DESKTOP)
SIGNED = attach_signature(TEXT, b"\x30\x00 stands in for PKCS#7 " * 9)


def why(text: str) -> WhyNot:
    with pytest.raises(FileRefused) as caught:
        read_signed(text)
    return caught.value.why


# --------------------------------------------------------------------------------------------- writing


def test_the_file_is_the_golden_one() -> None:
    assert decoded(GOLDEN.read_bytes()) == TEXT
    assert encoded(TEXT) == GOLDEN.read_bytes()


def test_the_file_names_the_first_host_of_the_screen() -> None:
    assert TEXT.startswith("full address:s:10.10.0.20\r\nalternate full address:s:10.10.0.20\r\n")
    assert "\r\nserver port:i:3389\r\n" in TEXT


@pytest.mark.parametrize(
    "line",
    [
        "redirectdrives:i:0",
        "redirectprinters:i:0",
        "redirectcomports:i:0",
        "redirectclipboard:i:0",
        "redirectsmartcards:i:0",
        "redirectposdevices:i:0",
        "redirectwebauthn:i:0",
        "redirectlocation:i:0",
        "drivestoredirect:s:",
        "devicestoredirect:s:",
        "usbdevicestoredirect:s:",
        "camerastoredirect:s:",
        "audiocapturemode:i:0",
        "authentication level:i:2",
        "enablecredsspsupport:i:1",
        "prompt for credentials:i:1",
    ],
)
def test_the_file_has_this_line(line: str) -> None:
    assert line in TEXT.split("\r\n")


def test_every_line_ends_as_windows_wants_it() -> None:
    assert TEXT.endswith("\r\n")
    assert "\n" not in TEXT.replace("\r\n", "")


def test_a_desktop_without_a_screen_over_tcp_has_no_file() -> None:
    with pytest.raises(FileRefused) as caught:
        rdp_text(replace(DESKTOP, endpoints=DESKTOP.endpoints[:2]))
    assert caught.value.why is WhyNot.NO_SCREEN


def test_the_signed_message_has_the_signable_lines_the_scope_and_a_nul_in_utf_16() -> None:
    message = message_to_sign(TEXT).decode("utf-16-le")
    assert message.endswith("\r\n\0")
    *lines, scope = message[:-3].split("\r\n")
    assert lines == [x for x in TEXT.split("\r\n")[:-1] if ":".join(x.split(":")[:2]) in SIGNABLE]
    assert scope == "signscope:s:" + ",".join(SIGNABLE[":".join(x.split(":")[:2])] for x in lines)
    assert scope.startswith("signscope:s:Full Address,Alternate Full Address,Use Redirection Server Name,")


def test_the_signature_line_is_written_as_rdpsign_writes_it() -> None:
    scope, signature = SIGNED.removeprefix(TEXT).removesuffix("\r\n").split("\r\n")
    assert scope.startswith("signscope:s:")
    groups = signature.removeprefix("signature:s:").split("  ")
    assert groups[-1] == ""
    assert all(len(x) == 64 for x in groups[:-2])
    assert groups[0].startswith("AQABAAEAAAD")  # 0x00010001, 0x00000001, little-endian


@pytest.mark.parametrize(
    ("title", "drill", "name"),
    [
        ("総務課のデスクトップ", False, "総務課のデスクトップ.rdp"),
        ("総務課のデスクトップ", True, "【訓練】総務課のデスクトップ.rdp"),
        ('a/b\\c:d*e?f"g<h>i|j', False, "a_b_c_d_e_f_g_h_i_j.rdp"),
        ("..", False, "soumu.rdp"),
    ],
)
def test_the_file_is_called_after_the_desktop(title: str, drill: bool, name: str) -> None:
    assert file_name(replace(DESKTOP, title=title, drill=drill)) == name


# --------------------------------------------------------------------------------------------- reading


def test_a_signed_file_says_where_it_leads() -> None:
    file = read_signed(SIGNED)
    assert (file.host, file.port) == ("10.10.0.20", 3389)
    assert file.message == message_to_sign(TEXT)


def test_what_was_encoded_is_decoded_also_from_utf_8() -> None:
    assert decoded(encoded(SIGNED)) == SIGNED
    assert decoded(SIGNED.encode("utf-8-sig")) == SIGNED


def test_an_unsigned_file_is_refused() -> None:
    assert why(TEXT) is WhyNot.UNSIGNED
    assert why(SIGNED[: SIGNED.index("signature:s:")]) is WhyNot.UNSIGNED
    assert why(TEXT + SIGNED[SIGNED.index("signature:s:") :]) is WhyNot.UNSIGNED


@pytest.mark.parametrize("key", REDIRECTIONS_OFF)
def test_a_file_with_a_redirection_on_is_refused(key: str) -> None:
    line = f"{key}:{REDIRECTIONS_OFF[key]}\r\n"
    assert line in SIGNED
    on = f"{key}:{'1' if key.endswith(':i') else '*'}\r\n"
    assert why(SIGNED.replace(line, on)) is WhyNot.REDIRECTION


@pytest.mark.parametrize("key", REDIRECTIONS_OFF)
def test_a_file_that_leaves_a_redirection_to_the_default_is_refused(key: str) -> None:
    line = f"\r\n{key}:{REDIRECTIONS_OFF[key]}\r\n"
    assert line in SIGNED
    assert why(SIGNED.replace(line, "\r\n")) is WhyNot.REDIRECTION


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("redirectdrives:i:1", WhyNot.MALFORMED),  # a second time: which one wins is the client's whim
        ("RedirectDrives:i:1", WhyNot.MALFORMED),
        (" redirectdrives:i:1", WhyNot.MALFORMED),
        ("redirectdrives :i:1", WhyNot.UNSIGNED_SETTING),
        ("redirectdrives:s:1", WhyNot.MALFORMED),
        ("screen mode id:i:x", WhyNot.MALFORMED),
        ("winposstr:s:0", WhyNot.UNSIGNED_SETTING),
        ("username:s:someone", WhyNot.UNSIGNED_SETTING),
        ("password 51:b:00", WhyNot.UNSIGNED_SETTING),
        ("loadbalanceinfo:s:tsv://elsewhere", WhyNot.UNSIGNED_SETTING),
        ("gatewaycredentialssource:i:4", WhyNot.UNSIGNED_SETTING),
        ("kdcproxyname:s:elsewhere", WhyNot.UNSIGNED_SETTING),
        ("remoteapplicationprogram:s:||cmd", WhyNot.UNSIGNED_SETTING),
        ("enablerdsaadauth:i:1", WhyNot.UNSIGNED_SETTING),
        ("no setting at all", WhyNot.MALFORMED),
        ("", WhyNot.MALFORMED),
        ("pcb:s:a\u2028redirectdrives:i:1", WhyNot.MALFORMED),
        ("pcb:s:a\nredirectdrives:i:1", WhyNot.MALFORMED),
        ("pcb:s:\ud800", WhyNot.MALFORMED),
    ],
)
def test_an_added_line_is_refused(line: str, expected: WhyNot) -> None:
    assert why(f"{line}\r\n{SIGNED}") is expected
    assert why(f"{SIGNED}{line}\r\n") is expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gatewayusagemethod:i:0", "gatewayusagemethod:i:1"),
        ("gatewayhostname:s:", "gatewayhostname:s:elsewhere.example"),
        ("alternate full address:s:10.10.0.20", "alternate full address:s:203.0.113.9"),
        ("full address:s:10.10.0.20", "full address:s:203.0.113.9"),
        ("authentication level:i:2", "authentication level:i:0"),
        ("enablecredsspsupport:i:1", "enablecredsspsupport:i:0"),
        ("prompt for credentials:i:1", "prompt for credentials:i:0"),
        ("alternate shell:s:", "alternate shell:s:cmd.exe"),
        ("server port:i:3389", "server port:i:70000"),
        ("server port:i:3389", "server port:i:0"),
    ],
)
def test_a_setting_that_matters_must_have_its_value(old: str, new: str) -> None:
    assert f"{old}\r\n" in SIGNED
    assert why(SIGNED.replace(f"{old}\r\n", f"{new}\r\n", 1)) is WhyNot.SETTING


def test_a_narrower_scope_is_refused() -> None:
    assert why(SIGNED.replace("RedirectDrives,", "")) is WhyNot.UNSIGNED_SETTING


def test_a_scope_in_another_order_or_with_strange_names_is_refused() -> None:
    swapped = SIGNED.replace("RedirectDrives,RedirectPrinters", "RedirectPrinters,RedirectDrives")
    assert why(swapped) is WhyNot.ALTERED
    assert why(SIGNED.replace("signscope:s:", "signscope:s:Screen Mode Id,")) is WhyNot.ALTERED


def test_how_the_window_looks_may_be_changed() -> None:
    assert read_signed(SIGNED.replace("screen mode id:i:2", "screen mode id:i:1")) == read_signed(SIGNED)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.replace("AQABAAEAAAD", "AgABAAEAAAD"),
        lambda x: x.replace("AQABAAEAAAD", "AQABAAIAAAD"),
        lambda x: x.replace("  \r\n", "\r\n"),
        lambda x: x.replace("  \r\n", "A  \r\n"),
        lambda x: x.replace("  \r\n", "!  \r\n"),
        lambda x: x[: x.index("signature:s:")] + "signature:s:\r\n",
        lambda x: x[: x.index("signature:s:")] + "signature:s:AQAB\r\n",
    ],
)
def test_a_signature_in_another_shape_is_refused(change: object) -> None:
    assert callable(change)
    changed = change(SIGNED)
    assert changed != SIGNED
    assert why(changed) is WhyNot.ALTERED


def test_other_line_ends_and_too_much_text_are_refused() -> None:
    assert why(SIGNED.replace("\r\n", "\n")) is WhyNot.MALFORMED
    assert why(SIGNED + "x" * 70_000 + "\r\n") is WhyNot.MALFORMED
    assert why("") is WhyNot.MALFORMED
    with pytest.raises(FileRefused):
        decoded(b"\xff\xfe" + b"a\0" * 200_000)


@given(st.text(max_size=200), st.integers(0, len(SIGNED)), st.integers(0, 40))
def test_any_text_is_a_file_or_one_plain_refusal(text: str, at: int, cut: int) -> None:
    for candidate in (text, SIGNED[:at] + text + SIGNED[at + cut :]):
        with suppress(FileRefused):
            read_signed(candidate)


@given(st.binary(max_size=100))
def test_any_octets_are_text_or_one_plain_refusal(raw: bytes) -> None:
    with suppress(FileRefused):
        decoded(raw)
