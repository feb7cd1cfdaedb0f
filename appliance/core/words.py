"""Every reason and every refusal in plain words, in both languages: what happened, and the one thing to do.

The number (症状番号) is what a person says on the phone; it never changes its meaning and is never reused.
"""

from __future__ import annotations

from appliance.core.model import Phase, Reason
from appliance.core.modem_words import MODEM, NETWORK
from appliance.core.preparing_words import PREPARING
from appliance.core.sentence import Sentence
from appliance.core.update_words import UPDATES

REASONS: dict[Reason, Sentence] = {
    **MODEM,
    Reason.NO_TICKET: Sentence(
        "1-01", "まだ役所につながっていません", "本部から届いた招待QRコードを撮ってください",
        "Not connected to the office yet", "Take a photo of the invitation QR code from HQ",
    ),
    Reason.NO_UPLINK: Sentence(
        "2-01", "回線の機器が見つかりません", "回線の機器を青い口に差し、電源が入っているか見てください",
        "No line device was found", "Plug the line device into the blue socket and check that it is on",
    ),
    Reason.NO_ADDRESS: Sentence(
        "2-02", "回線の機器はありますが、まだ返事がありません",
        "30秒待っても変わらなければ、回線の機器の電源を入れ直してください",
        "The line device is there but does not answer yet",
        "If nothing changes within 30 seconds, switch the line device off and on",
    ),
    Reason.NO_INTERNET: Sentence(
        "2-03", "回線の機器が、外につながっていません",
        "回線の機器を窓ぎわへ移し、電波の表示を見てください",
        "The line device has no connection of its own",
        "Move the line device to a window and check its signal",
    ),
    Reason.HUB_SILENT: Sentence(
        "2-04", "回線はありますが、役所から返事がありません。自動で試し続けています",
        "1分待っても変わらなければ、本部に電話し「症状2-04」と伝えてください",
        "The line works but the office does not answer. Trying again by itself",
        "If nothing changes within a minute, call HQ and say “symptom 2-04”",
    ),
    Reason.INVITATION_SILENT: Sentence(
        "2-06", "回線はありますが、役所から返事がありません。QRコードが使用済みか、取り消されたのかもしれません",
        "1分待っても変わらなければ、本部に電話し「症状2-06」と伝え、新しいQRコードを頼んでください",
        "The line works but the office does not answer. The QR code may have been used or withdrawn",
        "If nothing changes within a minute, call HQ, say “symptom 2-06” and ask for a new QR code",
    ),
    Reason.HUB_PORT_CLOSED: Sentence(
        "2-05", "役所の入口が閉じています", "本部に電話し「症状2-05」と伝えてください",
        "The office's entrance is closed", "Call HQ and say “symptom 2-05”",
    ),
    Reason.TUNNEL_STARTING: Sentence(
        "2-10", "役所につないでいます", "このままお待ちください",
        "Connecting to the office", "Please wait",
    ),
    Reason.ENROLLING: Sentence(
        "2-11", "本部にこの箱を登録しています", "このままお待ちください",
        "Registering this box with HQ", "Please wait",
    ),
    Reason.NEW_KEY_STARTING: Sentence(
        "2-12", "登録がすみました。つなぎ直し中です", "このままお待ちください",
        "Registered. Connecting again", "Please wait",
    ),
    Reason.LINE_REFUSED: Sentence(
        "2-20", "この種類の回線は、本部の決まりで使えません",
        "ほかの回線の機器を差すか、本部に電話し「症状2-20」と伝えてください",
        "HQ's policy does not allow this kind of line",
        "Plug in another line device, or call HQ and say “symptom 2-20”",
    ),
    Reason.OPEN_WIFI_REFUSED: Sentence(
        "2-21", "00000JAPANは暗号のないWi-Fiのため、本部の決まりで使えません",
        "ほかの回線の機器を差すか、本部に電話し「症状2-21」と伝えてください",
        "00000JAPAN is Wi-Fi without encryption; HQ's policy does not allow it",
        "Plug in another line device, or call HQ and say “symptom 2-21”",
    ),
    Reason.WIFI_CHANNEL: Sentence(
        "2-28", "このWi-Fiは、この箱が使ってはいけないチャンネルにあるため、回線にできません",
        "ほかの回線の機器を差すか、Wi-Fiの持ち主に、2.4GHzに変えられるか聞いてください",
        "This Wi-Fi is on a channel that this box must not use, so it cannot be a line",
        "Plug in another line device, or ask its owner to use 2.4 GHz",
    ),
    Reason.WIFI_COUNTRY: Sentence(
        "2-29", "このWi-Fiの機器は外国の設定のため、回線にできません",
        "ほかの回線の機器を差すか、Wi-Fiの持ち主に、国の設定を日本にできるか聞いてください",
        "This Wi-Fi's router is set to another country, so it cannot be a line",
        "Plug in another line device, or ask its owner to set the router's country to Japan",
    ),
    Reason.LINE_CAPTIVE: Sentence(
        "2-22", "この回線は、ログイン画面で止められています",
        "ほかの回線の機器を差すか、施設の人に、ログイン画面の通し方を聞いてください",
        "This line is held up by a sign-in page",
        "Plug in another line device, or ask the people of this building how to pass the sign-in page",
    ),
    Reason.SIGNING_IN: Sentence(
        "2-23", "1台の電話で、回線の利用手続きをしています(最長10分)",
        "手続きがすむと、自動で役所につながります",
        "One phone is signing in to the line (ten minutes at most)",
        "Once that is done, the box connects to the office by itself",
    ),
    Reason.CLOCK_WRONG: Sentence(
        "2-13", "この箱の時計がずれています。役所の時刻に自動で合わせています",
        "1分待っても変わらなければ、本部に電話し「症状2-13」と伝えてください",
        "This box's clock is wrong. Setting it by the office's clock by itself",
        "If nothing changes within a minute, call HQ and say “symptom 2-13”",
    ),
    Reason.NO_MISSION: Sentence(
        "4-01", "準備ができています(保管中)", "使うときは本部に電話し、任務の開始を頼んでください",
        "Ready and waiting", "To use it, call HQ and ask them to start the mission",
    ),
    Reason.MISSION_NOT_STARTED: Sentence(
        "4-02", "準備ができています。任務の開始時刻を待っています", "開始時刻になると自動で使えるようになります",
        "Ready. Waiting for the mission to begin", "It opens by itself at the set time",
    ),
    Reason.MISSION_ENDED: Sentence(
        "4-03", "任務は終わりました", "続けて使うときは本部に電話し、延長を頼んでください",
        "The mission has ended", "To go on, call HQ and ask for more time",
    ),
    Reason.ALL_WELL: Sentence(
        "0-00", "つながりました", "パソコンで接続先のデスクトップを開いてください",
        "Connected", "Open your desktop on the computer",
    ),
    Reason.LOSING_PACKETS: Sentence(
        "5-01", "電波が弱いです", "回線の機器を窓ぎわへ移してください",
        "The signal is weak", "Move the line device to a window",
    ),
    Reason.SPARE_UPLINK: Sentence(
        "5-02", "予備の回線でつながっています。作業は続けられます", "主の回線の機器の電源と線を見てください",
        "Connected over the spare line. Work can go on", "Check the main line device's power and cable",
    ),
    Reason.SPARE_CAPTIVE: Sentence(
        "5-07", "予備の回線でつながっています。主の回線は、ログイン画面で止められています",
        "作業は続けられます。施設の人に、ログイン画面の通し方を聞いてください",
        "Connected over the spare line. The main line is held up by a sign-in page",
        "Work can go on. Ask the people of this building how to pass the sign-in page",
    ),
    Reason.LINE_LOST: Sentence(
        "5-05", "回線が切れました。自動でつなぎ直しています。作業は消えません",
        "30秒待っても変わらなければ、回線の機器の電源と線を見てください",
        "The line was lost. Connecting again by itself; your work is safe",
        "If nothing changes within 30 seconds, check the line device's power and cable",
    ),
    Reason.TESTING_DESKTOPS: Sentence(
        "5-06", "接続先のデスクトップを確かめています", "このままお待ちください",
        "Checking the desktops", "Please wait",
    ),
    Reason.DESKTOP_SILENT: Sentence(
        "5-03", "役所の回線は正常ですが、応答しないデスクトップがあります",
        "ほかのデスクトップは使えます。本部に電話し「症状5-03」と伝えてください",
        "The line to the office is fine, but one desktop does not answer",
        "The others work. Call HQ and say “symptom 5-03”",
    ),
    Reason.NO_DESKTOP_ANSWERS: Sentence(
        "5-04", "役所の回線は正常ですが、デスクトップが応答しません",
        "本部に電話し「症状5-04」と伝えてください",
        "The line to the office is fine, but no desktop answers", "Call HQ and say “symptom 5-04”",
    ),
    Reason.REVOKED: Sentence(
        "3-01", "本部がこの箱の利用を停止しました", "本部に電話してください",
        "HQ has withdrawn this box", "Call HQ",
    ),
    Reason.TICKET_EXPIRED: Sentence(
        "3-02", "このQRコードは使用期限が過ぎています", "本部に新しいものを頼んでください",
        "This QR code is past its date", "Ask HQ for a new one",
    ),
    Reason.TICKET_USED: Sentence(
        "3-03", "このQRコードは使用済みです", "本部に新しいものを頼んでください",
        "This QR code has been used already", "Ask HQ for a new one",
    ),
    Reason.TICKET_UNKNOWN: Sentence(
        "3-04", "本部はこのQRコードを知りません", "本部に新しいものを頼んでください",
        "HQ does not know this QR code", "Ask HQ for a new one",
    ),
    Reason.CONFIG_DAMAGED: Sentence(
        "3-10", "この箱の設定が読めません。安全のため止めています", "本部に電話し「症状3-10」と伝えてください",
        "This box's settings cannot be read. Stopped to be safe", "Call HQ and say “symptom 3-10”",
    ),
    Reason.DISK_FULL: Sentence(
        "3-11", "この箱の保存場所がいっぱいです。設定は前のまま守られています",
        "本部に電話し「症状3-11」と伝えてください",
        "This box's storage is full. Its settings are safe as they were", "Call HQ and say “symptom 3-11”",
    ),
    Reason.STEP_FAILED: Sentence(
        "3-12", "この箱の準備が途中で止まりました。安全のため止めています",
        "電源を入れ直しても同じなら、本部へ電話し「症状3-12」と伝えてください",
        "Setting up this box stopped half-way. Stopped to be safe",
        "Switch it off and on; if it is the same, call HQ and say “symptom 3-12”",
    ),
    Reason.HUB_RUNNING: Sentence(
        "0-01", "本部の入口は動いています", "することはありません",
        "HQ's entrance is running", "Nothing to do",
    ),
}  # fmt: skip

