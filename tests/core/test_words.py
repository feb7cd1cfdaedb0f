"""Every reason and every refusal in plain words: none missing, none said twice, none of the words people avoid."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import appliance
from appliance.core.desktop_profiles import FAULTS
from appliance.core.desktops import WhyRefused
from appliance.core.model import Phase, Reason
from appliance.core.sentence import Sentence
from appliance.core.words import PHASE_WORDS, REASONS, REFUSALS, refusal, words

CODE = Path(appliance.__file__).parent
EVERY: dict[str, Sentence] = {
    **{f"reason {k}": v for k, v in REASONS.items()},
    **{f"refusal {k}": v for k, v in REFUSALS.items()},
    **{f"fault {k}": v for k, v in FAULTS.items()},
}
# The right-hand column of the words we avoid, for people who never learned computing.
AVOIDED = re.compile(
    r"RDP|VDI|VPN|トンネル|アップリンク|WAN|ゲートウェイ|アプライアンス|ノード|HQ|ハブ|チケット|トークン|ポート"
    r"|eth[0-9]|デバイス|クライアント|BLOCKED|遮断|フェイルオーバー|遅延|RTT|有効期限切れエラー|失効|PIN"
    r"|クレデンシャル|セッション|デプロビジョニング|ヘルスチェック|ping|ハートビート|認可|オーバーライド"
    r"|テストモード|エラー"
)
AVOIDED_EN = re.compile(r"\b(VPN|tunnels?|RDP|tickets?|uplinks?|tokens?|gateways?)\b", re.I)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    assert words(reason) is REASONS[reason]


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_word_in_both_languages(phase: Phase) -> None:
    assert all(PHASE_WORDS[phase])


@pytest.mark.parametrize("why", WhyRefused)
def test_every_closed_desktop_says_why(why: WhyRefused) -> None:
    assert why.value in REFUSALS


def raised_codes() -> set[str]:
    """The text in every `Refused("…")`, `TicketRefused("…")` and `_error("…")` of the code."""
    found = set()
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            if name in ("Refused", "TicketRefused", "CoreRefused", "_error") and isinstance(
                first, ast.Constant
            ):
                found.add(str(first.value))
    return found


def test_every_code_that_is_raised_anywhere_has_a_sentence_of_its_own() -> None:
    codes = raised_codes()
    assert {"ticket-used", "torn", "disk-full", "busy"} <= codes  # the guard: it does find them
    assert codes <= set(REFUSALS)


def test_an_unknown_code_still_gets_words() -> None:
    assert refusal("never heard of") is REFUSALS["bad-request"]


def test_a_number_means_one_thing_for_ever() -> None:
    meaning: dict[str, str] = {}
    for sentence in EVERY.values():
        assert re.fullmatch(r"[0-9]-[0-9]{2}", sentence.number)
        assert meaning.setdefault(sentence.number, sentence.what_ja) == sentence.what_ja


def test_no_two_reasons_share_a_number() -> None:
    assert len({x.number for x in REASONS.values()}) == len(REASONS)


@pytest.mark.parametrize("name", EVERY)
def test_the_words_people_avoid_do_not_occur(name: str) -> None:
    sentence = EVERY[name]
    assert not AVOIDED.search(sentence.what_ja + sentence.do_ja)
    assert not AVOIDED_EN.search(sentence.what_en + " " + sentence.do_en)


def test_the_words_people_avoid_would_be_found() -> None:
    assert AVOIDED.search("トンネルを確認") and AVOIDED_EN.search("The tunnel is down")


@pytest.mark.parametrize("name", EVERY)
def test_every_sentence_is_whole_and_short_in_both_languages(name: str) -> None:
    sentence = EVERY[name]
    for text in (sentence.what_ja, sentence.do_ja, sentence.what_en, sentence.do_en):
        assert text and text == text.strip() and len(text) <= 100
    assert not re.search(r"[ぁ-ん一-龥]", sentence.what_en + sentence.do_en)
    assert re.search(r"[ぁ-ん一-龥]", sentence.what_ja)


@pytest.mark.parametrize("name", EVERY)
def test_a_symptom_that_is_to_be_told_on_the_phone_is_its_own(name: str) -> None:
    sentence = EVERY[name]
    for text in (sentence.do_ja, sentence.do_en):
        told = re.findall(r"(?:症状|symptom )([0-9]-[0-9]{2})", text)
        assert told in ([], [sentence.number])
