"""A person's device on the box's Wi-Fi: a simulated radio in a namespace of the guest, which shares its connection with
a namespace of the exercise, so that the exercise's own phone, with its browser, is on the air.

    phone (exercise) ── cable ── station1 (guest): DHCP, masquerade ── radio ── the box's access point
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from tests.vm import control
from tests.vm.guest import Guest, NoAnswer
from tests.vm.hardware import MAC

SPACE = "station1"
ADDRESS = "02:6e:6f:72:6f:02"  # the station's own: HQ can register it
SHARED = "10.99.0"  # the network between the phone and its radio
FOLDER = f"/run/{SPACE}"
SEEN = "bench: the access point is on the air"
LINK = "wlan-bench"


def lines(number: int) -> tuple[str, ...]:
    """Script lines: two radios, of which the box keeps the first; the guest's socket of this number is not the box's but
    leads to the station; and somebody scans until there is something on the air, and says so."""
    scan = f"ip netns exec {SPACE} iw dev {LINK} scan 2>/dev/null | grep -q '^BSS'"
    return (
        *control.radios(2),
        f"take {MAC.format(number + 1)} {SPACE} cable",
        f"link=$(ip netns exec {SPACE} iw dev | sed -n 's/.*Interface //p')",
        f"ip -n {SPACE} link set $link name {LINK} address {ADDRESS}",
        f"ip -n {SPACE} link set {LINK} up",
        f"(until {scan}; do sleep 1; done; echo '{SEEN}' >/dev/console) &",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    ssid: str
    passphrase: str
    kind: str = "WPA-PSK WPA-PSK-SHA256 SAE"


def configuration(network: Network) -> str:
    """For wpa_supplicant; both names may hold anything, so they are given as octets where the format allows it."""
    quoted = network.passphrase.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"ctrl_interface={FOLDER}/ctl\nsae_pwe=2\nnetwork={{\n"
        f"  ssid={network.ssid.encode().hex()}\n"
        f"  key_mgmt={network.kind}\n"
        f'  psk="{quoted}"\n'
        "  ieee80211w=1\n  scan_ssid=1\n}\n"
    )


LEASE_SCRIPT = f"""\
case $1 in
bound | renew)
    ip address flush dev "$interface"
    ip address add "$ip/${{mask:-24}}" dev "$interface"
    for x in $router; do ip route replace default via "$x" dev "$interface"; done
    printf '{{"address": "%s", "dns": "%s"}}' "$ip" "$dns" >{FOLDER}/lease
    ;;
esac
"""

SHARING = f"""\
table ip sharing {{
  chain leaving {{ type nat hook postrouting priority srcnat; oifname "{LINK}" masquerade; }}
}}
"""


@dataclass(slots=True)
class Station:
    guest: Guest

    def join(self, network: Network, patience: float = 60.0) -> dict[str, str]:
        """Associate, take an address; what the box said. Raises NoAnswer with the supplicant's own words."""
        guest = self.guest
        guest.succeed("mkdir", "-p", FOLDER)
        self._put("wpa.conf", configuration(network))
        self._put("lease-script", "#!/bin/sh\n" + LEASE_SCRIPT)
        self.leave()
        supplicant = (
            "wpa_supplicant",
            "-B",
            "-i",
            LINK,
            "-c",
            f"{FOLDER}/wpa.conf",
            "-P",
            f"{FOLDER}/wpa.pid",
        )
        guest.succeed(*supplicant, "-f", f"{FOLDER}/wpa.log", space=SPACE)
        deadline = time.monotonic() + patience
        while "CTRL-EVENT-CONNECTED" not in self.log():
            if time.monotonic() > deadline:
                raise NoAnswer(f"the station did not join: {self.log()[-600:]}")
            time.sleep(1.0)
        # /run is mounted noexec: the script's own interpreter is named.
        client = (
            "busybox",
            "udhcpc",
            "-b",
            "-i",
            LINK,
            "-p",
            f"{FOLDER}/dhcp.pid",
            "-s",
            f"{FOLDER}/lease-script",
        )
        guest.succeed("mount", "-o", "remount,exec", "/run")
        guest.succeed(*client, space=SPACE, timeout=60)
        while time.monotonic() < deadline + 30:
            code, told = guest.tell("cat", f"{FOLDER}/lease")
            if code == 0 and told.strip():
                lease: dict[str, str] = json.loads(told)
                return lease
            time.sleep(0.5)
        raise NoAnswer("the station got no address")

    def network(self) -> Network:
        """What the box's own sheet says: its name and key, which it made at its first start."""
        told = json.loads(self.guest.succeed("sed", "1d", "/var/lib/noroshi/identity.json"))
        return Network(ssid=told["ssid"], passphrase=told["passphrase"])

    def leave(self) -> None:
        for name in ("dhcp", "wpa"):
            path = f"{FOLDER}/{name}.pid"
            self.guest.tell(
                "sh",
                "-c",
                f"[ ! -s {path} ] || kill $(cat {path}); rm -f {path} {FOLDER}/lease {FOLDER}/{name}.log",
            )

    def share(self, dns: str) -> None:
        """The phone at the other end of the cable gets addresses and names from the station."""
        guest = self.guest
        for line in (f"address replace {SHARED}.1/24 dev cable", "link set cable up"):
            guest.succeed("ip", "-n", SPACE, *line.split())
        guest.succeed("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward", space=SPACE)
        guest.succeed("nft", "-f", "-", text=SHARING, space=SPACE)
        serving = ("dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", f"--server={dns}")
        where = (
            "--no-ping",
            "--bind-interfaces",
            "--interface=cable",
            f"--dhcp-range={SHARED}.100,{SHARED}.200,1h",
        )
        notes = (f"--dhcp-leasefile={FOLDER}/leases", f"--pid-file={FOLDER}/dnsmasq.pid", "--user=root")
        guest.succeed(*serving, *where, *notes, space=SPACE)

    def log(self) -> str:
        return self.guest.tell("cat", f"{FOLDER}/wpa.log")[1]

    def kind(self) -> str:
        """How the connection is protected, as the supplicant says it."""
        told = self.guest.tell("wpa_cli", "-p", f"{FOLDER}/ctl", "-i", LINK, "status", space=SPACE)[1]
        found = dict(x.split("=", 1) for x in told.splitlines() if "=" in x)
        return f"{found.get('key_mgmt', 'unknown')}, protected frames {found.get('pmf', '0')}"

    def _put(self, name: str, content: str) -> None:
        self.guest.succeed(
            "sh", "-c", f"umask 077; cat >{FOLDER}/{name} && chmod 700 {FOLDER}/{name}", text=content
        )
