"""The kernel's own WireGuard and CAKE, measured in the guest by the benchmarks that everybody else has, too.

The image has no compiler, no iperf3, no desktop: this machine's root file system is lent to the guest, read-only with a
layer in memory above it, and the benchmark runs in there, in namespaces of its own, on the image's kernel.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from scripts.exercise import topology
from scripts.exercise.machines import CLONE
from tests.vm.outcome import Number
from tests.vm.stage import BOOT, Stage

MODULES = (
    *(
        "9p",
        "9pnet_virtio",
        "overlay",
        "veth",
        "bridge",
        "tun",
        "wireguard",
        "ifb",
        "nf_tables",
        "nft_masq",
        "nft_chain_nat",
    ),
    *(
        "sch_cake",
        "sch_netem",
        "sch_tbf",
        "sch_htb",
        "sch_fq_codel",
        "sch_ingress",
        "act_mirred",
        "cls_matchall",
        "cls_u32",
    ),
)
ROOT, ABOVE = "/run/lent", "/run/above"
PACE = 25  # an emulated processor on a shared machine
PAIRS = 9  # whatever else the machine does comes and goes within seconds: the median of many
LEND = f"""\
set -e
for module in {" ".join(MODULES)}; do modprobe -q $module || echo "no $module"; done
mkdir -p /run/host {ABOVE} {ROOT}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /run/host
mount -t tmpfs -o mode=755,size=1G tmpfs {ABOVE}
mkdir -p {ABOVE}/upper {ABOVE}/work
mount -t overlay -o lowerdir=/run/host,upperdir={ABOVE}/upper,workdir={ABOVE}/work lent {ROOT}
for x in run tmp var/tmp; do mount -t tmpfs -o mode=1777,size=512M tmpfs {ROOT}/$x; done
mount -t proc proc {ROOT}/proc
mount -t sysfs sysfs {ROOT}/sys
mount --rbind /dev {ROOT}/dev
mkdir -p {ROOT}{CLONE}
mount --bind /run/host{CLONE} {ROOT}{CLONE}
echo lent
"""


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.cables, site.plugged = ("eth0",), ()
        topology.up(site.place)
        disk = stage.layer("speed")
        site.prepare_box(stage.hardware(disk, memory=3072, share=Path("/")))
        site.power_on()
        site.guest.wait_for_shell(BOOT)
        # The box itself would only take processor time from what is measured.
        site.guest.tell("systemctl", "stop", "noroshi.service", "noroshi-screen.service", timeout=120)
        stage.tell(site.guest.succeed("sh", "-c", LEND, timeout=180).strip())
        for name, runs in (("throughput", PAIRS), ("responsiveness", 1)):
            told, found = measure(stage, site.guest, name, runs)
            stage.check(f"{name} was measured to its end", bool(found["figures"]))
            note(stage, name, found)
        stage.check("CAKE held the narrow lines", "held by CAKE" in told and "held by HTB" not in told)


def measure(stage: Stage, guest: Any, name: str, runs: int) -> tuple[str, dict[str, Any]]:
    """What it said, and its figures."""
    out = f"/tmp/{name}.json"
    python = os.path.realpath(CLONE / ".venv") + "/bin/python"
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    settings = (
        f"PYTHONPATH={CLONE}",
        "PYTHONDONTWRITEBYTECODE=1",
        f"NOROSHI_PACE={PACE}",
        "HOME=/root",
        f"PATH={path}",
    )
    bench = (python, "-m", "scripts.benchmarks", name, "--runs", str(runs), "--json", out)
    command = ("env", "-C", str(CLONE), "LANG=C.UTF-8", *settings, *bench)
    code, told = guest.tell("chroot", ROOT, *command, timeout=3600)
    stage.table(f"{name}, in the guest", told.strip()[-6000:])
    if code:
        raise RuntimeError(f"{name} ended with {code}")
    found: dict[str, Any] = json.loads(guest.succeed("cat", f"{ROOT}{out}"))
    (stage.shots / f"{name}.json").write_text(json.dumps(found, indent=1))
    return told, found


def note(stage: Stage, name: str, found: dict[str, Any]) -> None:
    """The figures that have a limit."""
    for x in found["figures"]:
        if x.get("at_least") is not None or x.get("at_most") is not None:
            stage.number(
                Number(
                    what=x["name"],
                    value=round(float(x["median"]), 3),
                    unit=x["unit"],
                    command=f"scripts/bench {name}, in the guest",
                    at_most=x.get("at_most"),
                    at_least=x.get("at_least"),
                )
            )
