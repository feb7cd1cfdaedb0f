"""Which of the kernel's modules a box carries: what it, its lines and its radios can meet; the rest goes."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder.run import run

# Below /usr/lib/modules/VERSION/kernel. A folder stays with all in it unless a line with "-" takes a part away.
KEPT = (
    "arch", "crypto", "lib", "block", "virt/lib",
    "net", "-net/appletalk", "-net/ax25", "-net/netrom", "-net/rose", "-net/sctp", "-net/dccp", "-net/tipc", "-net/rds",
    "-net/atm", "-net/can", "-net/bluetooth", "-net/nfc", "-net/ceph", "-net/smc", "-net/sunrpc", "-net/openvswitch",
    "-net/batman-adv", "-net/hsr", "-net/6lowpan", "-net/ieee802154", "-net/mac802154", "-net/rxrpc", "-net/l2tp",
    "-net/x25", "-net/lapb", "-net/iucv", "-net/phonet", "-net/mptcp", "-net/caif",
    "fs/ext4", "fs/jbd2", "fs/fat", "fs/nls", "fs/squashfs", "fs/overlayfs", "fs/9p", "fs/netfs", "fs/fuse", "fs/mbcache.ko",
    "fs/efivarfs", "fs/autofs", "fs/pstore", "fs/binfmt_misc.ko", "fs/exfat", "fs/fscache", "fs/isofs",
    "drivers/acpi", "drivers/ata", "drivers/base", "drivers/block", "-drivers/block/drbd", "-drivers/block/aoe",
    "-drivers/block/rbd.ko", "drivers/bus", "drivers/char/hw_random", "drivers/char/tpm", "drivers/char/virtio_console.ko",
    "drivers/char/ipmi", "drivers/clk", "drivers/cpufreq", "drivers/crypto/bcm", "drivers/crypto/virtio", "drivers/dma", "drivers/firmware",
    "drivers/gpio", "drivers/gpu/drm/tiny", "drivers/gpu/drm/virtio", "drivers/gpu/drm/drm_shmem_helper.ko",
    "drivers/gpu/drm/drm_kms_helper.ko", "drivers/gpu/drm/drm.ko", "drivers/gpu/drm/vc4", "drivers/gpu/drm/display",
    "drivers/hid/hid.ko", "drivers/hid/hid-generic.ko", "drivers/hid/usbhid", "drivers/hwmon/coretemp.ko", "drivers/hwmon/k10temp.ko",
    "drivers/i2c/busses", "drivers/i2c/i2c-smbus.ko", "drivers/i2c/i2c-mux.ko", "drivers/idle", "drivers/irqchip", "drivers/input/misc/soc_button_array.ko",
    "drivers/leds", "drivers/mailbox", "drivers/md/dm-mod.ko", "drivers/md/dm-verity.ko", "drivers/md/dm-bufio.ko", "drivers/mfd",
    "drivers/misc/eeprom", "drivers/misc/rp1", "drivers/mmc", "drivers/net/mdio", "drivers/net/phy", "drivers/net/pcs",
    "drivers/net/usb", "drivers/net/wwan", "drivers/net/wireguard", "drivers/net/mii.ko", "drivers/net/dummy.ko",
    "drivers/net/ifb.ko", "drivers/net/macvlan.ko", "drivers/net/netdevsim", "drivers/net/tun.ko", "drivers/net/veth.ko",
    "drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "drivers/net/nlmon.ko", "drivers/net/vrf.ko", "drivers/net/vmxnet3",
    "drivers/net/hyperv", "drivers/hv", "drivers/net/mdio.ko", "drivers/net/sungem_phy.ko",
    *(f"drivers/net/ethernet/{x}" for x in (
        "intel", "realtek", "atheros", "aquantia", "broadcom", "marvell", "amd", "cadence", "stmicro", "microchip",
        "jme.ko", "fealnx.ko", "dlink", "natsemi", "asix", "motorcomm", "tehuti", "via", "sis", "nvidia", "smsc",
    )),
    "-drivers/net/ethernet/intel/ice", "-drivers/net/ethernet/intel/i40e", "-drivers/net/ethernet/intel/fm10k",
    "-drivers/net/ethernet/marvell/octeontx2", "-drivers/net/ethernet/marvell/prestera", "-drivers/net/ethernet/marvell/octeon_ep",
    "-drivers/net/ethernet/broadcom/bnx2x", "-drivers/net/ethernet/broadcom/bnxt",
    *(f"drivers/net/wireless/{x}" for x in ("intel/iwlwifi", "realtek", "mediatek", "broadcom", "virtual", "ralink", "ath")),
    "-drivers/net/wireless/realtek/rtlwifi/rtl8192ee", "-drivers/net/wireless/mediatek/mt7601u",
    "drivers/nvme", "-drivers/nvme/target", "drivers/nvmem", "drivers/pci", "drivers/phy", "drivers/pinctrl", "drivers/platform/x86/wmi.ko",
    "drivers/platform/x86/wmi-bmof.ko", "drivers/power", "drivers/powercap", "drivers/pps", "drivers/ptp", "drivers/pwm", "drivers/regulator",
    "drivers/reset", "drivers/rtc", "drivers/scsi/sd_mod.ko", "drivers/scsi/sr_mod.ko", "drivers/scsi/scsi_mod.ko", "drivers/scsi/scsi_common.ko",
    "drivers/scsi/sg.ko", "drivers/scsi/virtio_scsi.ko", "drivers/cdrom", "drivers/soc", "drivers/spi", "drivers/thermal", "drivers/tty/serial", "drivers/uio",
    "drivers/usb/class", "drivers/usb/common", "drivers/usb/core", "drivers/usb/host", "drivers/usb/storage", "drivers/usb/serial", "drivers/usb/dwc2",
    "drivers/usb/dwc3", "drivers/usb/phy", "drivers/usb/roles", "drivers/usb/typec", "drivers/usb/gadget/udc", "drivers/vhost", "drivers/video",
    "drivers/virtio", "drivers/watchdog", "drivers/staging/vc04_services", "drivers/ssb", "drivers/bcma", "drivers/crypto/ccp",
)  # fmt: skip


def kernel_of(root: Path) -> str:
    """The newest kernel's version: where two are there, the other came before it."""
    found = sorted((root / "usr/lib/modules").iterdir(), key=lambda x: [int(y) if y.isdigit() else y for y in x.name.replace("-", ".").replace("+", ".").split(".")][:3])  # fmt: skip
    return found[-1].name


