"""A box and its HQ on two machines in memory, with real roles, real files and real keys. The test is the cable, the
courier and the clock between them, and it pulls plugs."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.core.desktop_profiles import Profile
from appliance.core.enrolment import verify_text
from appliance.core.firewall import boot
from appliance.core.identity import Identity
from appliance.core.lease import Lease
from appliance.core.logbook import Line
from appliance.core.machine import (
    Answer,
    DesktopProbe,
    Firewall,
    HubProbe,
    LineProbe,
    LineState,
    Link,
    Machine,
)
from appliance.core.model import Desktop, HubConfig, Phase, Reason
from appliance.core.plan import ForgetPeers, SetFirewall, Step
from appliance.core.proof import evidence, trials
from appliance.core.radio import Radio
from appliance.core.rdp_file import FileRefused
from appliance.core.words import Refused
from appliance.courier import lay, letters
from appliance.daemon import Bell, Daemon
from appliance.field import FieldRole
from appliance.host import rdp_signature, wireguard
from appliance.host.probe import Target
from appliance.host.profiles import packaged_profiles
from appliance.host.simulated import PowerCut, SimulatedMachine, sockets
from appliance.hub.role import HubRole, write_first_config
from appliance.snapshot import Snapshot, Tools
from tests.daemon.machinery import Slotted
from tests.machines import BOX_MACHINE, ETH0, HQ, HQ_MACHINE, IDENTITY, USB0

ROUTERS = {"eth0": ETH0, "usb0": USB0}


class BoxClock:
    """The box's clock: `error` seconds ahead of HQ's, which is right."""

    def __init__(self, world: World) -> None:
        self._world, self.error = world, 0.0

    def now(self) -> float:
        return self._world.now() + self.error

    def monotonic(self) -> float:
        return self._world.now()

    def set(self, moment: float) -> None:
        self._world.clock_steps.append(moment - self.now())
        self.error = moment - self._world.now()

    def dates_handshakes(self) -> bool:
        return True


def passes(ruleset: str) -> bool:
    """Whether a laptop's packet to any desktop passes this ruleset."""
    there = 'iifname "lan0" oifname "wg0" '
    return any(x.strip().startswith(there) and x.endswith(" accept") for x in ruleset.splitlines())


