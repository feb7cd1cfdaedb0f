"""One sentence for people, in both languages: its 症状番号, what happened, and the one thing to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    number: str
    what_ja: str
    do_ja: str
    what_en: str
    do_en: str

    def as_data(self) -> dict[str, dict[str, str]]:
        return {
            "ja": {"what": self.what_ja, "do": self.do_ja},
            "en": {"what": self.what_en, "do": self.do_en},
        }
