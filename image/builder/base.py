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
# Caches that name libraries of one processor, and the package manager's own books.
ONE_PROCESSOR_S = (
    "etc/ld.so.cache",
    "etc/ld.so.conf.d",
    "var/lib/dpkg",
    "var/lib/apt",
    "etc/apt",
    "etc/kernel",
    "etc/ssh/ssh_host",
)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DOWNLOADED = "var/noroshi-downloads"
# Building an initrd with each kernel package takes minutes under emulation; ours is made of single files. (INITRD=No
# keeps the kernel packages' hooks from it, be it initramfs-tools or dracut.)
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
    kept = sorted(CACHE.glob(f"base-{target.name}-*.tar"), key=lambda x: x.stat().st_mtime)[-3:]
    for old in CACHE.glob(f"base-{target.name}-*.tar"):
        if old not in kept:
            old.unlink()
    return tar


def _make(target: Target, tar: Path) -> None:
    debs = CACHE / f"debs-{target.architecture}"
    debs.mkdir(parents=True, exist_ok=True)
    scratch = tar.with_suffix(".new.tar")
    options = [
        '--setup-hook=mkdir -p "$1/var/cache/apt/archives/" "$1/etc/apt/preferences.d"',
        f"--setup-hook=sync-in {debs} /var/cache/apt/archives/",
    ]
    if target.backports:
        pin = (
            f"Package: {' '.join(target.backports)}\\nPin: release n={SUITE}-backports\\nPin-Priority: 900\\n"
        )
        options.append(f"--setup-hook=printf '{pin}' >\"$1/etc/apt/preferences.d/backports\"")
    options += _foreign(target) if target.foreign else _native(target)
    options.append(f"--customize-hook=sync-out /var/cache/apt/archives {debs}")
    named = (*target.packages, *target.downloads) if target.foreign else target.packages
    run(
        "mmdebstrap",
        f"--variant={'extract' if target.foreign else 'apt'}",
        "--mode=root",
        f"--architectures={target.architecture}",
        f"--keyring={KEYRING}",
        "--skip=download/empty",
        "--skip=essential/unlink",
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "5"',
        *(f"--dpkgopt={x}" for x in LEFT_OUT),
        *options,
        *(("--include=?essential",) if target.foreign else ()),
        f"--include={','.join(named)}",
        SUITE,
        str(scratch),
        *target.sources,
        env={"DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(_room()), "INITRD": "No"},
    )
    scratch.replace(tar)


def _native(target: Target) -> list[str]:
    options = [f"--essential-hook={x}" for x in NO_INITRD]
    if target.downloads:
        wanted = " ".join(target.downloads)
        options.append(
            f'--customize-hook=mkdir -p "$1/{DOWNLOADED}" && chroot "$1" '
            f"sh -c 'cd /{DOWNLOADED} && apt-get -o APT::Sandbox::User=root download {wanted}'"
        )
    return options


def _foreign(target: Target) -> list[str]:
    """Packages of another processor are unpacked only; who they are is written down as dpkg would."""
    told = (
        'for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -f "$deb" Package Version Architecture; '
        'echo "Status: install ok installed"; echo; done >"$1/var/lib/dpkg/status"'
    )
    return [f"--customize-hook={told}"]


def _room() -> Path:
    room = CACHE / "scratch"
    room.mkdir(parents=True, exist_ok=True)
    return room


def configure(root: Path, native: Path) -> None:
    """What Debian's maintainer scripts make, taken over from the same packages on this machine's processor: accounts,
    alternatives, links, defaults. None of it differs between processors but caches, and those are left out. Half an hour
    of emulation less."""
    for folder in ("etc", "usr", "var/lib"):
        for path in sorted((native / folder).rglob("*")):
            aim = root / path.relative_to(native)
            if aim.exists() or aim.is_symlink() or (path.is_dir() and not path.is_symlink()):
                continue
            if _taken_over(path, str(path.relative_to(native))):
                aim.parent.mkdir(parents=True, exist_ok=True)
                run("cp", "-dp", path, aim)


def _taken_over(path: Path, name: str) -> bool:
    """A file that no package brought: in /usr only alternatives' links and the hardware's names."""
    if name.startswith("usr/"):
        link = path.is_symlink() and str(path.readlink()).startswith("/etc/alternatives/")
        return link or name == "usr/lib/udev/hwdb.bin"
    return not name.startswith(ONE_PROCESSOR_S)


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
