"""Noroshi under test: the phases of one box's life in their order, and what can be taken away from it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from scripts.exercise import desk, machines, portal, processes, topology
from scripts.exercise.dhcp import Client, Lease
from scripts.exercise.namespaces import set_sysctl
from scripts.exercise.place import started_at
from scripts.exercise.processes import Running, run, within
from tests.net import air
from tests.net.leaks import lan, volley
from tests.net.leaks.subject import Subject
from tests.net.leaks.volley import NOBODY, ROUTER_LOCAL, Station
from tests.net.leaks.watch import Watch
from tests.net.person import WIZARD, Person
from tests.net.world import CORPORATE, FLEET, HUB, HUB_OUTSIDE, ROUTER, World, eventually

OPEN_PHASES = ("PROTECTED", "DEGRADED")
UNITS = ("web", "courier", "dnsmasq", "wireguard-go", "dhcp-eth0")
COURIER = 64302
START = (
    "from appliance.serve import run_daemon; from appliance.host.clock import MachineClock;"
    " run_daemon(MachineClock(offset={offset!r}))"
)


class Noroshi(Subject):
    name = "Noroshi"
    phases = ("boot", "SETUP", "CONNECTING", "STANDBY", "PROTECTED", "SIGN_IN", "DEGRADED", "BLOCKED")
    ways = MappingProxyType(
        {
            "CONNECTING": "joining, HQ silent",
            "STANDBY": "joined",
            "PROTECTED": "a mission starts",
            "SIGN_IN": "the line asks for a sign-in, HQ allows one",
            "DEGRADED": "signed in, then the line fails",
            "BLOCKED": "revoked while open",
        }
    )

    def __init__(self, world: World) -> None:
        super().__init__(world.place)
        self.world, self.box = world, ""
        self._aiming = threading.Lock()
        self._standing: tuple[str, str] | None = None
        lan.speak_six(world.place)
        lines = [(world.namespace(x), "lan0") for x in ("router-a", "router-b")]
        self._watch = Watch(lines, [(world.namespace("hq"), "corp0")])

    @property
    def watch(self) -> Watch:
        return self._watch

    def close(self) -> None:
        self._watch.close()
        self._no_portal()
        for machine in ("laptop", "phone"):
            lan.unplug(self.place, machine)
        lan.forget_six(self.place)
        run("ip", "-n", self.world.namespace("internet"), "link", "set", "hq0", "up")

    # ------------------------------------------------------------------------------------- who fires

    def stations(self) -> tuple[Station, ...]:
        with self._aiming:
            address, gateway = self._standing or self.laptop_address
            lan.aim(self.place, "laptop", address, gateway, self.lan_mac or self.deaf_mac)
        found = [volley.from_laptop(self.place.namespace("laptop"))]
        found += volley.from_box(self.place.namespace("box"), (NOBODY, 0), ("eth0", "usb0"))
        if self.has_field():
            links = (self.tunnel, "lan0")
            found += volley.from_box(self.place.namespace("field"), (NOBODY, COURIER), links, behind=True)
        return tuple(found)

    @property
    def laptop_address(self) -> tuple[str, str]:
        """In HQ's network once there is one, and in the wizard's before."""
        lan_of = self.world.status().get("lan") or self._lan
        self._lan = lan_of
        return ("10.86.86.40/26", WIZARD) if not lan_of else addresses_in(lan_of)

    _lan = ""

    @contextmanager
    def standing(self, address: str, gateway: str) -> Iterator[None]:
        """The laptop has this address meanwhile, also for whoever lets it fire."""
        with self._aiming:
            self._standing = (address, gateway)
            lan.aim(self.place, "laptop", address, gateway, self.lan_mac)
        try:
            yield
        finally:
            self._standing = None

    def look(self) -> None:
        told = self.world.status()
        said = f"{told['phase']} {told['reason']}" if told else "nobody at the door"
        if not self.seen or self.seen[-1] != said:
            self.seen.append(said)

    @property
    def tunnel(self) -> str:
        return f"{self.place.prefix}-wg"

    @property
    def lan_mac(self) -> str:
        return volley.mac_of(self.place.namespace("field"), "lan0")

    @property
    def deaf_mac(self) -> str:
        box = self.place.namespace("box")
        return volley.mac_of(box, "br-lan") or volley.mac_of(box, "port1")

    @property
    def tunnel_address(self) -> str:
        return str(self.world.newest_box()["tunnel_address"])

    @property
    def uplink_address(self) -> str:
        """Of whichever line has one."""
        return next(
            (str(x["address"]) for x in self.world.status()["uplinks"] if x["address"]), "192.168.1.50"
        )

    def lines(self) -> list[str]:
        """The uplinks that have an address."""
        return [str(x["link"]) for x in self.world.status().get("uplinks", []) if x["address"]]

    def uses(self, link: str) -> bool:
        return any(x["link"] == link and x["active"] for x in self.world.status().get("uplinks", []))

    # ------------------------------------------------------------------------------------ its phases

    def restart(self) -> None:
        self._no_portal()
        self.world.unhush_desk()
        self.world.forget()
        run("ip", "-n", self.world.namespace("internet"), "link", "set", "hq0", "up")
        self.box, self._lan, self._standing = "", "", None

    def step(self, phase: str) -> None:
        {
            "boot": self._boot,
            "SETUP": self._setup,
            "CONNECTING": self._connecting,
            "STANDBY": self._standby,
            "PROTECTED": self._protected,
            "SIGN_IN": self.sign_in,
            "DEGRADED": self._degraded,
            "BLOCKED": self._blocked,
        }[phase]()

    def _boot(self) -> None:
        """`noroshi block`, as the image's first unit runs it; then a network that somebody else sets up in the way
        that is worst for us: addresses, default routes, forwarding."""
        self.block()
        self.foreign_network()

    def block(self) -> None:
        said = self.world.cli("box", "block")
        assert said.returncode == 0, said.stderr

    def foreign_network(self) -> None:
        topology.plug(self.place, "a")
        box = self.place.namespace("box")
        for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            set_sysctl(box, key, "1")
        for line in (
            "link set eth0 up",
            "link set port1 up",
            "address replace 192.168.1.50/24 dev eth0",
            "address replace 10.86.86.1/26 dev port1",
            f"route replace default via {ROUTER} dev eth0",
            "-6 address replace 2001:db8:1::50/64 dev eth0 nodad",
            f"-6 route replace default via {ROUTER_LOCAL} dev eth0",
        ):
            run("ip", "-n", box, *line.split())

    def _setup(self) -> None:
        self.world.power_on()
        self.world.until_line()
        self.world.until("SETUP")

    def _connecting(self) -> None:
        """A ticket, and HQ cannot be reached."""
        run("ip", "-n", self.world.namespace("internet"), "link", "set", "hq0", "down")
        self.world.join(self.world.ticket(mission=None))
        self.world.until("CONNECTING")

    def _standby(self) -> None:
        run("ip", "-n", self.world.namespace("internet"), "link", "set", "hq0", "up")
        self.world.until("STANDBY", patience=30)
        self.box = str(self.world.newest_box()["name"])

    def _protected(self) -> None:
        """Open for any laptop: the widest that HQ can open, so that no probe is refused for the wrong reason."""
        self.world.start_mission(self.box)
        self.world.ask_hub("emergency", box=self.box, hours=1)
        eventually("the emergency", lambda: self.world.status()["any_laptop_until"] > 0, patience=25)
        self.world.until("PROTECTED", patience=30)
        self.world.settled()

    def sign_in(self) -> None:
        """The line in use shows everybody its page, and one phone may pass it."""
        self.world.ask_hub("set-policy", box=self.box, changes={"sign_in": True})
        eventually(
            "the permission", lambda: self.world.config()["assignment"]["policy"]["sign_in"], patience=25
        )
        self.phone()
        portal.hold(self.place, "a")
        eventually("captive", lambda: self.world.status().get("reason") == "line-captive", patience=40)
        person = Person(self.place)
        assert person.press("/sign-in")[0] == 303
        self.world.until("SIGN_IN", "signing-in")
        eventually("the way out", self.hole_is_open)

    def mended_hole(self) -> None:
        """Somebody signs in again, if what happened has closed the way."""
        if self.world.status().get("phase") != "SIGN_IN":
            self.sign_in()
        eventually("the way out", self.hole_is_open, patience=15)

    def phone(self) -> Lease:
        """The one phone, as any phone comes: by DHCP."""
        client = Client(self.place, "phone")
        running = processes.recorded(self.place, "phone-dhcp")
        if running is None or not running.alive:
            client.start()
        return client.wait(FLEET, patience=20)

    def hole_is_open(self, machine: str = "phone") -> bool:
        """Asked towards HQ's own address, whose greeting may leave anyway: nobody fires at that one."""
        return air.tcp(self.place.namespace(machine), HUB_OUTSIDE, 80) == "open"

    def _no_portal(self) -> None:
        portal.release(self.place, "a")
        Client(self.place, "phone").stop()

    def _degraded(self) -> None:
        """The first line is plugged in and dead; the second one carries."""
        topology.plug(self.place, "b")
        eventually("two lines", lambda: len(self.lines()) == 2)
        topology.blackhole(self.place, "a")
        self.world.until("DEGRADED", "spare-uplink", patience=20)

    def _blocked(self) -> None:
        self.world.ask_hub("revoke", box=self.box)
        self.world.until("BLOCKED", "revoked", patience=25)
        topology.heal(self.place, "a")

    # ------------------------------------------------------------------- what can be taken away from it

    def flush(self, which: str) -> None:
        for machine in (which,) if which else ("field", "box"):
            self.world.inside(machine, "nft", "flush", "ruleset", check=False)

    def delete_tunnel(self) -> None:
        run("ip", "-n", self.place.namespace("field"), "link", "del", self.tunnel)

    def kill_tunnel(self) -> None:
        self.kill("wireguard-go")

    def kill(self, *units: str) -> None:
        found = [x for x in (self.world.unit(y) for y in units) if x is not None]
        assert found, f"none of {units} runs"
        processes.finish(found, patience=0.0)

    def renew(self) -> None:
        self.kill("dhcp-eth0")
        eventually("a DHCP client", lambda: self.world.unit("dhcp-eth0"))
        time.sleep(0.5)

    def kill_daemon(self) -> None:
        processes.finish((self.world.daemon(),), patience=0.0)

    def kill_everything(self) -> None:
        """Every process in both namespaces, the daemon first."""
        self.kill_daemon()
        for machine in ("box", "field"):
            pids = run("ip", "netns", "pids", self.place.namespace(machine), check=False).split()
            processes.finish([Running(int(x), started_at(int(x))) for x in pids], patience=0.0)

    def start_daemon(self, offset: float = 0.0) -> None:
        """What systemd would do. `offset`: by how much its clock is wrong; the kernel's is left alone."""
        if not offset:
            machines.power_on(self.place, "box")
        else:
            machine = machines.table(self.place)["box"]
            argv = (machines.python(), "-c", START.format(offset=offset))
            processes.start(
                self.place,
                "box",
                within(self.place.namespace("box"), argv, mounts=False),
                env=machines.environment(self.place, machine),
            )
        machines.wait_for_door(self.place, "box")

    @contextmanager
    def daemon_asleep(self) -> Iterator[None]:
        """What is taken away is not put back meanwhile."""
        daemon = processes.recorded(self.place, "box")
        if daemon is None or not daemon.alive:
            yield
            return
        processes.signal_to(daemon, signal.SIGSTOP)
        try:
            yield
        finally:
            processes.signal_to(daemon, signal.SIGCONT)

    def mended(self) -> None:
        """In its phase again, all rules and programs there, and nothing left to do."""
        if self.phase in ("", "boot"):
            return
        self.world.until(self.phase, patience=30)
        eventually("the programs", lambda: all(self.world.unit(x) for x in self.programs()), patience=20)
        eventually("the rules", self._ruled, patience=15)
        if self.phase in OPEN_PHASES:
            laptop = self.place.namespace("laptop")
            eventually("the desktop", lambda: air.tcp(laptop, desk.ADDRESS, desk.PORT) == "open", patience=20)

    def programs(self) -> tuple[str, ...]:
        tunnelled = self.phase not in ("boot", "SETUP", "BLOCKED")
        return tuple(x for x in UNITS if tunnelled or x != "wireguard-go")

    def _ruled(self) -> bool:
        return all(
            self.world.inside(x, "nft", "list", "ruleset", check=False).count("policy drop") >= 3
            for x in ("field", "box")
        )

    # ----------------------------------------------------------------------------------- what it opens

    def opens_what_it_should(self) -> None:
        """The desktop in the open phases, and the box's own page; in the others no desktop, and never anything else,
        from whichever of the LAN's networks."""
        if self.phase == "boot":
            return
        laptop = self.place.namespace("laptop")
        for address, gateway in {("10.86.86.40/26", WIZARD), self.laptop_address}:
            with self.standing(address, gateway):
                self._reaches_what_it_should(laptop, address)

    def _reaches_what_it_should(self, laptop: str, address: str) -> None:
        assert air.tcp(laptop, WIZARD, 80) == "open", "the pages"
        may = self.phase in OPEN_PHASES and not address.startswith("10.86.")
        reached = air.tcp(laptop, desk.ADDRESS, desk.PORT, 1.0)
        assert (reached == "open") == may, f"the desktop is {reached} from {address}"
        for host, port in ((HUB, 22), (HUB, 8470), (CORPORATE, 8080), (desk.ADDRESS, 445), (ROUTER, 80)):
            reached = air.tcp(laptop, host, port, 0.3)
            assert reached not in air.PASSES, f"{host}:{port} is {reached} from {address}"
        for host in (HUB, CORPORATE, desk.ADDRESS):
            assert air.ping(laptop, host, 0.2) != "answered", f"{host} answers {address}"


def addresses_in(network: str) -> tuple[str, str]:
    """A laptop's address that no lease holds, and the box's."""
    base, length = network.split("/")
    head, last = base.rsplit(".", 1)
    return f"{head}.{int(last) + 50}/{length}", f"{head}.{int(last) + 1}"
