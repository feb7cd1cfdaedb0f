"""What can go wrong while a box is prepared: disks, images and the box's personal file (part of `words.py`); and what
stands on the box's own screen besides its status."""

from __future__ import annotations

from appliance.core.sentence import Sentence

STARTING = Sentence(
    "0-02", "起動しています", "1分ほどお待ちください。先に線を差しておけます",
    "Starting", "Please wait about a minute. Cables may be plugged in already",
)  # fmt: skip

SCREEN: dict[str, tuple[str, str]] = {
    "wifi": ("電話をWi-Fiにつなぐ", "Join the Wi-Fi"),
    "page": ("この画面を開く", "Open this page"),
    "key": ("暗証番号", "Key"),
    "pin": ("保守の人の番号", "PIN, for maintenance"),  # not to be taken for the Wi-Fi's key
    "number": ("症状番号", "Symptom"),
    "serial": ("箱の番号", "Box"),
    "drill": ("【訓練】本番のデスクトップは開きません", "Drill: real desktops stay closed"),
}

PREPARING: dict[str, Sentence] = {
    "card-format": Sentence(
        "6-40", "これは箱の個人ファイル(noroshi.card)ではありません", "本部の画面で作り直してください",
        "This is not a box's personal file (noroshi.card)", "Make a new one on HQ's page",
    ),
    "card-torn": Sentence(
        "6-41", "個人ファイルが途中で切れているか、書きかえられています", "もう一度コピーしてください",
        "The personal file is cut off or was altered", "Copy it again",
    ),
    "card-version": Sentence(
        "6-42", "この個人ファイルは、この箱のソフトウェアより新しい形です", "箱のイメージを新しくしてください",
        "This personal file is of a newer kind than this box's software", "Write a newer image to the box",
    ),
    "card-value": Sentence(
        "6-43", "個人ファイルに使えない値があります", "本部の画面で作り直してください",
        "A value in the personal file cannot be used", "Make a new one on HQ's page",
    ),
    "card-enrolled": Sentence(
        "6-44", "この箱はもう役所に登録されています。個人ファイルは使いませんでした",
        "別の箱のものなら、その箱に入れてください",
        "This box has been enrolled already; the personal file was not used",
        "If it is meant for another box, put it there",
    ),
    "disk-missing": Sentence(
        "7-60", "書き込み先が見つかりません", "差さっているか、名前が正しいか見てください (lsblk)",
        "The disk to write to was not found", "Check that it is plugged in and its name is right (lsblk)",
    ),
    "disk-part": Sentence(
        "7-61", "これはディスク全体ではありません", "/dev/sdb1 ではなく /dev/sdb のように、全体を指定してください",
        "This is not a whole disk", "Name the whole of it, like /dev/sdb, not /dev/sdb1",
    ),
    "disk-system": Sentence(
        "7-62", "このパソコンが動いているディスクです。書き込みません", "書き込み先の名前を確かめてください (lsblk)",
        "This computer runs from that disk; nothing was written", "Check the name of the disk (lsblk)",
    ),
    "disk-in-use": Sentence(
        "7-63", "このディスクは使われています(マウント中など)。書き込みません", "取り外してから(umount)、もう一度行ってください",
        "This disk is in use (mounted, for example); nothing was written", "Unmount it, then try again",
    ),
    "disk-read-only": Sentence(
        "7-64", "このディスクには書き込めません", "カードの横にある書き込み禁止のつまみを見てください",
        "This disk cannot be written to", "Look at the small lock on the side of the card",
    ),
    "disk-sectors": Sentence(
        "7-73", "このディスクは、イメージと違う区切り(512バイト以外)を使っています", "別のカードかディスクを使ってください",
        "This disk counts in other sectors than the image (not 512 octets)", "Use another card or disk",
    ),
    "disk-small": Sentence(
        "7-65", "このディスクは小さすぎます", "もっと大きいカードかディスクを使ってください",
        "This disk is too small", "Use a larger card or disk",
    ),
    "disk-large": Sentence(
        "7-66", "このディスクは256 GBより大きいので、念のため止めました",
        "本当に消してよければ、--force \"erase 書き込み先\" を付けてください",
        "This disk is larger than 256 GB; stopped to be safe",
        "If it may really be erased, add --force \"erase DEVICE\"",
    ),
    "image-damaged": Sentence(
        "7-67", "イメージのファイルが壊れています", "もう一度ダウンロードするか、作り直してください",
        "The image file is damaged", "Download or build it again",
    ),
    "disk-differs": Sentence(
        "7-68", "書き込んだ内容を読み直したところ、違っていました。このカードは使えません", "別のカードかディスクを使ってください",
        "What was written did not read back the same: this card is of no use", "Use another card or disk",
    ),
    "disk-trouble": Sentence(
        "7-69", "書き込みの途中で失敗しました", "差し直して、もう一度行ってください。同じなら別のカードを使ってください",
        "Writing failed half-way", "Plug it in again and retry; if it is the same, use another card",
    ),
    "image-foreign": Sentence(
        "7-70", "NOROSHI という名前の起動用の区画がありません", "のろしのイメージか確かめてください",
        "There is no boot partition called NOROSHI", "Check that this is a Noroshi image",
    ),
    "paper-font": Sentence(
        "7-71", "カードの紙に使う日本語の書体がありません", "fonts-ipaexfont-gothic を入れてください (apt-get install)",
        "The Japanese font for the paper is missing", "Install fonts-ipaexfont-gothic (apt-get install)",
    ),
    "tool-missing": Sentence(
        "7-72", "必要なプログラムがありません", "mtools fdisk zstd を入れてください (apt-get install)",
        "A program that is needed is missing", "Install mtools fdisk zstd (apt-get install)",
    ),
}  # fmt: skip
