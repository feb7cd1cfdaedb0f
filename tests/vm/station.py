"""A radio in a namespace of the guest: a laptop that joins what it is told to, or somebody else's access point."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.vm import air
from tests.vm.air import Network
from tests.vm.guest import Guest

ONE, TWO, HALL = "station1", "station2", "station3"  # two laptops and a hall
HALL_NETWORK = Network(ssid="hall", passphrase="hall-hall-hall", kind="WPA-PSK")
HALL_ADDRESS = "192.168.77.1"
JOINS = 90.0  # seconds for a station under emulation

LEASE = """\
[ "$1" != bound ] || { ip address flush dev "$interface"; ip address add "$ip/${mask:-24}" dev "$interface"; }
"""
ACCESS_POINT = """\
interface={link}
driver=nl80211
ssid={ssid}
country_code=JP
hw_mode={mode}
channel={channel}
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase={passphrase}
{more}
"""


@dataclass(slots=True)
class Station:
    """One radio in a namespace of the guest: a laptop, or a hall's access point."""

    guest: Guest
    space: str
    network: Network = HALL_NETWORK  # what it opens, where it is an access point

    @property
    def link(self) -> str:
        told = self.guest.succeed("iw", "dev", space=self.space)
        return next(x.split()[1] for x in told.splitlines() if x.strip().startswith("Interface"))

    @property
    def folder(self) -> str:
        return f"/run/wifi-{self.space}"

    def put(self, name: str, content: str) -> str:
        path = f"{self.folder}/{name}"
        self.guest.succeed("sh", "-c", f"mkdir -p {self.folder}; cat >{path}", text=content)
        return path

    def leave(self) -> None:
        for name in ("wpa", "hostapd", "dnsmasq"):
            path = f"{self.folder}/{name}.pid"
            self.guest.tell("sh", "-c", f"[ ! -s {path} ] || kill $(cat {path}); rm -f {path}")
        time.sleep(1)

    def joins(self, network: Network, patience: float = JOINS) -> dict[str, str]:
        """What the supplicant says once it is in; {} where it is not let in."""
        self.leave()
        settings = air.configuration(network).replace(air.FOLDER, self.folder)
        supplicant = ("wpa_supplicant", "-B", "-i", self.link, "-c", self.put("wpa.conf", settings))
        self.guest.succeed(*supplicant, "-P", f"{self.folder}/wpa.pid", space=self.space)
        deadline = time.monotonic() + patience
        asked = ("wpa_cli", "-p", f"{self.folder}/ctl", "-i", self.link, "status")
        while time.monotonic() < deadline:
            told = self.guest.tell(*asked, space=self.space)[1]
            found = dict(x.split("=", 1) for x in told.splitlines() if "=" in x)
            if found.get("wpa_state") == "COMPLETED":
                return found
            time.sleep(1.0)
        return {}

    def address(self) -> str:
        """By DHCP; "" where nobody answers."""
        script = self.put("lease", f"#!/bin/sh\n{LEASE}")
        self.guest.succeed("sh", "-c", f"mount -o remount,exec /run; chmod 755 {script}")
        client = ("busybox", "udhcpc", "-q", "-n", "-t", "8", "-i", self.link, "-s", script)
        self.guest.tell(*client, space=self.space, timeout=90)
        told = self.guest.tell("ip", "-4", "-o", "address", "show", "dev", self.link, space=self.space)[1]
        return told.split()[3].split("/")[0] if "inet " in told else ""

    def reaches(self, address: str) -> bool:
        return self.guest.tell("busybox", "ping", "-c", "3", "-W", "5", address, space=self.space)[0] == 0

    def opens(self, channel: int, *more: str) -> None:
        """An access point of somebody else, with addresses."""
        self.leave()
        link = self.link
        text = ACCESS_POINT.format(
            link=link,
            ssid=self.network.ssid,
            passphrase=self.network.passphrase,
            mode="g" if channel <= 14 else "a",
            channel=channel,
            more="\n".join(more),
        )
        path = self.put("hostapd.conf", text)
        self.guest.succeed("hostapd", "-B", "-P", f"{self.folder}/hostapd.pid", path, space=self.space)
        self.guest.succeed("ip", "address", "replace", f"{HALL_ADDRESS}/24", "dev", link, space=self.space)
        serving = (
            "dnsmasq",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--no-ping",
            "--user=root",
        )
        ranges = f"--dhcp-range={HALL_ADDRESS.rpartition('.')[0]}.10,{HALL_ADDRESS.rpartition('.')[0]}.99,1h"
        where = ("--bind-interfaces", f"--interface={link}", "--port=0", ranges)
        notes = (f"--dhcp-leasefile={self.folder}/leases", f"--pid-file={self.folder}/dnsmasq.pid")
        self.guest.succeed(*serving, *where, *notes, space=self.space)
