"""Japan's rules on the air: W56 after a minute's listening and away from a radar, and no other country, whoever says so."""

from __future__ import annotations

import time

from appliance.core.air import W56
from tests.vm.air import Network
from tests.vm.field import Site
from tests.vm.stage import PATIENCE, Stage
from tests.vm.station import HALL, ONE, TWO, Station
from tests.vm.wifi_box import join_as_line, until, wished

LISTENS = 60.0  # seconds before anything is sent in W56 (総務省告示: 気象レーダーの検出, 1分間)
AMERICAN = "vendor_elements=0706555320010b1e"  # element 7: US, channels 1 to 11
RADAR = "mountpoint -q {0} || mount -t debugfs none {0}; echo 1 >{0}/ieee80211/{1}/hwsim/dfs_simulate_radar"
DEBUG = "/sys/kernel/debug"


def country(site: Site) -> str:
    told = site.guest.succeed("iw", "reg", "get").split()
    return told[told.index("country") + 1].strip(":")


def outdoors(stage: Stage, site: Site, own: Network) -> None:
    """5 GHz outdoors is W56, which belongs to weather radars first."""
    wished(site, "--outdoors", "--band", "5")
    now = until(site, "the minute", lambda x: x["wifi"]["number"] == "5-27")["wifi"]
    stage.check("outdoors, 5 GHz: people are told that it listens for radars first", now["number"] == "5-27" and not now["on"], now["words"]["ja"]["what"] if now["words"] else "")  # fmt: skip
    now = until(site, "W56", lambda x: x["wifi"]["on"] and x["wifi"]["channel"] in W56)["wifi"]
    there, took = now["on"] and now["channel"] in W56, listened(site)
    stage.check("outdoors, 5 GHz: it is in W56, after a minute without sending", there and took >= LISTENS, f"{now['channel']} after {took:.0f} s")  # fmt: skip
    told = Station(site.guest, ONE).joins(own)
    stage.check("and a laptop joins it there", told.get("freq", "").startswith("5"), told.get("freq", ""))
    Station(site.guest, ONE).leave()
    phy = site.guest.succeed("cat", f"/sys/class/net/{now['link']}/phy80211/name").strip()
    begun = time.monotonic()
    site.guest.succeed("sh", "-c", RADAR.format(DEBUG, phy))
    now = until(site, "2.4 GHz", lambda x: x["wifi"]["on"] and x["wifi"]["channel"] <= 13)["wifi"]
    left = now["on"] and now["channel"] <= 13 and now["number"] == "5-28"
    stage.check("a radar: the access point leaves for 2.4 GHz", left, f"{now['channel']} after {time.monotonic() - begun:.0f} s")  # fmt: skip
    said = hostapd_said(site)
    heard = [x for x in said if "DFS-RADAR-DETECTED" in x]
    tried = [int(x.split(" chan=")[1].split()[0].strip(",")) for x in said if " chan=" in x]
    stage.check("and on its way it went nowhere but to W56", bool(heard) and bool(tried) and set(tried) <= W56, f"radars {len(heard)}, channels {tried}")  # fmt: skip
    wished(site, "--band", "2.4")


def hostapd_said(site: Site) -> list[str]:
    """Each line behind its moment, seconds since the epoch."""
    return site.guest.tell("journalctl", "--no-pager", "-o", "short-unix", "-u", "noroshi-hostapd")[
        1
    ].splitlines()


def listened(site: Site) -> float:
    """Seconds between hostapd's beginning to listen and its being on the air."""
    said = hostapd_said(site)
    moments = {
        what: float(x.split()[0]) for x in said for what in ("DFS-CAC-START", "AP-ENABLED") if what in x
    }
    return moments.get("AP-ENABLED", 0.0) - moments.get("DFS-CAC-START", 0.0)


def abroad(stage: Stage, site: Site) -> None:
    """A network that says it obeys another country's rules, a root that says so, a channel that Japan forbids."""
    hall = Station(site.guest, HALL)
    before = until(site, "the channel", lambda x: x["wifi"]["on"])["wifi"]["channel"]
    hall.opens(6, AMERICAN)
    join_as_line(site)
    told = until(site, "the refusal", lambda x: x["wifi_line"]["state"] == "country")
    said = [x["refused"]["number"] for x in told["uplinks"] if x["refused"]]
    stage.check("a Wi-Fi of another country is refused in words", said == ["2-29"], told["wifi_line"]["words"]["ja"])  # fmt: skip
    time.sleep(15)
    guests = site.guest.succeed("iw", "dev", hall.link, "station", "dump", space=HALL)
    now = until(site, "the access point", lambda x: x["wifi"]["on"])["wifi"]
    stays = now["on"] and now["channel"] == before and country(site) == "JP"
    stage.check("and not joined: the box stays under Japan's rules, its access point where it was", stays and not guests.strip(), f"{country(site)} {now['channel']}")  # fmt: skip
    guard(stage, site, hall)
    site.guest.succeed("iw", "reg", "set", "US")
    until(site, "Japan", lambda x: x["wifi"]["on"] and country(site) == "JP")
    now = until(site, "the access point", lambda x: x["wifi"]["on"])["wifi"]
    stage.check(
        "told another country by root, the box goes back to Japan's", now["on"] and country(site) == "JP"
    )
    forbidden = site.guest.succeed("sh", "-c", "iw phy | grep -E '(5745|5825)(.0)? MHz'").strip()
    every = [x.strip() for x in forbidden.splitlines()]
    stage.check("no radio may go where Japan forbids it (149, 165)", bool(every) and all("disabled" in x for x in every), every[0])  # fmt: skip


def guard(stage: Stage, site: Site, hall: Station) -> None:
    """Without the box's care: a laptop of the same kernel joins that network, and every radio is American. The box's access
    point is silent for as long, and comes back by itself."""
    laptop = Station(site.guest, TWO)
    laptop.joins(hall.network)
    changed = country(site)
    abroad = changed in ("US", "98")  # the box asked for Japan again already: what both allow
    stage.check("(guard) whoever joins it takes its kernel abroad", abroad, changed)
    now = until(site, "silence", lambda x: not x["wifi"]["on"] and x["wifi"]["number"] == "5-23")["wifi"]
    stage.check("and under another country the box does not send", not now["on"] and now["number"] == "5-23", now["number"])  # fmt: skip
    laptop.leave()
    hall.leave()
    now = until(site, "Japan", lambda x: x["wifi"]["on"], PATIENCE)["wifi"]
    stage.check("once nobody is abroad it is on the air again", now["on"] and country(site) == "JP", country(site))  # fmt: skip
