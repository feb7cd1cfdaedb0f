"""What is used today, on the same cables: a box that forwards a LAN into one WireGuard tunnel by `wg-quick` with its
default route (AllowedIPs 0.0.0.0/0), guarded as its documents say. And a box that is not guarded at all.

* `wg-quick`: the kill switch of wg-quick(8), word for word, and its like for IPv6, which the manual suggests.
* RaspAP's kind: what RaspAP's installer leaves (forward everything, masquerade everything), with the same OUTPUT rule as
  its kill switch.
* RaspAP's firewall: besides, the rules for a WireGuard client of its firewall page (config/iptables_rules.json), which
  forward into the tunnel only.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType

from scripts.exercise import processes, topology
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import Place, started_at
from scripts.exercise.processes import Running, run, within
from tests.net.leaks import lan, volley
from tests.net.leaks.subject import Subject
from tests.net.leaks.volley import NOBODY, ROUTER_LOCAL, Station
from tests.net.leaks.watch import Watch
from tests.net.world import HUB_OUTSIDE, eventually

BOX_LAN, LAPTOP, PHONE = "10.30.0.1", "10.30.0.2", "10.30.0.3"
INSIDE_BOX, INSIDE_HUB = "10.50.0.2", "10.50.0.1"
BOX_SIX, LAPTOP_SIX = "2001:db8:30::1", "2001:db8:30::2"
KILL_SWITCH = tuple(
    f"PostUp = {x} -I OUTPUT ! -o %i -m mark ! --mark $(wg show %i fwmark) -m addrtype ! --dst-type LOCAL -j REJECT"
    for x in ("iptables", "ip6tables")
)
RASPAP_RULES = (
    ("-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"),
    ("-t", "nat", "-A", "POSTROUTING", "-s", "10.30.0.0/24", "!", "-d", "10.30.0.0/24", "-j", "MASQUERADE"),
)
RASPAP_FIREWALL = (
    ("-A", "FORWARD", "-i", "%i", "-o", "br0", "-j", "ACCEPT"),
    ("-A", "FORWARD", "-i", "%i", "-o", "%i", "-j", "DROP"),
    ("-A", "FORWARD", "-i", "br0", "-o", "%i", "-j", "ACCEPT"),
    ("-A", "FORWARD", "-i", "eth+", "-o", "%i", "-j", "ACCEPT"),
    ("-A", "FORWARD", "-i", "%i", "-o", "eth+", "-j", "ACCEPT"),
    ("-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"),
    ("-P", "FORWARD", "DROP"),
)
RASPAP_UP = (
    "PostUp = iptables -A FORWARD -i br0 -o %i -j ACCEPT",
    "PostUp = iptables -A FORWARD -i %i -o br0 -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "PostUp = iptables -t nat -A POSTROUTING -o %i -j MASQUERADE",
)
ROUTES = Path(__file__).with_name("udhcpc-routes")


class Contender(Subject):
    phases: tuple[str, ...] = ("boot", "PROTECTED", "CONNECTING")
    ways = MappingProxyType({"CONNECTING": "HQ silent"})
    guarded: tuple[str, ...] = ()
    rules: tuple[tuple[str, ...], ...] = ()

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.rules = tuple(tuple(x.replace("%i", self.tunnel) for x in rule) for rule in self.rules)
        self._watch: Watch | None = None
        self._keys: dict[str, str] = {}

    @property
    def watch(self) -> Watch:
        assert self._watch is not None
        return self._watch

    # ------------------------------------------------------------------------------------- who fires

    def stations(self) -> tuple[Station, ...]:
        lan.aim(self.place, "laptop", f"{LAPTOP}/24", BOX_LAN, self.lan_mac)
        run("ip", "-n", self.place.namespace("laptop"), "-6", "address", "replace", f"{LAPTOP_SIX}/64",
            "dev", "eth0", "nodad", check=False)  # fmt: skip
        return (
            volley.from_laptop(self.place.namespace("laptop")),
            *volley.from_box(self.place.namespace("box"), (NOBODY,), ("eth0",)),
        )

    @property
    def lan_mac(self) -> str:
        return volley.mac_of(self.place.namespace("box"), "br0")

    @property
    def deaf_mac(self) -> str:
        return self.lan_mac

    @property
    def tunnel(self) -> str:
        return f"{self.place.prefix[:9]}-b"

    @property
    def tunnel_address(self) -> str:
        return INSIDE_BOX

    @property
    def uplink_address(self) -> str:
        said = run("ip", "-n", self.place.namespace("box"), "-4", "-o", "address", "show", "dev", "eth0")
        return said.split("inet ")[1].split("/")[0]

    # ------------------------------------------------------------------------------------ its phases

    def restart(self) -> None:
        self.close()
        topology.up(self.place)
        lan.speak_six(self.place)
        lines = [(self.place.namespace(x), "lan0") for x in ("router-a", "router-b")]
        self._watch = Watch(lines)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        for machine in ("box", "hq"):
            if Path("/run/netns", self.place.namespace(machine)).exists():
                self._end_programs(machine)
        for name in (self.tunnel, f"{self.place.prefix[:9]}-h"):
            Path("/run/wireguard", f"{name}.sock").unlink(missing_ok=True)
        topology.down(self.place)

    def _end_programs(self, machine: str) -> None:
        pids = run("ip", "netns", "pids", self.place.namespace(machine), check=False).split()
        processes.finish([Running(int(x), started_at(int(x))) for x in pids], patience=0.0)

    def step(self, phase: str) -> None:
        if self._watch is None:
            self.restart()
        {"boot": self._boot, "PROTECTED": self._up, "CONNECTING": self._silent}[phase]()

    def _boot(self) -> None:
        """A Debian router before its tunnel's unit ran: forwarding is on, the mobile router gave an address."""
        box = self.place.namespace("box")
        run("ip", "-n", box, "link", "add", "br0", "type", "bridge")
        for link in ("eth0", "br0"):  # a second of asking whether an address is free is a second of no probes
            set_sysctl(box, f"net/ipv6/conf/{link}/accept_dad", "0")
        for line in (
            "link set port1 master br0",
            "link set port2 master br0",
            "link set br0 up",
            "link set port1 up",
            "link set port2 up",
            f"address add {BOX_LAN}/24 dev br0",
            f"-6 address add {BOX_SIX}/64 dev br0 nodad",
            "link set eth0 up",
        ):
            run("ip", "-n", box, *line.split())
        set_sysctl(box, "net/ipv4/ip_forward", "1")
        for rule in self.rules:
            run(*within(box, ("iptables", *rule)))
        topology.plug(self.place, "a")
        eventually("an address", self._renewed, patience=20)

    def _up(self) -> None:
        folder = self.place.folder("plain", mode=0o700)
        run("ip", "-n", self.place.namespace("internet"), "link", "set", "hq0", "up")
        if not self._keys:
            for machine in ("box", "hq"):
                self._keys[machine] = run("wg", "genkey").strip()
        public = {x: run("wg", "pubkey", text=y).strip() for x, y in self._keys.items()}
        guard = "\n".join(self.guarded)
        texts = {
            "hq": (f"{self.place.prefix[:9]}-h", f"[Interface]\nAddress = {INSIDE_HUB}/24\nListenPort = 51820\n"
                   f"PrivateKey = {self._keys['hq']}\n[Peer]\nPublicKey = {public['box']}\n"
                   f"AllowedIPs = {INSIDE_BOX}/32, 10.30.0.0/24\n"),
            "box": (self.tunnel, f"[Interface]\nAddress = {INSIDE_BOX}/24\nPrivateKey = {self._keys['box']}\n"
                    f"{guard}\n[Peer]\nPublicKey = {public['hq']}\nAllowedIPs = 0.0.0.0/0\n"
                    f"Endpoint = {HUB_OUTSIDE}:51820\nPersistentKeepalive = 15\n"),
        }  # fmt: skip
        for machine, (name, text) in texts.items():
            conf = folder / f"{name}.conf"
            conf.touch(mode=0o600)
            conf.write_text(text)
            run(*within(self.place.namespace(machine), ("wg-quick", "up", str(conf)), mounts=False))
        eventually("a handshake", self._shaken, patience=15)

    def _shaken(self) -> bool:
        said = run(*within(self.place.namespace("box"), ("wg", "show", self.tunnel, "latest-handshakes")))
        return not said.rstrip().endswith("\t0")

    def _silent(self) -> None:
        """HQ cannot be reached any more."""
        run("ip", "-n", self.place.namespace("internet"), "link", "set", "hq0", "down")

    # ------------------------------------------------------------------- what can be taken away from it

    def flush(self, which: str) -> None:
        run(*within(self.place.namespace("box"), ("nft", "flush", "ruleset")))

    def delete_tunnel(self) -> None:
        run("ip", "-n", self.place.namespace("box"), "link", "del", self.tunnel)

    def kill_tunnel(self) -> None:
        pids = run("ip", "netns", "pids", self.place.namespace("box"), check=False).split()
        found = [int(x) for x in pids if "wireguard" in Path("/proc", x, "comm").read_text()]
        assert found, "no wireguard-go"
        processes.finish([Running(x, started_at(x)) for x in found], patience=0.0)

    def renew(self) -> None:
        eventually("an address", self._renewed, patience=20)

    def _renewed(self) -> bool:
        argv = ("udhcpc", "-f", "-q", "-n", "-i", "eth0", "-t", "3", "-T", "1",
                "-O", "staticroutes", "-O", "router", "-O", "subnet", "-s", str(ROUTES))  # fmt: skip
        run(*within(self.place.namespace("box"), argv), check=False)
        return "inet " in run("ip", "-n", self.place.namespace("box"), "-4", "address", "show", "dev", "eth0")

    def mended(self) -> None:
        """Nothing mends it: whatever comes next starts anew."""
        time.sleep(0.5)
        self.phase = ""


class Unguarded(Contender):
    """No tunnel and no rule: the probes have to be seen."""

    name = "no protection"
    phases = ("boot",)
    rules = (("-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"),)

    def _boot(self) -> None:
        super()._boot()
        box = self.place.namespace("box")
        set_sysctl(box, "net/ipv6/conf/all/forwarding", "1")
        for line in (
            "address replace 2001:db8:1::50/64 dev eth0 nodad",
            f"route replace default via {ROUTER_LOCAL} dev eth0",
        ):
            run("ip", "-n", box, "-6", *line.split())


class WgQuick(Contender):
    name = "wg-quick, kill switch"
    guarded = KILL_SWITCH


class RaspAp(Contender):
    name = "RaspAP's kind"
    guarded = (*RASPAP_UP, *KILL_SWITCH)
    rules: tuple[tuple[str, ...], ...] = RASPAP_RULES


class RaspApFirewall(RaspAp):
    name = "RaspAP's firewall"
    rules = (*RASPAP_RULES, *RASPAP_FIREWALL)
