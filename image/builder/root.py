"""The root file system: Debian's part, ours, the overlay, then away with what a box never uses; packed as a squashfs
whose octets depend on the input alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder import firmware, modules, product
from image.builder.run import chroot, run, step
from image.builder.target import IMAGE, PYTHON, Target

# Written at build time or on other machines, and of no use on a box.
USELESS = (
    "var/noroshi-downloads", "var/lib/apt", "var/cache", "var/log", "var/lib/dpkg/info", "usr/share/doc-base",
    "usr/share/bash-completion", "usr/share/zsh", "usr/share/fish", "usr/share/perl5/debconf", "usr/share/initramfs-tools",
    "usr/share/pixmaps", "usr/share/applications", "usr/share/icons", "usr/share/gitweb", "usr/share/locale",
    "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/systemd/language-fallback-map",
    "usr/lib/python3/dist-packages/pip", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv",
    "etc/apt", "etc/cron.daily", "etc/cron.weekly", "etc/cron.d", "etc/logrotate.d", "etc/initramfs-tools", "etc/kernel",
    "etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/ssh/ssh_host_*", "usr/sbin/update-initramfs*",
    "vmlinuz*", "initrd.img*", "boot", "usr/lib/udev/hwdb.d",
    # systemd's own keepers of things that a read-only root does not have
    "usr/lib/systemd/system/systemd-firstboot.service", "usr/lib/systemd/system/systemd-update-done.service",
    "usr/lib/systemd/system/*/systemd-firstboot.service", "usr/lib/systemd/system/*/systemd-update-done.service",
    "usr/lib/systemd/system/*/systemd-sysusers.service", "usr/lib/systemd/system/*/ldconfig.service",
    "usr/lib/systemd/system/*/systemd-hwdb-update.service", "usr/lib/systemd/system/*/systemd-journal-catalog-update.service",
)  # fmt: skip
EMPTY_FOLDERS = ("boot", "var", "run", "tmp", "proc", "sys", "dev", "mnt", "root")


def assemble(root: Path, native: Path, target: Target, wheel: Path, version: str, epoch: int) -> str:
    """Everything into `root`, in the order of its layers. The kernel's version."""
    with step("adding the product and the overlay"):
        product.lay(root, target, wheel)
        for layer in (IMAGE / "overlay", IMAGE / target.name / "overlay"):
            if layer.exists():
                run("cp", "-dR", "--preserve=mode,links", f"{layer}/.", root)
    chroot(root, "systemd-sysusers")
    rules = "from appliance.core.firewall import boot; print(boot())"
    (root / "usr/lib/noroshi/boot.nft").write_text(chroot(root, "/usr/lib/noroshi/bin/python", "-IBc", rules))
    _enable(root)
    kernel = modules.kernel_of(root)
    with step("leaving out what a box never uses"):
        modules.trim(root, kernel)
        firmware.trim(root, kernel)
        for pattern in USELESS:
            for path in sorted(root.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in EMPTY_FOLDERS:
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    _lock(root)
    _name(root, target, version)
    with step("compiling Python"):
        _compile(root, native)
    _settle_times(root, epoch)
    return kernel


def _enable(root: Path) -> None:
    """What our units say in [Install], done: nothing is enabled that the overlay does not bring."""
    for unit in sorted((IMAGE / "overlay/usr/lib/systemd/system").glob("*.*")):
        text = unit.read_text() if unit.is_file() else ""
        for line in text.splitlines():
            key, _, targets = line.partition("=")
            for target in targets.split() if key in ("WantedBy", "RequiredBy") else ():
                folder = root / f"etc/systemd/system/{target}.{'wants' if key == 'WantedBy' else 'requires'}"
                folder.mkdir(parents=True, exist_ok=True)
                link = folder / unit.name
                link.unlink(missing_ok=True)
                link.symlink_to(f"/usr/lib/systemd/system/{unit.name}")


def _lock(root: Path) -> None:
    """Nobody signs in with a password; what systemd calls an uninitialised machine gets its id at boot."""
    shadow = root / "etc/shadow"
    lines = [line.split(":") for line in shadow.read_text().splitlines()]
    shadow.write_text("".join(":".join([x[0], "!*", "1", *x[3:]]) + "\n" for x in lines))
    shadow.chmod(0o640)
    for name in ("shadow-", "passwd-", "group-", "gshadow-", "subuid-", "subgid-"):
        (root / "etc" / name).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("noroshi\n")
    (root / "etc/resolv.conf").write_text(
        "# Nothing outside the field namespace looks up names by this file.\n"
    )


def _name(root: Path, target: Target, version: str) -> None:
    kept = [
        x
        for x in (root / "usr/lib/os-release").read_text().splitlines()
        if not x.startswith(("IMAGE_", "VARIANT"))
    ]
    kept += [f"IMAGE_ID=noroshi-{target.name}", f"IMAGE_VERSION={version}"]
    (root / "usr/lib/os-release").write_text("\n".join(kept) + "\n")


def _compile(root: Path, native: Path) -> None:
    """Once and for all: pages of code that match whatever date their source gets (PEP 552). They are the same for every
    processor: Python of the PC's base makes them, without leaving for the root that it works on."""
    for cache in sorted(root.glob("usr/**/__pycache__")):
        shutil.rmtree(cache)
    folders = (f"usr/lib/python{PYTHON}", "usr/lib/python3/dist-packages", "usr/lib/noroshi/lib")
    libraries = native / "usr/lib/x86_64-linux-gnu"
    run(
        *(
            libraries / "ld-linux-x86-64.so.2",
            "--library-path",
            libraries,
            native / f"usr/bin/python{PYTHON}",
        ),
        *("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", root, "-p", "/"),
        *(root / x for x in folders if (root / x).exists()),
        env={"PYTHONHASHSEED": "0", "PYTHONHOME": str(native / "usr"), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _settle_times(root: Path, epoch: int) -> None:
    """No file is younger than the commit it was built from."""
    newer = ("find", root, "-xdev", "-newermt", f"@{epoch}")
    run(*newer, "-exec", "touch", "--no-dereference", f"--date=@{epoch}", "{}", "+")


def kernel_image(root: Path, scratch: Path) -> None:
    """The kernel lies beside the root file system, where boot loaders read it: out of the way before it is trimmed."""
    kernel = modules.kernel_of(root)
    places = (root / f"boot/vmlinuz-{kernel}", root / f"usr/lib/modules/{kernel}/vmlinuz")
    shutil.copy(next(x for x in places if x.exists()), scratch / "vmlinuz")


def pack(root: Path, squashfs: Path, epoch: int, *, quick: bool) -> None:
    squashfs.unlink(missing_ok=True)
    level = "3" if quick else "19"
    with step("packing the root file system"):
        run(
            *("mksquashfs", root, squashfs, "-noappend", "-no-progress", "-comp", "zstd"),
            *("-Xcompression-level", level, "-b", "256K", "-mkfs-time", str(epoch)),
        )
