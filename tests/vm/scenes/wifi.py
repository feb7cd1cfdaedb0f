"""The Wi-Fi: laptops on simulated radios join as they may, reach the box and not one another; somebody's Wi-Fi is a line,
with a radio of its own and beside the access point on one radio, where a forbidden channel is refused in words.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from appliance.control import Refused, Unreachable, ask
from appliance.core.air import W52
from scripts.exercise import machines
from tests.vm import air, control
from tests.vm.air import Network
from tests.vm.field import Site
from tests.vm.guest import Guest, NoAnswer
from tests.vm.stage import BOOT, PATIENCE, Stage, until_phase

RADIOS = 4  # the box's own, two laptops', and a hall's; the second laptop's becomes the box's second one
ONE, TWO, HALL = "station1", "station2", "station3"
FIELD = "10.86.86."
HALL_NETWORK = Network(ssid="hall", passphrase="hall-hall-hall", kind="WPA-PSK")
HALL_ADDRESS = "192.168.77.1"
JOINS = 90.0  # seconds for a station under emulation

BUSY = 5  # tries
WRONG = 30.0  # seconds until a wrong key counts as refused

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

    def opens(self, channel: int, *more: str, network: Network = HALL_NETWORK) -> None:
        """An access point of somebody else, with addresses."""
        self.leave()
        link = self.link
        text = ACCESS_POINT.format(
            link=link,
            ssid=network.ssid,
            passphrase=network.passphrase,
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


def play(stage: Stage) -> None:
    with stage.site() as site:
        site.up(stage.tell, browser=False)
        site.prepare_box(stage.hardware(stage.layer("wifi")), *control.radios(RADIOS, channels=1))
        site.power_on()
        site.guest.wait_for_shell(BOOT)
        until_phase(site, "SETUP", patience=PATIENCE)
        own = on_the_air(stage, site)
        laptops(stage, site, own)
        apart(stage, site, own)
        indoors(stage, site, own)
        one_radio(stage, site)
        two_radios(stage, site)


def status(site: Site) -> dict[str, Any]:
    """What the box says of itself; {} where it is silent. A turn takes seconds on an emulated processor."""
    try:
        return ask(machines.door(site.place, "box"), {"ask": "status"}, timeout=30.0)
    except (Unreachable, Refused):
        return {}


def until(site: Site, what: str, good: Any, patience: float = PATIENCE) -> dict[str, Any]:
    """The box's status once it is as wished; the last one that it told where it never is. A starved machine is silent
    now and then."""
    deadline = time.monotonic() + patience
    told = status(site)
    while not (told and good(told)) and time.monotonic() < deadline:
        time.sleep(1.0)
        told = status(site) or told
    if not told:
        raise NoAnswer(f"no status while waiting for {what}")
    return told


def on_the_air(stage: Stage, site: Site) -> Network:
    told = until(site, "the access point", lambda x: x["wifi"]["on"])
    stage.check("the access point is on the air", told["wifi"]["on"], f"channel {told['wifi']['channel']}")
    country = site.guest.succeed("iw", "reg", "get")
    stage.check("the radios obey Japan's rules", "country JP" in country, country.split("\n")[1][:40])
    port = site.guest.succeed("bridge", "-d", "link", "show", "dev", told["wifi"]["link"])
    stage.check("its port stands alone in the bridge", "isolated on" in port)
    own = json.loads(site.guest.succeed("noroshi", "identity", "--show", "--json"))
    return Network(ssid=own["ssid"], passphrase=own["passphrase"])


def laptops(stage: Stage, site: Site, own: Network) -> None:
    one, two = Station(site.guest, ONE), Station(site.guest, TWO)
    wrong = Network(ssid=own.ssid, passphrase="not-the-key-1", kind="SAE")
    stage.check("a wrong key is refused (WPA3)", not two.joins(wrong, patience=WRONG))
    wrong = Network(ssid=own.ssid, passphrase="not-the-key-1", kind="WPA-PSK")
    stage.check("a wrong key is refused (WPA2)", not two.joins(wrong, patience=WRONG))
    told = one.joins(Network(ssid=own.ssid, passphrase=own.passphrase, kind="WPA-PSK"))
    stage.check("a laptop joins by WPA2", "PSK" in told.get("key_mgmt", ""), told.get("key_mgmt", ""))
    told = two.joins(Network(ssid=own.ssid, passphrase=own.passphrase, kind="SAE"))
    protected = told.get("key_mgmt") == "SAE" and told.get("pmf", "0") != "0"
    stage.check("another one by WPA3, with protected frames", protected, told.get("key_mgmt", ""))


def apart(stage: Stage, site: Site, own: Network) -> None:
    one, two = Station(site.guest, ONE), Station(site.guest, TWO)
    here, there = one.address(), two.address()
    given = here.startswith(FIELD) and there.startswith(FIELD)
    stage.check("both get addresses from the field", given, f"{here} {there}")
    stage.check("a laptop reaches the box's page", one.reaches(f"{FIELD}1"))
    stage.check("and not the other laptop", bool(there) and not one.reaches(there))
    hall = Station(site.guest, HALL)
    hall.opens(6)
    one.joins(HALL_NETWORK)
    two.joins(HALL_NETWORK)
    one.address()
    there = two.address()
    stage.check("(guard) on anybody else's access point they reach each other", one.reaches(there), there)
    for x in (one, two, hall):
        x.leave()


def indoors(stage: Stage, site: Site, own: Network) -> None:
    """Somebody says that the box stands indoors and wishes for 5 GHz; then that it does not."""
    wished(site, "--indoors", "--band", "5")
    now = until(site, "5 GHz", lambda x: x["wifi"]["on"] and x["wifi"]["channel"] in W52)["wifi"]
    stage.check("indoors, 5 GHz: the access point is in W52", now["on"] and now["channel"] in W52, str(now["channel"]))  # fmt: skip
    told = Station(site.guest, ONE).joins(own)
    stage.check("and a laptop joins it there", told.get("freq", "").startswith("5"), told.get("freq", ""))
    Station(site.guest, ONE).leave()
    wished(site, "--outdoors", "--band", "2.4")
    now = until(site, "2.4 GHz", lambda x: x["wifi"]["on"] and x["wifi"]["channel"] <= 13)["wifi"]
    stage.check("outdoors it leaves W52", now["on"] and now["channel"] not in W52, str(now["channel"]))


def one_radio(stage: Stage, site: Site) -> None:
    """The access point and the line share the box's only radio, which stands on one channel at a time."""
    hall = Station(site.guest, HALL)
    before = until(site, "the channel", lambda x: x["wifi"]["on"])["wifi"]["channel"]
    channel = 13 if before != 13 else 1
    hall.opens(channel)
    join_as_line(site)
    told = until(site, "the line", lambda x: x["wifi_line"]["state"] == "joined" and address_of(x))
    stage.check("one radio: somebody's Wi-Fi becomes a line", bool(address_of(told)), address_of(told))
    names = [x["ssid"] for x in told["uplinks"] if x["kind"] == "wifi" and x["address"]]
    stage.check("one radio: and is known by its name", names == [HALL_NETWORK.ssid], " ".join(names))
    now = until(site, "the channel", lambda x: x["wifi"]["on"])["wifi"]
    stage.check("one radio: the access point follows its channel", now["channel"] == channel and now["on"], f"{before} → {now['channel']}")  # fmt: skip
    hall.opens(36)
    told = until(site, "the refusal", lambda x: x["wifi_line"]["state"] == "channel")
    said = [x["refused"]["number"] for x in told["uplinks"] if x["refused"]]
    stage.check("one radio: a channel that is forbidden here is refused in words", said == ["2-28"], told["wifi_line"]["words"]["ja"])  # fmt: skip
    now = until(site, "the access point", lambda x: x["wifi"]["on"])["wifi"]
    stage.check("one radio: and the access point stays where it may be", now["on"] and now["channel"] <= 13, str(now["channel"]))  # fmt: skip


