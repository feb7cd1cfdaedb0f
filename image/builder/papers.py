"""What is handed out beside the image: versions, contents, checksums."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def debian(status: str) -> tuple[tuple[str, str, str], ...]:
    """(name, version, architecture) of every package that is installed, of dpkg's own list."""
    found = []
    for part in status.split("\n\n"):
        said = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", part, re.MULTILINE))
        if said.get("Status", "").endswith(" installed"):
            found.append((said["Package"], said["Version"], said["Architecture"]))
    return tuple(sorted(found))


def python(packages: Path) -> tuple[tuple[str, str], ...]:
    """(name, version) of every Python package."""
    found = (x.name.removesuffix(".dist-info").rpartition("-") for x in packages.glob("*.dist-info"))
    return tuple(sorted((name.replace("_", "-").lower(), version) for name, _, version in found))


def sbom(name: str, version: str, epoch: int, packages: Mapping[str, tuple[str, str]]) -> str:
    """CycloneDX 1.5; purl → (name, version)."""
    parts = [
        {"type": "library", "bom-ref": purl, "name": what, "version": v, "purl": purl}
        for purl, (what, v) in sorted(packages.items())
    ]
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {"type": "firmware", "name": name, "version": version},
        },
        "components": parts,
    }
    return json.dumps(told, indent=1) + "\n"


def purls(
    deb: tuple[tuple[str, str, str], ...], pypi: tuple[tuple[str, str], ...]
) -> dict[str, tuple[str, str]]:
    found = {f"pkg:deb/debian/{n}@{v}?arch={a}": (n, v) for n, v, a in deb}
    found.update({f"pkg:pypi/{n}@{v}": (n, v) for n, v in pypi})
    return found


def manifest(
    told: Mapping[str, str], deb: tuple[tuple[str, str, str], ...], pypi: tuple[tuple[str, str], ...]
) -> str:
    lines = [f"{k}: {v}" for k, v in told.items()]
    lines += ["", "[debian]", *(f"{n} {v} {a}" for n, v, a in deb)]
    lines += ["", "[python]", *(f"{n} {v}" for n, v in pypi)]
    return "\n".join(lines) + "\n"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
