"""Updates: what RAUC is told of the slots, who may sign, and the signed bundle made of the same two file systems.

The key: `--key` and `--certificate`, else a pair that is made once on this machine and kept in the cache. A box takes
bundles of the key it was built with only."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder import disk, layout
from image.builder.run import run
from image.builder.target import CACHE, Target

KEYS = CACHE / "keys"
DAYS = "9131"  # 25 years: a box in store has no clock to doubt it by


def keys() -> tuple[Path, Path]:
    """(key, certificate) of this machine's own release key."""
    key, certificate = KEYS / "release.key", KEYS / "release.pem"
    if not key.exists() or not certificate.exists():
        KEYS.mkdir(parents=True, exist_ok=True, mode=0o700)
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:4096", "-noenc", "-sha256", "-days", DAYS),
            *("-subj", "/O=Noroshi/CN=Noroshi release", "-keyout", key, "-out", certificate),
            *(
                "-addext",
                "keyUsage=critical,digitalSignature,keyCertSign",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
            ),
        )
        key.chmod(0o600)
    return key, certificate


def _device(target: Target, name: str) -> str:
    parts = layout.gpt() if target.name == "pc" else layout.mbr()
    part = next(x for x in parts if x.name == name)
    return f"/dev/disk/by-partuuid/{part.id if target.name == 'pc' else layout.mbr_id(part)}"


def configuration(target: Target) -> str:
    """RAUC's system.conf: two slots, each a root file system and what boots it."""
    lines = [
        "[system]",
        f"compatible=noroshi-{target.name}",
        "bootloader=custom",
        "bundle-formats=verity",
        "activate-installed=false",  # the box says when the other slot is tried
        "data-directory=/var/lib/noroshi/rauc",
        "",
        "[handlers]",
        "bootloader-custom-backend=/usr/lib/noroshi/boot-choice",
        "",
        "[keyring]",
        "path=/etc/rauc/keyring.pem",
    ]
    for number, slot in enumerate("ab"):
        lines += [
            "",
            f"[slot.root.{number}]",
            f"device={_device(target, f'root-{slot}')}",
            "type=raw",
            f"bootname={slot.upper()}",
            "",
            f"[slot.boot.{number}]",
            f"device={_device(target, f'boot-{slot}')}",
            "type=raw",
            f"parent=root.{number}",
        ]
    return "\n".join(lines) + "\n"


def lay(root: Path, target: Target, certificate: Path) -> None:
    folder = root / "etc/rauc"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.conf").write_text(configuration(target))
    shutil.copy(certificate, folder / "keyring.pem")
    (folder / "keyring.pem").chmod(0o644)


def manifest(target: Target, version: str) -> str:
    return (
        f"[update]\ncompatible=noroshi-{target.name}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        "[image.root]\nfilename=root.img\n\n[image.boot]\nfilename=boot.img\n"
    )


def make(
    out: Path, target: Target, version: str, squashfs: Path, boot: Path, key: Path, certificate: Path
) -> None:
    content = disk.fresh(out.with_suffix(".content"))
    (content / "manifest.raucm").write_text(manifest(target, version))
    (content / "root.img").hardlink_to(squashfs)
    (content / "boot.img").hardlink_to(boot)
    out.unlink(missing_ok=True)
    run("rauc", f"--cert={certificate}", f"--key={key}", "bundle", content, out)
    shutil.rmtree(content)
