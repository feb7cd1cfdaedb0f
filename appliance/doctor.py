"""`noroshi doctor`: what is wrong and what to do, from a snapshot. Pure: the shell prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.core.model import Phase, Reason
from appliance.core.sentence import Sentence
from appliance.core.words import PHASE_WORDS, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    good: bool
    what: str
    do: str = ""


def findings(status: dict[str, Any], steps: list[str], language: str) -> list[Finding]:
    """`status` as the door gives it, `steps` what the plan still holds."""
    ja = language == "ja"

    def say(japanese: str, english: str) -> str:
        return japanese if ja else english

    sentence: Sentence = words(Reason(status["reason"]))
    what, do = (sentence.what_ja, sentence.do_ja) if ja else (sentence.what_en, sentence.do_en)
    phase = Phase(status["phase"])
    found = [
        Finding(
            good=phase in (Phase.PROTECTED, Phase.STANDBY),
            what=f"{PHASE_WORDS[phase][0 if ja else 1]}: {what} ({sentence.number})",
            do=do,
        )
    ]
    for x in status["uplinks"]:
        state = x["address"] or (
            say("住所なし", "no address") if x["carrier"] else say("線なし", "no carrier")
        )
        active = say(" ← 使用中", " ← in use") if x["active"] else ""
        way = f" — {x['way'][language]}" if x.get("way") else ""
        no = x["refused"]
        if no:
            state = f"{no[language]['what']} ({no['number']})"
        found.append(
            Finding(
                good=bool(x["address"]) and not no,
                what=f"{x['link']} ({x['kind']}): {state}{active}{way}",
                do=no[language]["do"] if no else "",
            )
        )
    found += _near(status, language)
    hub = status["hub"]
    if hub["round_trip"] is not None:
        text = f"{hub['round_trip'] * 1000:.0f} ms, {hub['loss']:.0%}"
        found.append(Finding(good=hub["quality"] != "poor", what=say(f"本部まで {text}", f"to HQ {text}")))
    for x in status["desktops"]:
        refused = x["refused"][language] if x["refused"] else ""
        found.append(
            Finding(
                good=x["answer"] == "answers", what=f"{x['title']} {x['address']}: {refused or x['answer']}"
            )
        )
    proof = status["proof"]
    if proof and not proof["running"]:
        bad = [x for x in proof["rows"] if not x["ok"]]
        text = say(f"遮断の確認 {len(proof['rows'])}件", f"{len(proof['rows'])} proofs of this activation")
        found.append(Finding(good=not bad, what=text, do=", ".join(x["target"] for x in bad)))
    if steps:
        text = say(f"やり残し {len(steps)}件: {steps[0]}", f"{len(steps)} steps left: {steps[0]}")
        found.append(Finding(good=False, what=text, do="noroshi plan"))
    return found


def _near(status: dict[str, Any], language: str) -> list[Finding]:
    """The laptops' side: yellow sockets and the Wi-Fi; and the Wi-Fi that is a line."""
    ja, found = language == "ja", []
    for x in status["sockets"]:
        if x["role"] == "laptops":
            state = ("つながっています", "in use") if x["carrier"] else ("空き", "free")
            found.append(Finding(good=True, what=f"{x['link']} {x['words'][language]}: {state[not ja]}"))
    wifi = status["wifi"]
    if wifi["words"] or wifi["on"]:
        said = wifi["words"][language] if wifi["words"] else {"what": f"ch {wifi['channel']}", "do": ""}
        found.append(Finding(good=wifi["on"], what=f"Wi-Fi {wifi['ssid']}: {said['what']}", do=said["do"]))
    chosen = status["wifi_line"]
    if chosen["ssid"]:
        what = f"Wi-Fi → {chosen['ssid']}: {chosen['words'][language]}"
        found.append(Finding(good=chosen["state"] == "joined", what=what))
    return found
