"""The order in which an image is made."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from appliance import VERSION
from image.builder import base, boxes, bundle, disk, initrd, layout, modules, papers, pc, pi, product, root
from image.builder.run import Failed, chroot, run, say, step
from image.builder.target import CACHE, CLONE, PYTHON, TARGETS, Target


def main() -> int:
    words = argparse.ArgumentParser(prog="image/build", add_help=False)
    words.add_argument("target", choices=sorted(TARGETS))
    words.add_argument("--out", type=Path, default=CLONE / "image/out")
    words.add_argument("--fresh", action="store_true")
    words.add_argument("--quick", action="store_true")
    words.add_argument("--root-only", action="store_true")
    words.add_argument("--vagrant", action="store_true")
    words.add_argument("--key", type=Path)
    words.add_argument("--certificate", type=Path)
    asked = words.parse_args()
    if (asked.key is None) != (asked.certificate is None):
        words.error("--key and --certificate belong together")
    if asked.vagrant and asked.target != "pc":
        words.error("--vagrant is for the PC's image")
    try:
        build(TARGETS[asked.target], asked)
    except Failed as error:
        what, do = error.args
        sys.stderr.write(f"\n[image] {what}\n        {do}\n")
        return 1
    return 0


def version_of() -> tuple[str, int]:
    """Our version and commit, and the commit's time: what an image is named after and dated by. A tree without its history
    is dated by its newest file."""
    git = ("git", "-c", f"safe.directory={CLONE}", "-C", str(CLONE))
    if (CLONE / ".git").exists():
        commit, made = run(*git, "log", "-1", "--abbrev=8", "--format=%h %ct").split()
    else:
        files = (x for name in ("appliance", "webui", "image") for x in (CLONE / name).rglob("*.*"))
        commit, made = "", str(int(max(x.stat().st_mtime for x in files)))
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or made)
    day = time.strftime("%Y%m%d%H%M", time.gmtime(epoch))
    return "-".join(filter(None, (VERSION, day, commit))), epoch


def build(target: Target, asked: argparse.Namespace) -> None:
    begun = time.monotonic()
    version, epoch = version_of()
    scratch = CACHE / f"build-{target.name}"
    scratch.mkdir(parents=True, exist_ok=True)
    tree = scratch / "root"
    say(f"noroshi-{target.name} {version}")
    tar = base.base(target, fresh=asked.fresh)
    with step("building the product"):
        wheel = product.wheel(CACHE / "scratch/wheel", epoch)
    with step("unpacking Debian"):
        base.unpack(tar, tree)
    native = scratch / "native" if target.foreign else tree
    if target.foreign:
        with step("taking over what Debian's scripts made for the PC"):
            base.unpack(base.base(TARGETS["pc"], fresh=False), native)
            base.configure(tree, native)
            chroot(tree, "ldconfig")
    deb = papers.debian((tree / "var/lib/dpkg/status").read_text())
    if target.name == "pc":
        pc.loaders(tree, scratch / "loaders")
    else:
        pi.loaders(tree, modules.kernel_of(tree), scratch / "loaders")
    root.kernel_image(tree, scratch)
    key, certificate = (asked.key, asked.certificate) if asked.key else bundle.keys()
    bundle.lay(tree, target, certificate)
    kernel = root.assemble(tree, native, target, wheel, version, epoch)
    with step("making the initrd"):
        boot = disk.fresh(scratch / "boot")
        shutil.copy(scratch / "vmlinuz", boot / "vmlinuz")
        initrd.build(tree, kernel, target, scratch / "initrd", boot / "initrd", epoch)
    disk.ext4(
        scratch / "boot.ext4",
        (layout.KERNEL if target.name == "pi" else layout.WANTED[1].size),
        "noroshi-boot",
        epoch,
        boot,
        plain=True,
    )
    disk.date_files(scratch / "boot.ext4", (".", "vmlinuz", "initrd"), epoch)
    squashfs = scratch / "root.squashfs"
    root.pack(tree, squashfs, epoch, quick=asked.quick)
    pypi = papers.python(tree / product.HOME / f"lib/python{PYTHON}/site-packages")
    told = {
        "image": f"noroshi-{target.name}",
        "version": version,
        "kernel": kernel,
        "architecture": target.architecture,
        "source-date-epoch": str(epoch),
        "root-sha256": papers.sha256(squashfs),
        "boot-sha256": papers.sha256(scratch / "boot.ext4"),
    }
    say(f"root file system: {told['root-sha256']} ({squashfs.stat().st_size >> 20} MiB)")
    if asked.root_only:
        return
    raw = CACHE / f"{target.name}.img"
    with step("laying out the disk"):
        (pc if target.name == "pc" else pi).make(
            raw, scratch, squashfs, scratch / "boot.ext4", scratch / "loaders", epoch
        )
    update = CACHE / f"{target.name}.raucb"
    with step("signing the update bundle"):
        bundle.make(update, target, version, squashfs, scratch / "boot.ext4", key, certificate)
    hand_out(
        target,
        asked,
        (raw, update),
        told,
        papers.manifest(told, deb, pypi),
        papers.sbom(told["image"], version, epoch, papers.purls(deb, pypi)),
    )
    say(f"done in {time.monotonic() - begun:.0f} s")


def hand_out(
    target: Target,
    asked: argparse.Namespace,
    made: tuple[Path, Path],
    told: dict[str, str],
    manifest: str,
    sbom: str,
) -> None:
    raw, update = made
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    name = f"{told['image']}-{told['version']}.img"
    for old in out.glob(f"{told['image']}-*"):
        old.unlink()
    bmap, packed, bundled = (
        out / f"{name}.bmap",
        out / f"{name}.zst",
        out / f"{name.removesuffix('.img')}.raucb",
    )
    with step("compressing"):
        run("bmaptool", "create", "-o", bmap, raw)
        run("zstd", "-q", "-f", "-T0", "-3" if asked.quick else "-15", raw, "-o", packed)
    (out / f"{name}.manifest").write_text(manifest)
    (out / f"{name}.sbom.json").write_text(sbom)
    shutil.copy(update, bundled)
    names = [packed, bmap, bundled, out / f"{name}.manifest", out / f"{name}.sbom.json"]
    if asked.vagrant:
        for provider in boxes.PROVIDERS:
            with step(f"packing the box for {provider}"):
                box = out / f"{told['image']}-{provider}.box"
                boxes.make(box, raw, provider, CACHE / "scratch/box")
                names.append(box)
    (out / f"{name}.sha256").write_text("".join(f"{papers.sha256(x)}  {x.name}\n" for x in names))
    say(f"{packed}: {packed.stat().st_size / 1e6:.0f} MB")
    sys.stderr.write(
        f"\n  できました / here is the file:\n    {packed}\n"
        f"  書き込み / to flash it (everything on /dev/DEVICE is lost):\n    sudo bmaptool copy {packed} /dev/DEVICE\n"
        f"  試す / to try it:\n    scripts/test-image {target.name}\n\n"
    )


if __name__ == "__main__":
    sys.exit(main())