REFUSALS: dict[str, Sentence] = {
    **PREPARING,
    **UPDATES,
    **NETWORK,
    "format": Sentence(
        "6-01", "これは招待QRコードではありません", "本部から届いたQRコードを撮ってください",
        "This is not an invitation QR code", "Take a photo of the QR code from HQ",
    ),
    "torn": Sentence(
        "6-02", "QRコードの文字が途中で切れています", "はじめから終わりまで、もう一度貼り付けてください",
        "The invitation is cut off", "Paste it again from beginning to end",
    ),
    "altered": Sentence(
        "6-03", "QRコードの内容が書きかえられています", "使わずに、本部に新しいものを頼んでください",
        "This invitation has been altered", "Do not use it; ask HQ for a new one",
    ),
    "foreign": Sentence(
        "6-04", "これは別の役所のQRコードです", "この箱の役所の本部に、新しいものを頼んでください",
        "This QR code is from another office", "Ask this box's own HQ for a new one",
    ),
    "expired": REASONS[Reason.TICKET_EXPIRED],
    "ticket-expired": REASONS[Reason.TICKET_EXPIRED],
    "ticket-used": REASONS[Reason.TICKET_USED],
    "ticket-unknown": REASONS[Reason.TICKET_UNKNOWN],
    "revoked": REASONS[Reason.REVOKED],
    "already-joined": Sentence(
        "6-05", "この箱はもう役所につながっています", "することはありません",
        "This box is already connected to the office", "Nothing to do",
    ),
    "joining-now": Sentence(
        "6-06", "いま別の招待QRコードでつないでいるところです", "終わるまでお待ちください",
        "Another invitation is being used right now", "Please wait until it is done",
    ),
    "disk-full": REASONS[Reason.DISK_FULL],
    "config-damaged": REASONS[Reason.CONFIG_DAMAGED],
    "unknown-desktop": Sentence(
        "6-07", "そのデスクトップは登録されていません", "一覧から選び直してください",
        "That desktop is not registered", "Choose one from the list",
    ),
    "unknown-box": Sentence(
        "7-01", "その箱は登録されていません", "一覧を確かめてください",
        "That box is not registered", "Check the list",
    ),
    "unknown-ticket": Sentence(
        "7-02", "その招待は見つかりません", "一覧を確かめてください",
        "That invitation was not found", "Check the list",
    ),
    "bad-phone": Sentence(
        "7-07", "その電話番号は使えません", "数字と「-」で入れてください(例: 025-526-5111)",
        "That telephone number cannot be used", "Digits and hyphens only, e.g. 025-526-5111",
    ),
    "bad-value": Sentence(
        "7-03", "入力した値が使えません", "値を見直してください",
        "A value cannot be used", "Check what you entered",
    ),
    "name-taken": Sentence(
        "7-04", "その名前はもう使われています", "別の名前にしてください",
        "That name is taken", "Choose another name",
    ),
    "fleet-full": Sentence(
        "7-05", "これ以上の箱を登録できません", "使わない箱の利用を停止してください",
        "No more boxes can be registered", "Withdraw boxes that are not used",
    ),
    "hub-damaged": Sentence(
        "7-06", "本部の設定ファイル(hub.json)も、その控えも読めません。安全のため、すべての箱を止めています",
        "控えから /var/lib/noroshi/hub.json を戻し、noroshi を動かし直してください",
        "HQ's file hub.json cannot be read, nor its previous copy. Every box is closed to be safe",
        "Put /var/lib/noroshi/hub.json back from your copy and start noroshi again",
    ),
    "not-allowed": Sentence(
        "8-01", "この操作は許されていません", "本部に電話してください",
        "This is not allowed", "Call HQ",
    ),
    "bad-request": Sentence(
        "8-02", "この箱には分からない頼みです", "ページを開き直してください",
        "The box did not understand", "Open the page again",
    ),
    "busy": Sentence(
        "8-03", "いま混み合っています", "10秒待って、もう一度試してください",
        "The box is busy", "Wait ten seconds and try again",
    ),
    "trouble": Sentence(
        "8-04", "この箱の中でうまくいきませんでした", "もう一度試し、同じなら本部に電話し「症状8-04」と伝えてください",
        "Something inside the box went wrong", "Try again; if it is the same, call HQ and say “symptom 8-04”",
    ),
    "unreachable": Sentence(
        "3-20", "この箱の中のプログラムが止まっています。安全のため、新しくは何も開きません",
        "1分待ち、変わらなければ、この箱の電源を入れ直してください",
        "The box's program has stopped. To be safe, nothing new opens",
        "Wait a minute; if nothing changes, switch the box off and on",
    ),
    "mynumber-radio": Sentence(
        "6-10", "個人番号を扱うデスクトップは、Wi-Fiが入っている箱では開けません",
        "本部に、Wi-Fiのない箱を頼んでください",
        "A desktop for individual numbers cannot be opened on a box whose Wi-Fi is on",
        "Ask HQ for a box without Wi-Fi",
    ),
    "drill-only": Sentence(
        "6-11", "【訓練】本番のデスクトップは開きません", "訓練用のデスクトップを開いてください",
        "Drill: real desktops stay closed", "Open the drill desktop",
    ),
    "not-registered": Sentence(
        "6-13", "このパソコンは、そのデスクトップに登録されていません",
        "画面の番号を本部に伝えてください",
        "This laptop is not registered for that desktop", "Tell HQ the number on the screen",
    ),
    "unknown-device": Sentence(
        "7-10", "そのパソコンは登録されていません", "一覧を確かめてください",
        "That laptop is not registered", "Check the list",
    ),
    "device-name": Sentence(
        "7-11", "資産番号に使えない文字があります", "英数字と . _ - で32文字までにしてください",
        "The asset number cannot be used", "Use up to 32 letters, digits, . _ -",
    ),
    "device-title": Sentence(
        "7-12", "表示名が長すぎるか、使えない文字があります", "60文字までにしてください",
        "The title cannot be used", "Use up to 60 printable characters",
    ),
    "device-mac": Sentence(
        "7-13", "MACアドレスの形が違います", "00-11-22-AA-BB-CC の形で、1台に4つまで書いてください",
        "A hardware address cannot be read", "Write it like 00-11-22-AA-BB-CC, up to four for a laptop",
    ),
    "device-mac-taken": Sentence(
        "7-14", "そのMACアドレスは別のパソコンに登録されています", "どちらか一方にしてください",
        "That hardware address belongs to another laptop", "Keep it with one of them",
    ),
    "device-desktops": Sentence(
        "7-15", "開いてよいデスクトップが決まっていません", "1つから16まで選ぶか、* (すべて)だけを書いてください",
        "Which desktops may be opened is not clear", "Name one to sixteen, or * alone for all",
    ),
    "device-columns": Sentence(
        "7-16", "列の数が違います", "資産番号、表示名、MACアドレス、デスクトップの4列にしてください",
        "The number of columns is wrong", "Four: asset number, title, hardware addresses, desktops",
    ),
    "device-twice": Sentence(
        "7-17", "同じ資産番号が2行あります", "1行にまとめてください",
        "The asset number is there twice", "Keep one line",
    ),
    "device-list-size": Sentence(
        "7-18", "一度に登録できる台数か大きさを超えています", "一覧を分けるか、使わないパソコンを外してください",
        "Too many laptops, or the list is too large", "Split the list, or remove laptops that are not used",
    ),
    "emergency-hours": Sentence(
        "7-19", "緊急の設定は24時間までです", "時間を短くしてください",
        "The emergency setting lasts 24 hours at most", "Choose fewer hours",
    ),
    "bad-policy": Sentence(
        "7-50", "その回線の決まりは使えません", "値を見直してください。本部の入口は 203.0.113.10:51820 のように書きます",
        "That policy for lines cannot be used", "Check the values; an entrance reads ADDRESS:PORT",
    ),
    "bad-sockets": Sentence(
        "7-51", "その口の番号は使えません", "青い口の番号を1つ以上、1〜16で選んでください",
        "Those sockets cannot be declared", "Choose at least one blue socket, counted from 1 to 16",
    ),
    "unknown-line": Sentence(
        "2-27", "その回線の口は、この箱にありません", "画面を開き直してください",
        "This box has no such line", "Open the page again",
    ),
    "line-refused": REASONS[Reason.LINE_REFUSED],
    "open-wifi-refused": REASONS[Reason.OPEN_WIFI_REFUSED],
    "line-class": Sentence(
        "6-14", "このデスクトップは、いまの回線では開けません(本部の決まり)", "ほかの回線の機器を差してください",
        "HQ's policy does not let this desktop open over the present line", "Plug in another line device",
    ),
    "sign-in-not-allowed": Sentence(
        "6-30", "この箱では、ログイン画面を通すことを本部が許していません",
        "本部に電話し「症状6-30」と伝えるか、ほかの回線の機器を差してください",
        "HQ does not let this box pass a sign-in page", "Call HQ and say “symptom 6-30”, or plug in another line",
    ),
    "sign-in-not-needed": Sentence(
        "6-31", "いま、ログイン画面で止められている回線はありません", "最初の画面へ戻ってください",
        "No line is held up by a sign-in page now", "Go back to the first screen",
    ),
    "sign-in-busy": Sentence(
        "6-32", "ほかの電話が手続きをしています", "その電話で手続きをすませるか、10分お待ちください",
        "Another phone is signing in", "Finish on that phone, or wait ten minutes",
    ),
    "sign-in-laptop": Sentence(
        "6-33", "登録済みパソコンからは、ログイン画面を通せません", "電話でこの画面を開いてください",
        "A registered laptop cannot pass the sign-in page", "Open this page on a phone",
    ),
    "sign-in-unknown": Sentence(
        "6-34", "この電話がどこから来ているか分かりません", "箱のWi-Fiか黄色い口につなぎ直してください",
        "The box cannot tell where this phone is", "Join the box's Wi-Fi or its yellow socket again",
    ),
    "wifi-channel": REASONS[Reason.WIFI_CHANNEL],
    "wifi-country": REASONS[Reason.WIFI_COUNTRY],
    "wifi-name": Sentence(
        "6-60", "そのWi-Fiの名前は使えません", "一覧から選び直してください",
        "That Wi-Fi name cannot be used", "Choose one from the list",
    ),
    "wifi-key": Sentence(
        "6-61", "Wi-Fiの暗証番号は、半角の8文字から63文字です", "もう一度入れてください",
        "A Wi-Fi key has 8 to 63 plain characters", "Enter it again",
    ),
    "no-radio": Sentence(
        "5-21", "この箱の無線では、パソコン用のWi-Fiを出せません", "パソコンは、線で黄色い口につないでください",
        "This box's radio cannot offer Wi-Fi to laptops", "Connect laptops to a yellow socket by cable",
    ),
    "radio-switched-off": Sentence(
        "5-22", "この箱の無線が、スイッチで切られています", "箱の無線のスイッチを入れるか、線で黄色い口につないでください",
        "This box's radio is switched off", "Turn its switch on, or connect laptops to a yellow socket by cable",
    ),
    "radio-country": Sentence(
        "5-23", "無線が日本の決まりに合っていないため、Wi-Fiを止めています",
        "パソコンは線で黄色い口につなぎ、本部に電話し「症状5-23」と伝えてください",
        "Wi-Fi is off: the radio does not follow Japan's rules",
        "Connect laptops to a yellow socket by cable; call HQ and say “symptom 5-23”",
    ),
    "radio-no-wpa3": Sentence(
        "5-24", "この箱の無線は、決められた方式(WPA3)に対応していません",
        "パソコンは線で黄色い口につなぎ、本部に電話し「症状5-24」と伝えてください",
        "This box's radio cannot do WPA3, which was asked of it",
        "Connect laptops to a yellow socket by cable; call HQ and say “symptom 5-24”",
    ),
    "radio-no-channel": Sentence(
        "5-25", "この箱の無線で使ってよいチャンネルがありません", "パソコンは、線で黄色い口につないでください",
        "No channel that this radio may use is allowed here", "Connect laptops to a yellow socket by cable",
    ),
    "radio-fails": Sentence(
        "5-26", "この箱のWi-Fiがうまく動きません。自動で試し続けています",
        "待てないときは、パソコンを線で黄色い口につないでください",
        "This box's Wi-Fi does not start. Trying again by itself",
        "If you cannot wait, connect laptops to a yellow socket by cable",
    ),
    "radio-listens": Sentence(
        "5-27", "気象レーダーの電波がないか、約1分確かめています。そのあとWi-Fiが出ます", "このままお待ちください",
        "Listening for weather radars for about a minute; the Wi-Fi comes after that", "Please wait",
    ),
    "radio-radar": Sentence(
        "5-28", "気象レーダーの電波があったため、Wi-Fiを2.4GHzに移しました", "何もしなくて大丈夫です",
        "A weather radar was heard: the Wi-Fi went to 2.4 GHz", "Nothing to do",
    ),
    "drill-closed": Sentence(
        "6-12", "訓練用のデスクトップは、訓練のときだけ開きます", "ほかのデスクトップを開いてください",
        "The drill desktop opens in drills only", "Open another desktop",
    ),
}  # fmt: skip

