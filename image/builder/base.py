"""Debian as it comes: the packages of the lists, unpacked once and kept as a tar for the next build."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder.run import run, step
from image.builder.target import CACHE, SUITE, Target

# Nobody reads manuals on a box. What the law wants to be there stays.
LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/bug/*",
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DOWNLOADED = "var/noroshi-downloads"
# Building an initrd with each kernel package takes minutes under emulation; ours is made of single files.
NO_INITRD = (
    'chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs',
    'ln -s /bin/true "$1/usr/sbin/update-initramfs"',
)


def base(target: Target, *, fresh: bool) -> Path:
    """A tar with Debian's part of the root file system."""
    tar = CACHE / f"base-{target.name}-{target.digest}.tar"
    if tar.exists() and not fresh:
        return tar
    with step(
        f"fetching and unpacking Debian {SUITE} ({target.architecture}, {len(target.packages)} packages named)"
    ):
        _make(target, tar)
    for old in CACHE.glob(f"base-{target.name}-*.tar"):
        if old != tar:
            old.unlink()
    return tar


def _make(target: Target, tar: Path) -> None:
    debs = CACHE / f"debs-{target.architecture}"
    debs.mkdir(parents=True, exist_ok=True)
    scratch = tar.with_suffix(".new.tar")
    hooks = [
        'mkdir -p "$1/var/cache/apt/archives/"',
        f"sync-in {debs} /var/cache/apt/archives/",
    ]
    options = [f"--setup-hook={x}" for x in hooks]
    options += [f"--essential-hook={x}" for x in NO_INITRD]
    if target.backports:
        wanted = " ".join(target.backports)
        options.append(
            f'--customize-hook=chroot "$1" env DEBIAN_FRONTEND=noninteractive '
            f"apt-get install -y --no-install-recommends -t {SUITE}-backports {wanted}"
        )
    if target.downloads:
        wanted = " ".join(target.downloads)
        options.append(
            f'--customize-hook=mkdir -p "$1/{DOWNLOADED}" && chroot "$1" '
            f"sh -c 'cd /{DOWNLOADED} && apt-get -o APT::Sandbox::User=root download {wanted}'"
        )
    options.append(f"--customize-hook=sync-out /var/cache/apt/archives {debs}")
    run(
        "mmdebstrap",
        "--variant=apt",
        "--mode=root",
        f"--architectures={target.architecture}",
        f"--keyring={KEYRING}",
        "--skip=download/empty",
        "--skip=essential/unlink",
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt={x}" for x in LEFT_OUT),
        *options,
        f"--include={','.join(target.packages)}",
        SUITE,
        str(scratch),
        *target.sources,
        env={"DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(_room())},
    )
    scratch.replace(tar)


def _room() -> Path:
    room = CACHE / "scratch"
    room.mkdir(parents=True, exist_ok=True)
    return room


def unpack(tar: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    run(
        "tar",
        "-C",
        root,
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--exclude=./dev/*",
        "-xf",
        tar,
    )
