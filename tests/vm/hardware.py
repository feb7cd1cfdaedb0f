"""The machine that the image is booted on: a mini-PC as QEMU plays it. Pure: facts in, an argument list out.

The box's own sockets are Intel's (e1000e) and a USB tether, the disk is NVMe, the firmware UEFI: drivers that real
mini-PCs need, too. The socket that the test itself speaks through is of another kind (e1000), so that it can be told
from the box's by its driver.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONTROL_MAC = "52:54:00:6e:00:fe"
CONTROL_ADDRESS = "10.0.2.15"  # what QEMU's user network forwards to unless told otherwise
MAC = "52:54:00:6e:00:{:02x}"
USB = "usb"
FIRST_SLOT = 4  # PCI slots of the sockets begin here: they are enp0s4, enp0s5, …
# What the kernel's ciphers for WireGuard look for, and nothing that is slow to emulate. Halves of a feature (aes without
# pclmulqdq, avx without xsave) make Linux trip over its own checks.
PROCESSOR = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand"
OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One network socket of the mini-PC; `fd` is an open tap. `usb`: a tethered phone instead of a card."""

    fd: int
    usb: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    disk: Path
    format: str = "qcow2"
    variables: Path  # a copy of OVMF_VARS of its own
    folder: Path  # serial.log, qmp
    memory: int = 1024  # MiB
    processors: int = 2
    sockets: tuple[Socket, ...] = ()
    control_port: int = 0  # of 127.0.0.1, leads to port 22 of the control socket; 0: no such socket
    clock: str = "utc"  # "utc", or a date such as 1970-01-01T00:00:00
    credentials: tuple[tuple[str, Path], ...] = ()  # files that hold what `credential` makes
    write_log: Path | None = (
        None  # every write of the disk, as dm-log-writes has it; then the disk is virtio's
    )
    share: Path | None = None  # a folder of this machine that the guest may read
    accelerator: str = "tcg,thread=multi"
    screen: bool = False  # a monitor is plugged in
    usb: bool = False  # it has sockets for sticks
    modem: bool = (
        False  # one of them is for a device that is played at the end of the folder's socket `modem`
    )
    kernel: Path | None = None  # boots this instead of what is on the disk, with `initrd` and `append`
    initrd: Path | None = None
    append: str = ""


def credential(name: str, content: bytes) -> str:
    """A credential as systemd looks for it in SMBIOS (systemd.system-credentials(7))."""
    return f"io.systemd.credential.binary:{name}={base64.b64encode(content).decode()}"


def command(x: Hardware) -> list[str]:
    """The whole argument list. No option is given that would let the guest reach a network by itself."""
    argv = [
        "qemu-system-x86_64",
        *("-name", "noroshi", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"),
        *("-machine", "q35", "-accel", x.accelerator, "-cpu", PROCESSOR),
        *("-smp", str(x.processors), "-m", str(x.memory), "-rtc", f"base={x.clock}"),
        *("-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"),
        *("-serial", f"file:{x.folder / 'serial.log'}"),
        *("-qmp", f"unix:{x.folder / 'qmp'},server=on,wait=off"),
    ]
    if x.screen:
        argv += ["-device", "bochs-display,xres=1280,yres=800,addr=0x1d"]
    if x.usb:
        argv += ["-device", f"qemu-xhci,id={USB},addr=0x1c"]
    if x.modem:
        argv += ["-chardev", f"socket,id=modem,path={x.folder / 'modem'},server=on,wait=off"]
        argv += ["-device", f"usb-redir,chardev=modem,id=modem,bus={USB}.0"]
    if not x.accelerator.startswith("tcg"):
        # Emulated on a busy machine, a guest may stand still for longer than its watchdog waits, and be reset for it.
        argv += ["-device", "i6300esb", "-watchdog-action", "reset"]
    argv += _firmware(x) if x.kernel is None else _kernel(x, x.kernel)
    argv += _disk(x)
    for number, socket in enumerate(x.sockets):
        argv += _socket(number, socket)
    if x.share is not None:
        folder = f"local,path={x.share},mount_tag=host,security_model=none,readonly=on,multidevs=remap"
        argv += ["-virtfs", folder]
    if x.control_port:
        argv += _control(x.control_port)
    for _, path in x.credentials:
        argv += ["-smbios", f"type=11,path={path}"]
    return argv


def _firmware(x: Hardware) -> list[str]:
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={x.variables}"),
    ]


def _kernel(x: Hardware, kernel: Path) -> list[str]:
    return ["-kernel", str(kernel), *(("-initrd", str(x.initrd)) if x.initrd else ()), "-append", x.append]


def _disk(x: Hardware) -> list[str]:
    """`cache.direct=off, no-flush=off`: what the guest flushes reaches the write log in its order."""
    image = f"driver={x.format},node-name=image,file.driver=file,file.filename={x.disk}"
    argv = ["-blockdev", f"{image},discard=unmap,detect-zeroes=off"]
    top = "image"
    if x.write_log is not None:
        argv += ["-blockdev", f"driver=file,node-name=log,filename={x.write_log}"]
        logged = "driver=blklogwrites,node-name=logged,file=image,log=log"
        argv += ["-blockdev", f"{logged},log-sector-size=512,log-super-update-interval=1"]
        top = "logged"
    # QEMU's NVMe takes a write that has to last (FUA) for any other, so that the log would lack a flush. Virtio has no
    # such writes: the kernel says flush.
    kind = "nvme" if x.write_log is None else "virtio-blk-pci"
    return [*argv, "-device", f"{kind},drive={top},serial=NOROSHI0001,addr=0x3,bootindex=0"]


def _socket(number: int, socket: Socket) -> list[str]:
    # An empty romfile: the firmware has no driver for the card, so that it sends nothing before the box does.
    argv = ["-netdev", f"tap,id=net{number},fd={socket.fd}"]
    mac = MAC.format(number + 1)
    if socket.usb:
        usb = f"usb-net,bus=xhci{number}.0,netdev=net{number},mac={mac},id=socket{number}"
        return [*argv, "-device", f"qemu-xhci,id=xhci{number}", "-device", usb]
    place = f"addr={FIRST_SLOT + number:#x}"
    return [*argv, "-device", f"e1000e,netdev=net{number},mac={mac},id=socket{number},romfile=,{place}"]


def _control(port: int) -> list[str]:
    """`restrict=on`: the guest reaches nothing by it, not even this machine."""
    user = f"user,id=control,restrict=on,hostfwd=tcp:127.0.0.1:{port}-{CONTROL_ADDRESS}:22"
    return ["-netdev", user, "-device", f"e1000,netdev=control,mac={CONTROL_MAC},romfile=,addr=0x1e"]


def socket_names(sockets: Sequence[Socket]) -> tuple[str, ...]:
    """What Linux calls them (systemd.net-naming-scheme(7)); a tethered phone is named by its address."""
    return tuple(
        f"enx{MAC.format(number + 1).replace(':', '')}" if socket.usb else f"enp0s{FIRST_SLOT + number}"
        for number, socket in enumerate(sockets)
    )
