"""The Wi-Fi: laptops on simulated radios join as they may, reach the box and not one another; somebody's Wi-Fi is a line,
with a radio of its own and beside the access point on one radio, where a forbidden channel is refused in words. Outdoors
on 5 GHz a radar drives it away, and no country but Japan counts (radio_law.py).
"""

from __future__ import annotations

from appliance.core.air import W52
from appliance.core.model import Security
from appliance.hub.preparing import Wanted, prepare
from tests.vm import control, radio_law
from tests.vm.air import Network
from tests.vm.field import Site
from tests.vm.stage import BOOT, PATIENCE, Stage, until_phase
from tests.vm.station import HALL, HALL_NETWORK, ONE, TWO, Station
from tests.vm.wifi_box import address_of, join_as_line, own_network, until, wished

RADIOS = 4  # the box's own, two laptops', and a hall's; the second laptop's becomes the box's second one
FIELD = "10.86.86."
WRONG = 30.0  # seconds until a wrong key counts as refused


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
        radio_law.outdoors(stage, site, own)
        radio_law.abroad(stage, site)
        one_radio(stage, site)
        two_radios(stage, site)
        wpa3_alone(stage, site)


def on_the_air(stage: Stage, site: Site) -> Network:
    told = until(site, "the access point", lambda x: x["wifi"]["on"])
    stage.check("the access point is on the air", told["wifi"]["on"], f"channel {told['wifi']['channel']}")
    country = site.guest.succeed("iw", "reg", "get")
    stage.check("the radios obey Japan's rules", "country JP" in country, country.split("\n")[1][:40])
    port = site.guest.succeed("bridge", "-d", "link", "show", "dev", told["wifi"]["link"])
    stage.check("its port stands alone in the bridge", "isolated on" in port)
    return own_network(site)


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


def wpa3_alone(stage: Stage, site: Site) -> None:
    """The same box with another personal file, of HQ's making: laptops that have no WPA3 stay out."""
    card = prepare(Wanted(serial="nrs-wpa3", security=Security.WPA3), "2026-11-23").card
    site.guest.succeed("sh", "-c", "mkdir -p /run/dropped; cat >/run/dropped/noroshi.card", text=card)
    site.guest.succeed("noroshi", "card", "take", "--from", "/run/dropped", timeout=180)
    site.guest.succeed("systemctl", "restart", "noroshi", timeout=180)
    now = until(site, "WPA3", lambda x: x["wifi"]["on"] and x["wifi"]["security"] == "wpa3")["wifi"]
    stage.check("by its card: WPA3 and nothing else", now["on"] and now["security"] == "wpa3")
    own, one = own_network(site), Station(site.guest, ONE)
    old = Network(ssid=own.ssid, passphrase=own.passphrase, kind="WPA-PSK")
    stage.check("WPA3 alone: a laptop that has WPA2 only is refused", not one.joins(old, patience=WRONG))
    told = one.joins(Network(ssid=own.ssid, passphrase=own.passphrase, kind="SAE"))
    stage.check("WPA3 alone: one that has WPA3 joins", told.get("key_mgmt") == "SAE" and told.get("pmf", "0") != "0", str(told.get("pmf")))  # fmt: skip
    one.leave()
