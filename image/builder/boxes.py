"""The PC's image packed for Vagrant: one box for libvirt, one for VirtualBox. The disk in it is the image, octet for octet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from image.builder import disk
from image.builder.run import run
from image.builder.target import IMAGE

PROVIDERS = ("libvirt", "virtualbox")
GIB = 1 << 30


def metadata(provider: str, size: int) -> str:
    """What Vagrant reads first; `size` in octets."""
    told: dict[str, object] = {"provider": provider, "architecture": "amd64"}
    if provider == "libvirt":
        told |= {"format": "qcow2", "virtual_size": -(-size // GIB)}
    return json.dumps(told) + "\n"


def description(size: int) -> str:
    """The machine as VirtualBox imports it."""
    return (IMAGE / "vagrant/box.ovf").read_text().replace("@CAPACITY@", str(size))


def make(out: Path, raw: Path, provider: str, scratch: Path) -> None:
    """`out` from the raw image."""
    content, size = disk.fresh(scratch), raw.stat().st_size
    (content / "metadata.json").write_text(metadata(provider, size))
    shutil.copy(IMAGE / "vagrant/Vagrantfile", content)
    if provider == "libvirt":
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, content / "box.img")
    else:
        (content / "box.ovf").write_text(description(size))
        target = ("-O", "vmdk", "-o", "subformat=streamOptimized")
        run("qemu-img", "convert", "-f", "raw", *target, raw, content / "box-disk001.vmdk")
    names = sorted(x.name for x in content.iterdir())
    out.unlink(missing_ok=True)
    run("tar", "--create", "--owner=0", "--group=0", "--file", out, "--directory", content, *names)
    shutil.rmtree(content)
