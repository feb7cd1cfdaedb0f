"""Run by the environment that has Babel: compiles translations, dated by the commit and not by the clock.

Arguments: the folder of translations, and the commit's time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def main(folder: Path, epoch: int) -> None:
    moment = datetime.fromtimestamp(epoch, UTC)
    for path in sorted(folder.rglob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.parent.parent.name)
        catalogue.creation_date = catalogue.revision_date = moment
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
