"""A modem that is no line yet, and what people write down from a SIM's papers, in both languages."""

from __future__ import annotations

from appliance.core.model import Reason
from appliance.core.sentence import Sentence

MODEM: dict[Reason, Sentence] = {
    Reason.MODEM_STARTING: Sentence(
        "2-30", "携帯の電波につないでいます", "1分ほどお待ちください",
        "Connecting to the mobile network", "Please wait about a minute",
    ),
    Reason.MODEM_NO_SIM: Sentence(
        "2-31", "SIMカードが入っていないか、読めません", "SIMカードを差し直し、箱の電源を入れ直してください",
        "There is no SIM card, or it cannot be read", "Put the SIM card in again, then switch the box off and on",
    ),
    Reason.MODEM_LOCKED: Sentence(
        "2-32", "SIMカードに暗証番号がかかっています",
        "SIMカードを携帯電話に入れて暗証番号を外してから、差し直してください",
        "The SIM card is locked by a number of its own",
        "Put the SIM card into a phone, switch its lock off, then put it back",
    ),
    Reason.MODEM_SEARCHING: Sentence(
        "2-33", "携帯の電波を探しています", "1分待っても変わらなければ、箱を窓ぎわへ移してください",
        "Looking for a mobile network", "If nothing changes within a minute, move the box to a window",
    ),
    Reason.MODEM_DENIED: Sentence(
        "2-34", "このSIMカードは、携帯会社に断られています", "本部に電話し「症状2-34」と伝え、SIMの契約を調べてもらってください",
        "The carrier does not accept this SIM card", "Call HQ, say “symptom 2-34” and ask them to look into the SIM's contract",
    ),
    Reason.MODEM_ROAMING: Sentence(
        "2-35", "契約した携帯会社の電波が届いていません。ほかの会社の電波は、契約にあるときだけ使います",
        "箱を窓ぎわへ移すか、ほかの回線の機器を差してください",
        "The SIM's own carrier is out of reach; others are used only where the contract has it",
        "Move the box to a window, or plug in another line device",
    ),
    Reason.MODEM_NEEDS_APN: Sentence(
        "2-36", "携帯会社につながりません。接続先の名前(APN)がいるようです",
        "「くわしい様子」から「携帯の電波の設定」を開き、SIMの書類にあるAPNを入れてください",
        "The carrier refuses the connection: it seems to need the network's name (APN)",
        "Open “Details”, then “Mobile network”, and enter the APN from the SIM's papers",
    ),
    Reason.MODEM_REFUSED: Sentence(
        "2-37", "携帯会社につながりません。接続先の名前(APN)が違うようです",
        "「くわしい様子」から「携帯の電波の設定」を開き、SIMの書類と見くらべてください",
        "The carrier refuses the connection: the network's name (APN) seems to be wrong",
        "Open “Details”, then “Mobile network”, and compare it with the SIM's papers",
    ),
    Reason.MODEM_UNSUPPORTED: Sentence(
        "2-38", "この携帯の電波の機器は、この箱では使えません", "ほかの回線の機器を差してください",
        "This mobile device cannot be used with this box", "Plug in another line device",
    ),
    Reason.MODEM_FAILED: Sentence(
        "2-39", "携帯の電波の機器が動きません", "機器を差し直すか、箱の電源を入れ直してください",
        "The mobile device does not work", "Plug it in again, or switch the box off and on",
    ),
}  # fmt: skip

NETWORK: dict[str, Sentence] = {
    "apn-name": Sentence(
        "6-62", "接続先の名前(APN)は、半角の英数字と「.」「-」「_」です", "SIMの書類を見て、もう一度入れてください",
        "A network's name (APN) has plain letters, digits and . - _ only", "Enter it again as the SIM's papers have it",
    ),
    "apn-key": Sentence(
        "6-63", "利用者名とパスワードは、半角の64文字までです", "SIMの書類を見て、もう一度入れてください",
        "User name and password have up to 64 plain characters", "Enter them again as the SIM's papers have them",
    ),
}  # fmt: skip
