"""The words people see: complete in both languages, and none that a tired person would have to look up."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from appliance.core.desktop_profiles import FAULTS
from appliance.core.model import Reason
from appliance.core.words import REASONS, REFUSALS
from tests.webui import statuses
from tests.webui.door import RecordedDoor
from tests.webui.visitor import Page, Visitor
from webui import HERE, TRANSLATIONS
from webui.field import sentences
from webui.photo import Problem

# The right-hand column of the table of words, and its like in English. The table's ポート would also be found in
# レポート and サポート, クライアント in シンクライアント: none of those belongs on these pages either.
AVOIDED_JA = re.compile(
    r"RDP|VDI|VPN|トンネル|アップリンク|\bWAN\b|ゲートウェイ|アプライアンス|ノード|HQ|ハブ|チケット|トークン|ポート"
    r"|\beth\d|\busb\d|デバイス|クライアント|BLOCKED|遮断|フェイルオーバー|遅延|RTT|有効期限|失効|\bPIN\b|クレデンシャル"
    r"|セッション|デプロビジョニング|ヘルスチェック|\bping\b|ハートビート|認可|オーバーライド|テストモード|エラーコード",
    re.ASCII,
)
AVOIDED_EN = re.compile(
    r"\b(RDP|VDI|VPN|tunnels?|uplinks?|WAN|gateways?|appliances?|nodes?|hubs?|tickets?|tokens?|ports?"
    r"|eth\d|usb\d|clients?|blocked|failover|latency|RTT|revoked?|PIN|credentials?|sessions?|ping|heartbeat"
    r"|authori[sz]ation|error codes?|daemon)\b",
    re.IGNORECASE,
)
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
NAMES = re.compile(
    "|".join(
        (
            statuses.SITE,
            statuses.HQ,
            str(statuses.DESK["title"]),
            "訓練用デスクトップ",
            "日本語",
            statuses.FAR,
        )
    )
)
PROOF_ROWS = re.compile("|".join(str(row["what"]) for row in statuses.PROOF_ROWS))


def test_the_patterns_do_catch_what_they_are_for() -> None:
    assert len(AVOIDED_JA.findall("VPNのトンネルがeth0で遮断。pingのRTT")) == 6
    assert AVOIDED_EN.findall("The ticket's VPN tunnel: port blocked") == [
        "ticket",
        "VPN",
        "tunnel",
        "port",
        "blocked",
    ]


def catalogue() -> Catalog:
    with (TRANSLATIONS / "en/LC_MESSAGES/messages.po").open("rb") as text:
        return read_po(text)


def wanted() -> set[str]:
    with (TRANSLATIONS / "babel.cfg").open() as text:
        methods, options = parse_mapping_cfg(text)  # type: ignore[no-untyped-call]
    found = extract_from_dir(str(HERE), methods, options)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def test_every_japanese_sentence_has_an_english_one_and_none_is_left_over() -> None:
    known = {message.id: message.string for message in catalogue() if message.id}
    assert set(known) == wanted()
    assert [text for text, english in known.items() if not english] == []


def test_both_languages_fill_in_the_same_values() -> None:
    for message in catalogue():
        if message.id:
            blanks = [sorted(re.findall(r"%\(\w+\)s", str(text))) for text in (message.id, message.string)]
            assert blanks[0] == blanks[1], message.id


def pages(phone: Visitor, box: RecordedDoor) -> Iterator[tuple[str, Page]]:
    for name, found in statuses.EVERY.items():
        box.answers["status"] = found
        for path in ("/", "/details", "/sheet", "/wifi"):
            yield f"{name} {path}", phone.get(path)
    for reason in Reason:
        box.answers["status"] = statuses.status("BLOCKED", reason, **statuses.JOINED)
        yield reason, phone.get()
    box.answers["status"] = statuses.FRESH
    yield "site", phone.send("/ticket", ticket="NOROSHI:AAAA")
    yield "no", phone.send("/join", ticket="NOROSHI:AAAA", answer="no")
    yield "empty", phone.send("/ticket")
    yield "stale", phone.send("/ticket", "")
    yield "nowhere", phone.get("/nowhere")
    for code in (
        "format",
        "torn",
        "altered",
        "foreign",
        "expired",
        "ticket-used",
        "ticket-unknown",
        "joining-now",
    ):
        box.answers["read-ticket"] = code
        yield code, phone.send("/ticket", ticket="x")
    box.close()
    yield "closed", phone.get()


def seen(page: Page) -> str:
    """What a person reads, without what people themselves named, and without the form's own example."""
    return NAMES.sub("", page.text).replace("NOROSHI:AAAA", "")


def test_japanese_pages_use_the_words_of_the_table(phone: Visitor, box: RecordedDoor) -> None:
    for name, page in pages(phone, box):
        assert not (found := AVOIDED_JA.findall(seen(page))), f"{name}: {found}"


def test_english_pages_use_plain_words_and_no_japanese(phone: Visitor, box: RecordedDoor) -> None:
    phone.speak("en")
    for name, page in pages(phone, box):
        text = PROOF_ROWS.sub("", seen(page))
        assert not (found := AVOIDED_EN.findall(text)), f"{name}: {found}"
        assert not (found := JAPANESE.findall(text)), f"{name}: {found}"


@pytest.mark.parametrize("problem", list(Problem))
def test_every_problem_with_a_photo_has_a_sentence_and_a_number_of_its_own(
    phone: Visitor, problem: Problem
) -> None:
    with phone.client.application.test_request_context("/"):
        said = [sentences.of_photo(each) for each in Problem]
        ours = sentences.of_photo(problem)
    assert ours.what and ours.do
    assert [each.number for each in said].count(ours.number) == 1


def test_a_number_of_the_pages_means_nothing_else_on_the_box(phone: Visitor) -> None:
    with phone.client.application.test_request_context("/"):
        ours = [each.number for each in sentences.every()]
    boxes = {each.number for each in (*REASONS.values(), *REFUSALS.values(), *FAULTS.values())}
    assert len(set(ours)) == len(ours) and not boxes & set(ours)


def test_the_quoted_button_is_the_button_that_is_there(phone: Visitor, box: RecordedDoor) -> None:
    """Instructions name buttons: 「次へ」, 「このパソコンで開く」, 「いいえ」. They must be called so."""
    for language in ("ja", "en"):
        phone.speak(language)
        box.answers["status"] = statuses.WORKING
        done = phone.get()
        opener = re.search(r"<a class=\"button\" href=\"/desktops[^>]*>([^<]+)<", done.html)
        assert opener and f"{opener[1]}" in re.sub(r"<a class=\"button\".*?</a>", "", done.html)
        box.answers["status"] = statuses.FRESH
        empty = phone.send("/ticket")
        button = re.search(r"<button data-primary[^>]*>([^<]+)<", empty.html)
        assert button and (f"「{button[1]}」" in empty.text or f"“{button[1]}”" in empty.text)
