"""What stands on the paper that lies in a prepared box, in both languages; plain words, for whoever opens it at night."""

from __future__ import annotations

PAPER: dict[str, tuple[str, str]] = {
    "title": ("のろし ― 役所につなぐ箱", "Noroshi: the box that connects you to the office"),
    "line": ("青い口に、回線の機器を差します", "Blue socket: the line device"),
    "laptops": ("黄色い口に、パソコンを差します", "Yellow sockets: laptops"),
    "power": ("最後に、電源を入れます", "Power: last of all"),
    "line-short": ("回線", "line"),
    "laptops-short": ("パソコン", "laptops"),
    "power-short": ("電源", "power"),
    "wifi": ("電話をWi-Fiにつなぎます", "Join the Wi-Fi with a phone"),
    "wifi-name": ("名前", "Name"),
    "wifi-key": ("暗証番号", "Key"),
    "wired": ("パソコンを黄色い口に差します", "Plug a laptop into a yellow socket"),
    "no-wifi": ("この箱はWi-Fiを使いません。線でつなぎます", "This box has no Wi-Fi: use a cable"),
    "page": ("この画面を開きます", "Open this page"),
    "page-more": ("つなぐと、ひとりでに開くこともあります", "It may open by itself"),
    "green": ("緑色になったら終わりです。困ったときは本部へ", "Green means done. In doubt, call HQ"),
    "invited": ("本部の招待は、この箱に入っています。差すだけでつながります", "HQ's invitation is inside: plugging in is enough"),
    "not-invited": ("本部から届いた招待QRコードを、開いた画面で撮ります", "Take a photo of HQ's QR code on that page"),
    "fold": ("ここで裏に折ります", "Fold to the back here"),
    "staff": ("本部と保守の人だけが見る所です", "For HQ and maintenance only"),
    "pin": ("この箱の暗証番号", "This box's PIN"),
    "serial": ("箱の番号", "Box number"),
    "keep": ("壁に貼るときは、ここを切り取ってください", "Cut this part off before the paper goes on a wall"),
    "made": ("作った日", "Made on"),
}  # fmt: skip


def paper_words(name: str, language: str) -> str:
    return PAPER[name][0 if language == "ja" else 1]