class World:
    """`tick` lets a second pass: leases, handshakes, echoes, letters, then both loops turn."""

    def __init__(
        self,
        folder: Path,
        machine: Machine = BOX_MACHINE,
        config: HubConfig = HQ,
        radios: tuple[Radio, ...] = (),
        identity: Identity = IDENTITY,
    ) -> None:
        self.identity = identity
        self.ahead = 0.0  # how far this world's time is before the real one
        self.hq_error = 0.0
        self.clock = BoxClock(self)
        self.dated: dict[str, float] = {}  # public key → the newest handshake that HQ's WireGuard remembers
        self._hub_steps = 0
        self.machine = replace(machine, state=str(folder / "box-state"), run=str(folder / "box-run"))
        self.state, self.run = Path(self.machine.state), Path(self.machine.run)
        self.profiles: dict[str, Profile] = packaged_profiles()
        self.plugged: set[str] = set()
        self.internet: set[str] = {"eth0", "usb0"}  # lines behind whose router there is one
        self.answering: dict[str, Answer] = {}  # desktops that do not answer well
        self.reports: list[dict[str, Any]] = []
        self.phases: list[tuple[Phase, Reason]] = []
        self.loaded: set[str] = set()  # every ruleset the field namespace ever had
        self.clock_steps: list[float] = []
        self.rings = 0
        self.journal: list[Line] = []  # what the box's own has to tell
        self.slotted = Slotted(self.now)
        self.software: dict[str, bytes] = {}  # at HQ, by their SHA-256
        self.cut_after: int | None = None  # turns of the box until its plug is pulled
        self._target = Target()
        self._echo = HubProbe()
        self._good_since: dict[str, float] = {}
        self._bells: list[Bell] = []
        for name in ("outbox", "update", "bundle"):
            (self.state / name).mkdir(parents=True)
        self._fresh_run()

        place = replace(HQ_MACHINE, state=str(folder / "hq-state"), run=str(folder / "hq-run"))
        write_first_config(Path(place.state) / "hub.json", config) if self._made(place) else None
        self.hub_machine = SimulatedMachine(place, self.hq_now, "wan0")
        self.hub = HubRole(place, self.profiles, monotonic=self.now, now=self.hq_now)
        self.hub_daemon = Daemon(self.hub_machine, self.hub, self._bell())
        self.hub_daemon.settle()

        self.sim = SimulatedMachine(self.machine, self.clock.now, radios=radios)
        self.switch_on()

    @staticmethod
    def _made(place: Machine) -> bool:
        Path(place.state).mkdir(parents=True)
        return True

    def _bell(self) -> Bell:
        self._bells.append(Bell())
        return self._bells[-1]

    def close(self) -> None:
        for bell in self._bells:
            bell.socket.close()
            bell._far_end.close()

    def now(self) -> float:
        return time.time() + self.ahead

    def hq_now(self) -> float:
        return self.now() + self.hq_error

    # --------------------------------------------------------------------------------- the box's power

    def _fresh_run(self) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        for name in ("outbox", "inbox", "courier", "leases", "dhcp", "seats"):
            (self.run / name).mkdir(parents=True)

    def switch_on(self) -> None:
        """The boot closes the machine, then the daemon starts."""
        for namespace in (self.machine.field, self.machine.outside):
            self.sim.load_by_hand(namespace, boot())
        self.start_daemon()

    def start_daemon(self) -> None:
        self.role = FieldRole(self.machine, self._tools(), self.identity)
        self.daemon = Daemon(self.sim, self.role, self._bell(), self.clock.now, self.clock.monotonic)

    def cut_power(self, *, tear: bool = False) -> None:
        """Off and on again. `tear`: the newest file did not reach the card whole."""
        path = self.state / "config.json"
        if tear and path.exists() and path.with_name("config.json.previous").exists():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self._fresh_run()
        self._target, self._echo = Target(), HubProbe()
        self.sim.lose_power(*self.plugged)
        self.slotted.boot() if self.slotted.here.slot else None
        self.switch_on()

    def _tools(self) -> Tools:
        return Tools(
            new_keys=wireguard.new_box_keys,
            public_of=wireguard.public_of,
            aim=self._aim,
            ring_courier=self._ring,
            prove=self._prove,
            verify_rdp=_is_signed,
            clock=self.clock,
            wake=lambda: None,
            machinery=self.slotted,
            journal=self._take_journal,
        )

    def _aim(self, target: Target) -> None:
        if (target.hub, target.tunnel_key) != (self._target.hub, self._target.tunnel_key):
            self._echo = HubProbe()
        self._target = target

    def _take_journal(self) -> tuple[Line, ...]:
        lines, self.journal = tuple(self.journal), []
        return lines

    def _ring(self) -> None:
        self.rings += 1

    def _prove(self, snapshot: Snapshot, mac: str) -> dict[str, Any]:
        assignment = snapshot.config.assignment
        assert assignment is not None
        tried = trials(assignment, snapshot.allowed, self.profiles, snapshot.uplinks)
        return evidence(((x, x.expected) for x in tried), self.clock.now())

    # ----------------------------------------------------------------------------------------- people

    def plug(self, *links: str) -> None:
        for link in links:
            self.plugged.add(link)
            self.sim.plug(link)

    def unplug(self, link: str) -> None:
        self.plugged.discard(link)
        self.sim.unplug(link)
        self.sim.state = replace(
            self.sim.state, leases=tuple(x for x in self.sim.state.leases if x.link != link)
        )

    def invite(self, site: str = "柿崎総合体育館", mission: str | None = "disaster") -> str:
        wished = {"kind": mission, "days": 3} if mission else None
        text = self.staff("issue-ticket", site=site, days=7, by="tanaka", mission=wished)["text"]
        assert isinstance(text, str)
        return text

    def staff(self, what: str, **request: Any) -> dict[str, Any]:
        return self._hub({"ask": what, **request}, HQ_MACHINE.hq_uid)

    def phone(self, what: str, **request: Any) -> dict[str, Any]:
        asked = {"ask": what, **request}
        if not self.role.changes(asked):
            return self.role.answer(asked, BOX_MACHINE.web_uid)
        answer = self.role.obey(asked, BOX_MACHINE.web_uid)
        self._turn_box()
        return answer

    def _hub(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        if not self.hub.changes(request):
            return self.hub.answer(request, uid)
        answer = self.hub.obey(request, uid)
        self.hub_daemon.settle()
        return answer

    # ------------------------------------------------------------------------------------------- time

    def tick(self, count: int = 1, seconds: float = 1.0) -> None:
        for _ in range(count):
            self.ahead += seconds
            self._leases()
            self._shake()
            self._probe()
            self._turn_box()
            if self.session and self._carry():
                self._turn_box()
            self.hub_daemon.settle()

    def until(self, phase: Phase, most: int = 60) -> None:
        for _ in range(most):
            if self.phase is phase:
                return
            self.tick()
        raise AssertionError(f"never {phase}; {self.phases[-1]}, file {self._stored()}")

    def end_proof(self) -> None:
        """Until the proof of this activation is done and its laptop is out of the rules again."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            proof = self.role._proving.proof
            if proof and not proof["running"] and not self.role._proving._laptop:
                break
            self.tick()
            time.sleep(0.005)
        self.tick(2)

    def _stored(self) -> str:
        return (
            (self.state / "config.json").read_text()[:400] if (self.state / "config.json").exists() else "-"
        )

    def _turn_box(self) -> None:
        try:
            for _ in range(8):
                if self.cut_after is not None:
                    self.cut_after -= 1
                    if self.cut_after < 0:
                        raise PowerCut
                done = self.daemon.turn()
                status = self.daemon and self.role._memory.status
                if status and (not self.phases or self.phases[-1] != (status.phase, status.reason)):
                    self.phases.append((status.phase, status.reason))
                self.loaded.add(self.sim.rulesets.get(self.machine.field, ""))
                if done or self.daemon._trouble.turns:
                    return
        except PowerCut:
            self.cut_after = None
            self.cut_power(tear=self.tears)

    tears = False

    @property
    def phase(self) -> Phase | None:
        status = self.role._memory.status
        return status.phase if status else None

    @property
    def reason(self) -> Reason | None:
        status = self.role._memory.status
        return status.reason if status else None

    @property
    def open(self) -> bool:
        """Whether a laptop's packet to a desktop passes the loaded ruleset."""
        return passes(self.sim.rulesets[self.machine.field])

    # ----------------------------------------------------------------------------------- the network

    def _leases(self) -> None:
        running = dict(self.sim.state.units)
        for name, lease in ROUTERS.items():
            if name in self.plugged and f"dhcp-{name}" in running:
                self.sim.lease(replace(lease, obtained=self.clock.now()))

    @property
    def connected(self) -> bool:
        """Whether the tunnel's packets reach the hub and the hub knows the key."""
        tunnel, hub = self.sim.state.tunnel, self.hub_machine.state.tunnel
        if tunnel is None or hub is None or not tunnel.peers:
            return False
        way = next((x.link for x in self.sim.state.routes if x.table == 5000 and not x.metric), "")
        if way not in self.plugged & self.internet or tunnel.peers[0].public_key != hub.public_key:
            return False
        return any(x.public_key == tunnel.public_key for x in hub.peers)

    def _shake(self) -> None:
        tunnel, hub = self.sim.state.tunnel, self.hub_machine.state.tunnel
        for step in self.hub_machine.done[self._hub_steps :]:
            if isinstance(step, ForgetPeers):
                self.dated = {
                    k: v for k, v in self.dated.items() if k not in {x.public_key for x in step.peers}
                }
        self._hub_steps = len(self.hub_machine.done)
        if self.connected and tunnel and hub:
            self.hub_machine.receive(tunnel.public_key) if self.session else None
            if self.clock.now() <= self.dated.get(tunnel.public_key, float("-inf")):
                return  # silence: not newer than the last one
            self.dated[tunnel.public_key] = self.clock.now()
            self.sim.shake(hub.public_key)
            self.hub_machine.shake(tunnel.public_key, "198.51.100.2:40000")

    @property
    def session(self) -> bool:
        """Whether both ends have shaken hands and neither has forgotten it."""
        tunnel, hub = self.sim.state.tunnel, self.hub_machine.state.tunnel
        if not self.connected or tunnel is None or hub is None:
            return False
        theirs = next(x for x in hub.peers if x.public_key == tunnel.public_key)
        return bool(tunnel.peers[0].handshake and theirs.handshake)

    def _probe(self) -> None:
        tunnel, now = self.sim.state.tunnel, self.clock.now()
        aimed = tunnel is not None and self._target.hub and self._target.tunnel_key == tunnel.public_key
        if self.session and aimed:
            self._echo = HubProbe(at=now, last_answer=now, round_trip=0.02, state=LineState.GOOD)
        probes = tuple(
            DesktopProbe(desktop=x.name, answer=self.answering.get(x.name, Answer.ANSWERS), at=now)
            for x in self._target.desktops
            if self.session
        )
        self.sim.probe(self._echo, probes or self.sim.state.desktops)
        self.sim.scouted(tuple(self._scout(x) for x, pace in self._ways() if pace))

    def _ways(self) -> tuple[tuple[str, float], ...]:
        return self._target.lines.ways if self._target.lines else ()

    @property
    def asked_at(self) -> dict[str, str]:
        """Uplink → the endpoint where the scout asks there."""
        return dict(self._target.lines.endpoints) if self._target.lines else {}

    def _scout(self, link: str) -> LineProbe:
        """A spare line as the scout finds it."""
        if link not in self.plugged & self.internet:
            self._good_since.pop(link, None)
            return LineProbe(link=link, state=LineState.LOST)
        since = self._good_since.setdefault(link, self.now())
        return LineProbe(link=link, state=LineState.GOOD, good_for=self.now() - since, answered=20)

    def _carry(self) -> bool:
        """The courier: letters out, answers in, as it would over HTTP. True when there are answers."""
        try:
            where = json.loads((self.run / "courier.json").read_text())
        except FileNotFoundError:
            return False
        if not where["hub"]:
            return False
        if where["fetch"]:
            self._bring(where["fetch"]["sha256"])
        inner = next((x.address.split("/")[0] for x in self.sim.state.addresses if x.link == "wg0"), "")
        for letter in letters([self.run / "outbox"], "enrol-*.json"):
            answer = self._intake("enrol", **json.loads(letter.read_text()), address=inner)
            lay(self.run / "inbox", letter.stem, {"status": 200, "answer": answer})
            letter.unlink()
        found = letters([self.state / "outbox", self.run / "outbox"], "report-*.json")
        if where["reports"] and found:
            self._post(inner, [json.loads(x.read_text()) for x in found])
            for x in found:
                x.unlink()
        return any((self.run / "inbox").glob("*.json"))

    def _bring(self, sha256: str) -> None:
        if sha256 in self.software:
            (self.state / "update" / sha256).write_bytes(self.software[sha256])

    def _post(self, address: str, reports: list[dict[str, str]]) -> None:
        who = self._intake("whois", address=address)
        if "error" in who:
            return
        good = [x for x in reports if verify_text(x["body"], x["signature"], who["report_public"])]
        bodies = [json.loads(x["body"]) for x in good]
        self.reports += bodies
        answer: dict[str, Any] = {}
        if who["version"] > max((x["policy"] for x in bodies), default=0):
            answer |= self._intake("assignment", box=who["box"])
        asking = next((x for x in reversed(bodies) if x.get("nonce")), None)
        if asking:
            paper = self._intake("time", box=who["box"], nonce=asking["nonce"], forget=asking["forget"])
            answer["clock"] = paper["paper"]
        if answer:
            lay(self.run / "inbox", "reports", {"status": 200, "answer": answer})

    def _intake(self, what: str, **request: Any) -> dict[str, Any]:
        try:
            return self._hub({"ask": what, **request}, HQ_MACHINE.intake_uid)
        except Refused as error:
            return {"error": {"code": error.code}}

    # ------------------------------------------------------------------------------------------ shortcuts

    def joined(self, mission: str | None = "disaster") -> World:
        """A box whose laptops work, or one in store."""
        self.plug("eth0", "port1")
        self.tick(3)
        self.phone("redeem", ticket=self.invite(mission=mission))
        self.until(Phase.PROTECTED if mission else Phase.STANDBY)
        return self

    def steps(self, kind: type) -> list[Step]:
        return [x for x in self.sim.done if isinstance(x, kind)]

    def firewalls(self) -> list[Firewall]:
        return [x.firewall for x in self.sim.done if isinstance(x, SetFirewall)]

    def links(self) -> tuple[Link, ...]:
        return sockets(self.machine).links

    def hub_config(self) -> HubConfig:
        return self.hub._config

    def desktops(self) -> tuple[Desktop, ...]:
        return self.hub._config.desktops

    def lease(self, link: str) -> Lease:
        return ROUTERS[link]


def _is_signed(text: str, certificate: str) -> bool:
    try:
        rdp_signature.verify(text, certificate)
    except (FileRefused, ValueError):
        return False
    return True
