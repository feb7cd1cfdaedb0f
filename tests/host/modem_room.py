"""A room of its own for the real ModemManager: own mounts, own network, own message bus, and a modem played at the end of a
pseudo-terminal that it takes for /dev/cdc-wdm0. Nothing of the machine is touched.

usage: unshare --mount --net --pid --fork --kill-child --mount-proc python -m tests.host.modem_room FOLDER WORLD
A line on standard input changes the played modem ({"network": "denied"}); each is answered by a line with what was dialled.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
import tty
from pathlib import Path
from typing import Any

from tests.host.mbim import Modem, split

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={bus}</listen><listen>unix:path={own}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="false"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""
OWN_BUS = Path("/run/dbus/system_bus_socket")  # where everybody looks, polkit's own user among them
DEVICE = "devices/pci0000:00/usb1/1-1"
EVENTS = "action=add,subsystem=usbmisc,name=cdc-wdm0\naction=add,subsystem=net,name=wwan0\n"


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def kernel(sys_folder: Path) -> None:
    """A sysfs that shows one USB modem with a control channel and a network interface."""
    mount("-t", "tmpfs", "tmpfs", sys_folder)
    device, interface = sys_folder / DEVICE, sys_folder / DEVICE / "1-1:1.0"
    for name in ("bus/usb/drivers/cdc_mbim", "class/usbmisc", "class/net"):
        (sys_folder / name).mkdir(parents=True)
    for port in (interface / "usbmisc/cdc-wdm0", interface / "net/wwan0"):
        port.mkdir(parents=True)
        (port / "device").symlink_to(interface)
        kind = port.parent.name
        (port / "subsystem").symlink_to(sys_folder / "class" / kind)
        (sys_folder / "class" / kind / port.name).symlink_to(port)
    for folder in (device, interface):
        (folder / "subsystem").symlink_to(sys_folder / "bus/usb")
    (interface / "driver").symlink_to(sys_folder / "bus/usb/drivers/cdc_mbim")
    for name, value in (
        ("idVendor", "fffe"),
        ("idProduct", "0001"),
        ("manufacturer", "Played"),
        ("product", "Modem"),
    ):
        (device / name).write_text(f"{value}\n")
    for name, value in (("Class", "02"), ("SubClass", "0e"), ("Protocol", "00"), ("Number", "00")):
        (interface / f"bInterface{name}").write_text(f"{value}\n")


def devices(slave: str) -> None:
    """A /dev of the few things that are needed, and the modem's."""
    folder = Path("/dev")
    kept = {x: os.open(x, os.O_PATH) for x in ("/dev/null", "/dev/urandom", "/dev/random", slave)}
    mount("-t", "tmpfs", "tmpfs", folder)
    for path, descriptor in kept.items():
        node = folder / ("cdc-wdm0" if path == slave else Path(path).name)
        node.touch()
        mount("--bind", f"/proc/{os.getpid()}/fd/{descriptor}", node)


def main(folder: Path, world: dict[str, Any]) -> None:
    mount("--make-rprivate", "/")
    master, slave = pty.openpty()
    tty.setraw(slave)
    kernel(Path("/sys"))
    devices(os.ttyname(slave))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "link", "add", "wwan0", "type", "veth", "peer", "name", "far"], check=True)
    bus, config, events = folder / "bus", folder / "bus.conf", folder / "events"
    config.write_text(BUS.format(bus=bus, own=OWN_BUS))
    events.write_text(EVENTS)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    OWN_BUS.parent.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DBUS_")}
    log = (folder / "log").open("wb")

    def start(*command: str) -> None:
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
    while not bus.exists():
        time.sleep(0.05)
    start("/usr/lib/polkit-1/polkitd", "--no-debug")
    start(
        "/usr/sbin/ModemManager",
        "--debug",
        "--no-auto-scan",
        "--test-no-udev",
        "--test-no-suspend-resume",
        f"--initial-kernel-events={events}",
    )
    play(Modem(**world), master)


def play(modem: Modem, master: int) -> None:
    buffer = b""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if master in ready:
            messages, buffer = split(buffer + os.read(master, 65536))
            for message in messages:
                for answer in modem.hear(message):
                    os.write(master, answer)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            for name, value in json.loads(line).items():
                setattr(modem, name, value)
            for said in modem.news():
                os.write(master, said)
            sys.stdout.write(json.dumps(modem.dialled) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