def stays(path: str, kept: tuple[str, ...] = KEPT) -> bool:
    """`path` below kernel/, for example "net/sched/sch_cake.ko.xz". The longest line that fits decides."""
    best = ""
    for line in kept:
        name = line.removeprefix("-")
        fits = path.startswith(f"{name}/") or path.split(".ko")[0] == name.removesuffix(".ko")
        if fits and len(name) > len(best.removeprefix("-")):
            best = line
    return bool(best) and not best.startswith("-")


def needed(root: Path, kernel: str, wanted: set[str]) -> set[str]:
    """`wanted` and every module that one of them depends on."""
    depends = {}
    for line in (root / "usr/lib/modules" / kernel / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        depends[name.removeprefix("kernel/")] = [x.removeprefix("kernel/") for x in others.split()]
    found = set(wanted)
    for name in wanted:
        found.update(depends.get(name, ()))  # modules.dep lists all of them, not the next ones only
    return found


def trim(root: Path, kernel: str) -> None:
    home = root / "usr/lib/modules" / kernel
    for other in home.parent.iterdir():
        if other != home:
            shutil.rmtree(other)
    for name in ("build", "source", "vmlinuz", "System.map", "config"):  # the boot partition has the kernel
        (home / name).unlink(missing_ok=True)
    shutil.rmtree(home / "dtb", ignore_errors=True)
    run("depmod", "-b", root, kernel)
    files = {str(x.relative_to(home / "kernel")): x for x in (home / "kernel").rglob("*.ko*")}
    kept = needed(root, kernel, {x for x in files if stays(x)})
    for name, path in files.items():
        if name not in kept:
            path.unlink()
    for folder in sorted((x for x in home.rglob("*") if x.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    run("depmod", "-b", root, kernel)
