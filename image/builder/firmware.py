"""Which firmware a box carries: what its kernel's modules ask for, of each family the newest the driver takes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from image.builder.run import run

VERSIONED = re.compile(r"^(?P<family>.*iwlwifi-.*?)-(?P<number>\d+)\.ucode$")
ALWAYS = "regulatory.db"  # and its signature; by way of /etc/alternatives, so no link of ours leads there
ALONGSIDE = (".pnvm", ".txt", ".clm_blob", ".bin", ".txcap_blob")  # read by drivers that do not say so


def trim(root: Path, kernel: str) -> None:
    home = root / "usr/lib/firmware"
    if not home.exists():
        return
    modules = sorted(str(x) for x in (root / "usr/lib/modules" / kernel).rglob("*.ko*"))
    asked: set[str] = set()
    for start in range(0, len(modules), 200):
        asked.update(run("modinfo", "-F", "firmware", *modules[start : start + 200]).split())
    files = {str(x.relative_to(home)) for x in home.rglob("*") if x.is_file() or x.is_symlink()}
    kept = chosen(files, asked)
    for name in sorted(kept):  # a link's aim stays with it
        path = home / name
        while path.is_symlink():
            path = Path(os.path.normpath(path.parent / path.readlink()))
            if path.is_relative_to(home):
                kept.add(str(path.relative_to(home)))
    for name in files - kept:
        (home / name).unlink()
    for folder in sorted((x for x in home.rglob("*") if x.is_dir() and not x.is_symlink()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def chosen(files: set[str], asked: set[str]) -> set[str]:
    """Of the files there are, those that the modules ask for. Names in `asked` may have wildcards; iwlwifi names
    the newest version it takes and looks for older ones: of each family two stay."""
    patterns = [re.compile(_pattern(x)) for x in asked if "*" in x]
    plain = {x for x in asked if "*" not in x}
    kept = {
        x
        for x in files
        if x.removesuffix(".xz").removesuffix(".zst") in plain or Path(x).name.startswith(ALWAYS)
    }
    kept |= {x for x in files if any(p.fullmatch(x) for p in patterns)}
    families: dict[str, list[tuple[int, str]]] = {}
    newest = {m["family"]: int(m["number"]) for x in plain if (m := VERSIONED.match(x))}
    for name in files:
        found = VERSIONED.match(name)
        if found and int(found["number"]) <= newest.get(found["family"], -1):
            families.setdefault(found["family"], []).append((int(found["number"]), name))
    for versions in families.values():
        kept |= {name for _, name in sorted(versions)[-2:]}
    stems = {Path(x).name.split("-")[0] for x in kept if "brcm" in x or "cypress" in x}
    kept |= {x for x in files if x.endswith(ALONGSIDE[1:]) and Path(x).name.split("-")[0] in stems}
    kept |= {x for x in files if x.endswith(".pnvm")}
    return kept


def _pattern(wildcard: str) -> str:
    return ".*".join(re.escape(x) for x in wildcard.split("*"))
