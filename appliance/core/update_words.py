"""What can keep a box from an update, and HQ from starting one. Part of `words.py`."""

from __future__ import annotations

from appliance.core.sentence import Sentence

TROUBLE: dict[str, Sentence] = {
    "update-damaged": Sentence(
        "8-10", "更新のファイルが、届く途中で欠けたか壊れました", "本部で、もう一度その更新を始めてください",
        "The update arrived incomplete or damaged", "Start it once more at HQ",
    ),
    "update-unsigned": Sentence(
        "8-11", "更新のファイルに、正しい署名がありません。何も変えていません", "本部で、配ったファイルを確かめてください",
        "The update is not signed. Nothing was changed", "Check the file that HQ hands out",
    ),
    "update-foreign-key": Sentence(
        "8-12", "更新のファイルは、この箱が知らない鍵で署名されています。何も変えていません",
        "この箱のイメージと同じ鍵で作ったファイルを配ってください",
        "The update is signed with a key that this box does not know. Nothing was changed",
        "Hand out one made with the same key as this box's image",
    ),
    "update-too-old": Sentence(
        "8-13", "更新のファイルの版が、本部の決めた版と違うか、古すぎます。何も変えていません",
        "本部で、版と「これより古くしない版」を確かめてください",
        "The update is not the version that HQ named, or older than HQ allows. Nothing was changed",
        "Check the version and the oldest version allowed at HQ",
    ),
    "update-no-room": Sentence(
        "8-14", "更新のファイルを置く場所が足りません", "もう一度始め、同じなら、この箱のカードを作り直してください",
        "There is no room for the update", "Start it once more; if it is the same, write this box's card anew",
    ),
    "update-other-machine": Sentence(
        "8-15", "この種類の箱のための更新のファイルがありません", "この箱の種類の更新を、本部で加えてください",
        "There is no update for this kind of box", "Add one at HQ",
    ),
    "update-rolled-back": Sentence(
        "8-16", "新しい版では前のように動かなかったため、元の版に戻しました",
        "本部で記録を確かめてから、もう一度始めるか取りやめてください",
        "The new version did not work as before, so the box went back to the old one",
        "Look at the record at HQ, then start again or stop it",
    ),
    "update-not-written": Sentence(
        "8-17", "更新を書き込めませんでした。いまの版のまま動いています",
        "もう一度始め、同じなら、この箱のカードを取り替えてください",
        "The update could not be written. The present version goes on running",
        "Start it once more; if it is the same, change this box's card",
    ),
}  # fmt: skip

REFUSED: dict[str, Sentence] = {
    "unknown-version": Sentence(
        "7-80", "その版の更新はありません", "noroshi hq update list で版を確かめてください",
        "There is no update of that version", "See noroshi hq update list",
    ),
    "update-allowed-oldest": Sentence(
        "7-81", "その版は「これより古くしない版」より古いので、配れません", "新しい版を選んでください",
        "That version is older than the oldest one allowed", "Choose a newer one",
    ),
    "update-in-use": Sentence(
        "7-82", "その版を待っている箱があります", "先に、その更新を取りやめてください",
        "Boxes are waiting for that version", "Stop that update first",
    ),
    "update-nobody": Sentence(
        "7-83", "その版にする箱が残っていません", "箱の一覧で版を確かめてください",
        "No box is left to be updated to that version", "See the versions on the list of boxes",
    ),
    "bundle-unreadable": Sentence(
        "7-84", "更新のファイルとして読めません", "イメージと一緒にできる .raucb のファイルを選んでください",
        "This is not an update", "Choose the .raucb file that is made with an image",
    ),
}  # fmt: skip

UPDATES = {**TROUBLE, **REFUSED}