# What a proof tries; the names are those of `proof.py`.
TRIAL_WORDS: dict[str, tuple[str, str]] = {
    "desktop": ("接続先のデスクトップ", "desktop"),
    "unregistered": ("登録していないパソコンから", "from an unregistered laptop"),
    "files": ("ファイル共有", "file sharing"),
    "print": ("印刷", "printing"),
    "names": ("デスクトップの機械での名前の問い合わせ", "names at the desktop's machine"),
    "closed-port": ("開けていない口", "closed port"),
    "other-host": ("登録していない機械", "another machine"),
    "hub": ("本部の機械", "HQ's machine"),
    "internet": ("インターネット", "the internet"),
    "internet-names": ("インターネットでの名前の問い合わせ", "names on the internet"),
    "ipv6": ("IPv6", "IPv6"),
    "line-device": ("回線の機器", "line device"),
    "line-names": ("回線の機器での名前の問い合わせ", "names at the line device"),
}

PHASE_WORDS: dict[Phase, tuple[str, str]] = {
    Phase.SETUP: ("準備中", "Setting up"),
    Phase.SIGN_IN: ("回線の利用手続き中", "Signing in to the line"),
    Phase.CONNECTING: ("役所につないでいます", "Connecting"),
    Phase.STANDBY: ("待機中(保管中)", "Standing by"),
    Phase.PROTECTED: ("つながっています", "Connected"),
    Phase.DEGRADED: ("つながっています(注意)", "Connected, with a warning"),
    Phase.BLOCKED: ("安全のため停止中", "Stopped to be safe"),
}


def way_words(way: str, port: int, *, usual: bool) -> dict[str, str] | None:
    """How a line that is not quite open is used, for its details; None where it is the usual way."""
    if usual:
        return None
    if way == "relay":
        return {
            "ja": f"UDPが止められた回線です。HTTPSの通り道({port})でつながっています(少し遅くなります)",
            "en": f"This line blocks UDP. Connected by way of HTTPS ({port}), a little slower",
        }
    return {
        "ja": f"いつもの口が止められた回線です。別の口(UDP {port})でつながっています",
        "en": f"This line blocks the usual port. Connected by another one (UDP {port})",
    }


class Refused(ValueError):
    """A request that is not fulfilled; `code` is a key of `REFUSALS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def words(reason: Reason) -> Sentence:
    return REASONS[reason]


def trial_words(what: str, language: str) -> str:
    """A proof's row as people read it; an unknown name (a newer box) stays as it is."""
    known = TRIAL_WORDS.get(what)
    return what if known is None else known[0 if language == "ja" else 1]


def refusal(code: str) -> Sentence:
    """The sentence for a refusal's code; an unknown code says that the request was not understood."""
    return REFUSALS.get(code, REFUSALS["bad-request"])
