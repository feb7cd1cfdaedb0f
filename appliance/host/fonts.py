"""The one Japanese font that paper and screen are drawn with: IPAex Gothic (Debian: fonts-ipaexfont-gothic)."""

from __future__ import annotations

from pathlib import Path

FONTS = (
    Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"),
    Path("/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf"),
)


def find() -> Path | None:
    return next((x for x in FONTS if x.is_file()), None)
