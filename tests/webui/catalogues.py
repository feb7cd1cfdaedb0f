"""Compiled catalogues are not in the repository: tests make those that are missing or older than their text."""

from __future__ import annotations

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from webui import TRANSLATIONS


def compile_catalogues() -> None:
    for source in TRANSLATIONS.glob("*/LC_MESSAGES/*.po"):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            continue
        with source.open("rb") as text:
            catalogue = read_po(text)
        whole = target.with_suffix(".new")
        with whole.open("wb") as out:
            write_mo(out, catalogue)
        whole.replace(target)