def two_radios(stage: Stage, site: Site) -> None:
    """A second radio is given to the box while it runs: the line is free to be anywhere."""
    inside = Station(site.guest, TWO)
    phy = site.guest.succeed("sh", "-c", "ls /sys/class/ieee80211", space=TWO).split()[0]
    inside.leave()
    site.guest.succeed("iw", "phy", phy, "set", "netns", "1", space=TWO)
    told = until(site, "the line", lambda x: x["wifi_line"]["state"] == "joined" and address_of(x))
    line = next((x for x in told["uplinks"] if x["kind"] == "wifi" and x["address"]), None)
    stage.check("two radios: the line joins on 5 GHz", line is not None, str(line and line["link"]))
    stage.check("two radios: the access point stays on its own channel", told["wifi"]["on"] and told["wifi"]["channel"] <= 13, str(told["wifi"]["channel"]))  # fmt: skip


def join_as_line(site: Site) -> None:
    site.guest.succeed("sh", "-c", "umask 077; cat >/run/key", text=HALL_NETWORK.passphrase)
    wished(site, "--join", HALL_NETWORK.ssid, "--key-file", "/run/key")


def wished(site: Site, *words: str) -> None:
    """Where a turn takes seconds, the daemon may be too busy to hear it the first time."""
    for _ in range(BUSY):
        if site.guest.tell("noroshi", "wifi", *words, timeout=180)[0] == 0:
            return
    site.guest.succeed("noroshi", "wifi", *words, timeout=180)


def address_of(told: dict[str, Any]) -> str:
    return next((str(x["address"]) for x in told["uplinks"] if x["kind"] == "wifi" and x["address"]), "")
