"""What stands on the box's own screen: the box's status as one picture's content. Pure; `host/picture.py` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.core.access_point import WIZARD_ADDRESS
from appliance.core.model import Phase
from appliance.core.preparing_words import STARTING
from appliance.core.wifi_code import wifi_code
from appliance.core.words import refusal

PATIENCE = 90.0  # seconds that a start may take before it is a fault
PAGE = f"http://{WIZARD_ADDRESS}/"


class Look(StrEnum):
    """Colour and sign of the band."""

    GOOD = "good"
    WARN = "warn"
    WORK = "work"
    CALM = "calm"
    ASK = "ask"
    STOP = "stop"


LOOKS: dict[Phase, Look] = {
    Phase.SETUP: Look.ASK,
    Phase.SIGN_IN: Look.WORK,
    Phase.CONNECTING: Look.WORK,
    Phase.STANDBY: Look.CALM,
    Phase.PROTECTED: Look.GOOD,
    Phase.DEGRADED: Look.WARN,
    Phase.BLOCKED: Look.STOP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Words in Japanese and English; `wifi` and `page` are the texts of the codes, "" for none."""

    look: Look
    number: str
    what: tuple[str, str]
    do: tuple[str, str]
    site: str = ""
    hq_name: str = ""
    drill: bool = False
    serial: str = ""
    ssid: str = ""
    passphrase: str = ""
    pin: str = ""
    page: str = PAGE

    @property
    def wifi(self) -> str:
        return wifi_code(self.ssid, self.passphrase) if self.ssid else ""


def scene(status: Mapping[str, Any] | None, waited: float, pin: str) -> Scene:
    """`status`: the door's answer, None while nobody answers; `waited`: for how many seconds; `pin`: "" where paper
    tells it. The PIN is on the screen only until the box was invited."""
    if status is None:
        told = refusal("unreachable") if waited > PATIENCE else STARTING
        look = Look.STOP if waited > PATIENCE else Look.WORK
        return Scene(
            look=look,
            number=_symptom(told.number),
            what=(told.what_ja, told.what_en),
            do=(told.do_ja, told.do_en),
            page="",
        )
    phase, words = Phase(status["phase"]), status["words"]
    point = status.get("access_point") or {}
    return Scene(
        look=LOOKS[phase],
        number=_symptom(status["number"]),
        what=(words["ja"]["what"], words["en"]["what"]),
        do=(words["ja"]["do"], words["en"]["do"]),
        site=status["site"],
        hq_name=status["hq_name"],
        drill=bool(status["drill"]),
        serial=status["serial"],
        ssid=point.get("ssid", ""),
        passphrase=point.get("passphrase", ""),
        pin=pin if phase is Phase.SETUP and not status["joining"] else "",
    )


def _symptom(number: str) -> str:
    """What people say on the phone; nothing where nothing is wrong."""
    return "" if number.startswith("0-") else number


def phase_of(status: Mapping[str, Any] | None) -> Phase | None:
    return None if status is None else Phase(status["phase"])
