"""What a test hands in from outside so that it can speak with an image that was made for nobody's tests.

A unit and a script arrive as credentials in SMBIOS, which the image reads only where `noroshi.args` on its FAT
partition says so. They put one network socket, known by its driver, into a namespace of its own and run sshd there: the
box's own networks, rules and routes are as on any other box.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from image.builder.disk import environment
from scripts.exercise.processes import run
from tests.vm.hardware import CONTROL_ADDRESS, CONTROL_MAC, credential

UNIT = "noroshi-bench.service"
SPACE = "bench"  # the namespace of the control socket
DRIVER = "e1000"  # blacklisted, so that nothing but the script brings it
KERNEL_ARGS = (
    "systemd.import_credentials=yes",
    f"systemd.wants={UNIT}",
    f"modprobe.blacklist={DRIVER},mac80211_hwsim",
    "console=ttyS0",
)

UNIT_TEXT = """\
[Unit]
Description=From outside: a shell for the test
DefaultDependencies=no
After=systemd-udevd.service systemd-tmpfiles-setup-dev.service
Before=noroshi-block.service network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
ImportCredential=bench.*
ExecStart=/bin/sh ${CREDENTIALS_DIRECTORY}/bench.script
StandardOutput=journal+console
StandardError=journal+console
"""

SCRIPT = f"""\
set -eu
umask 077
mkdir -p /run/{SPACE} /run/sshd
cp "$CREDENTIALS_DIRECTORY/bench.host" "$CREDENTIALS_DIRECTORY/bench.keys" /run/{SPACE}/
ip netns add {SPACE}
modprobe {DRIVER}
find_it() {{
    for link in /sys/class/net/*; do
        if [ "$(cat "$link/address" 2>/dev/null)" = "$1" ]; then basename "$link"; fi
    done
}}
# take ADDRESS NAMESPACE NAME: the socket of that address, as soon as its driver has found it.
take() {{
    tries=0
    until link=$(find_it "$1") && [ -n "$link" ] && ip link set "$link" netns "$2" name "$3"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ]
        sleep 0.1
    done
}}
take {CONTROL_MAC} {SPACE} bench0
ip -n {SPACE} address add {CONTROL_ADDRESS}/24 dev bench0
ip -n {SPACE} link set bench0 up
ip -n {SPACE} link set lo up
cat >/run/{SPACE}/sshd_config <<TEXT
ListenAddress {CONTROL_ADDRESS}
HostKey /run/{SPACE}/bench.host
AuthorizedKeysFile /run/{SPACE}/bench.keys
PidFile /run/{SPACE}/sshd.pid
StrictModes no
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxSessions 64
TEXT
umask 022
nsenter --net=/run/netns/{SPACE} -- /usr/sbin/sshd -f /run/{SPACE}/sshd_config
%s
echo 'bench: ready'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What both ends of the shell need: the guest's host key and ours, made for one run."""

    ours: Path
    known_hosts: Path
    credentials: tuple[tuple[str, Path], ...]


def make(folder: Path, port: int, *more: str) -> Keys:
    """Keys and credentials in `folder`; `more` are further lines of the script."""
    for name in ("ours", "host"):
        (folder / name).unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(folder / name))
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    handed_in = {
        f"systemd.extra-unit.{UNIT}": UNIT_TEXT.encode(),
        "bench.script": (SCRIPT % "\n".join(more)).encode(),
        "bench.host": (folder / "host").read_bytes(),
        "bench.keys": (folder / "ours.pub").read_bytes(),
    }
    written = []
    for name, content in handed_in.items():
        path = folder / f"{name}.smbios"
        path.write_text(credential(name, content))
        written.append((name, path))
    return Keys(ours=folder / "ours", known_hosts=known, credentials=tuple(written))


def kernel_args(*more: str) -> str:
    """What the kernel is told besides."""
    return " ".join((*KERNEL_ARGS, *more))


def args_file(*more: str) -> bytes:
    """`noroshi.args`: an environment block of GRUB."""
    return environment({"args": kernel_args(*more)})


def radios(count: int, *, channels: int = 0) -> tuple[str, ...]:
    """Script lines: so many simulated radios, of which the box keeps the first; the others' stations live in
    namespaces station1, station2, … `channels=1`: a radio stands on one channel at a time."""
    lines = [f"modprobe mac80211_hwsim radios={count}" + (f" channels={channels}" if channels else "")]
    for number in range(1, count):
        lines += [
            f"ip netns add station{number}",
            f"iw phy phy{number} set netns name station{number}",
            f"ip -n station{number} link set lo up",
        ]
    return tuple(lines)
