"""The box's role: one turn from what was observed to what is desired, and the answers at its door."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.air import OnAir
from appliance.climbing import Climbing
from appliance.core import commands, devices, health, path_mtu, wifi_line
from appliance.core.air import radio_on
from appliance.core.clock import moved
from appliance.core.desired import field_box, hub_address
from appliance.core.desktops import refusals
from appliance.core.firewall import boot
from appliance.core.identity import Identity
from appliance.core.machine import Desired, Firewall, Machine, Observed
from appliance.core.marks import MARK
from appliance.core.model import OPEN_PHASES, Config, Phase, Reason
from appliance.core.names import NO_QUESTIONS
from appliance.core.phase import HANDSHAKE_FRESH, facts_of, judge, status
from appliance.core.plan import shown
from appliance.core.policy import at_line, carried, judged
from appliance.core.portal import check_wanted
from appliance.core.queues import decide, shapers, shortened
from appliance.core.uplinks import NO_POLICY, choose, lines_to_ask, mark_active, pace_for, uplinks_of
from appliance.core.words import Refused
from appliance.dialling import Dialling, network_told
from appliance.host.bundles import Bundles
from appliance.host.gauge import gauged
from appliance.host.probe import Target
from appliance.joining import Joining
from appliance.kept_config import KeptConfig
from appliance.letters import Letters
from appliance.memory import Memory
from appliance.proving import Proving
from appliance.reporting import Reporting
from appliance.request import CHANGES, moment, text
from appliance.seating import Seating
from appliance.signing_in import SigningIn
from appliance.snapshot import Snapshot, Tools
from appliance.sockets import Sockets
from appliance.timekeeper import Timekeeper
from appliance.updating import Updating

LAST_WORD = 30.0  # seconds a revoked box may still tell HQ that it read the notice
LOOK_WHILE_CONNECTING = 1.0  # seconds, or in doubt about a line; the probes wake the loop long before
LOOK_WHILE_SEARCHING = 0.5  # seconds, while a line is silent and every door is asked


class FieldRole:
    """The box. `path` is its private file."""

    def __init__(self, machine: Machine, tools: Tools, identity: Identity) -> None:
        self._place = self._machine = machine
        self._tools = tools
        self._run, self._state = Path(machine.run), Path(machine.state)
        self._kept = KeptConfig(self._state / "config.json", identity.serial)
        self._joining = Joining(self._kept, tools)
        self._memory = Memory()
        boot_id = secrets.token_hex(8)
        self._letters = Letters(self._run, self._state, boot_id, tools.ring_courier)
        self._snapshot: Snapshot | None = None
        self._proving = Proving(tools.wake)
        self._signing_in = SigningIn()
        self._seating = Seating(self._state / "seats.json")
        self._climbing = Climbing(self._state / "lines.json")
        self._sockets = Sockets(self._state, identity)
        self._air = OnAir(identity, tools.clock.monotonic)
        self._dialling = Dialling(tools.clock.monotonic)
        self._updating = Updating(
            tools.machinery, Bundles(self._state, machine.courier_uid), self._state, tools.wake
        )
        held = self._config.assignment
        self._time = Timekeeper(tools.clock, self._state / "clock.mark", held.hub_time if held else 0.0)
        self._reporting = Reporting(
            self._letters,
            boot_id,
            self._time,
            self._climbing,
            self._updating,
            self._proving,
            self._sockets,
            tools.journal,
        )

    @property
    def _config(self) -> Config:
        return self._kept.config

    # ---------------------------------------------------------------------------------------- turns

    def judge(self, observed: Observed) -> Desired:
        memory = self._memory
        observed = replace(observed, config_damaged=self._kept.damaged)
        if self._mind_clock():
            self._time.distrust()
        for answer in self._letters.answers():
            self._read_letter(answer, health.handshake_of(observed))
        observed = moved(observed, self._mind_clock())
        self._joining.look(observed, memory.choice.link)
        now, config = observed.now, self._config
        self._machine = machine = self._air.fitted(
            self._sockets.look(self._place, observed), config, observed
        )
        if config.assignment:
            self._sockets.obey(config.assignment.blue, self._place)
        self._dialling.look(config, observed)
        policy = config.assignment.policy if config.assignment else NO_POLICY
        uplinks = judged(uplinks_of(machine, observed, config.lines, policy), config.assignment)
        uplinks = self._air.refused(uplinks)
        hub, lines = observed.hub, observed.lines
        memory.choice = choose(
            uplinks,
            memory.choice,
            hub,
            lines,
            memory.silence(observed, self._joining.asked_since),
            now,
            both=policy.both_lines,
        )
        uplinks = mark_active(uplinks, memory.choice)
        memory.mtu = path_mtu.size_of(observed.paths, path_mtu.line_of(uplinks), memory.mtu)
        asked, climbing = self._joining.asked_since, self._climbing
        climbing.look(config, uplinks, observed, asked, alone=self._joining.invited)
        assignment = config.assignment
        running = assignment.mission if assignment else None
        allowed, refused = refusals(
            assignment.desktops if assignment else (),
            radio_on=radio_on(self._air.identity, config, observed.radios),
            mission=running.kind if running else None,
            carried=carried(uplinks),
        )
        waited = now - asked if asked else 0.0
        hole = self._signing_in.look(assignment, uplinks, observed)
        unheard = now - max(observed.hub.last_answer, asked) if asked else 0.0
        check = check_wanted(config, memory.status, uplinks, unheard)
        facts = facts_of(
            config,
            observed,
            uplinks,
            frozenset(x.name for x in allowed),
            waited,
            clock_signed=self._time.signed,
            clock_ahead=self._time.ahead,
            signing_in=hole is not None,
            modem=self._dialling.missing,
        )
        phase, reason = judge(facts)
        memory.status = status(memory.status, phase, reason, now)
        seating, emergency = self._seating, devices.emergency_runs(assignment, now)
        seating.look(assignment, observed.laptops)
        desired = field_box(
            at_line(config, uplinks),
            memory.status,
            machine,
            uplinks,
            allowed,
            invitation_public=self._joining.invitation_public(),
            standing=climbing.standing(),
            begun=self._joining.begun,
            told=reason is Reason.REVOKED and now - memory.status.since > LAST_WORD,
            seats=(*seating.rules(allowed), *self._proving.seat(assignment, allowed)),
            hosts=seating.hosts(),
            any_laptop=emergency,
            check=check,
            hole=hole,
            mtu=memory.mtu,
            point=self._air.point,
            client=self._air.joining,
        )
        desired = self._air.with_radios(desired, config, observed)
        desired = self._dialling.with_modem(desired, machine, config)
        memory.queues = decide(memory.queues, memory.choice.link, observed)
        if desired.tunnel is not None and desired.tunnel.peers:
            held = shapers(memory.queues, memory.choice.link, observed, machine, assignment)
            desired = replace(desired, shapers=held, routes=shortened(desired.routes, held))
        # Without a session the next handshake would wait for five seconds, whatever door it is for.
        renewal = self._time.take_renewal() or (
            climbing.changed and (facts.handshake_age is None or facts.handshake_age > HANDSHAKE_FRESH)
        )
        if renewal and desired.tunnel is not None:
            desired = replace(desired, forget=desired.tunnel.peers)
        memory.mark(now, usable=any(x.usable for x in uplinks), arrived=self._joining.arrived)
        self._snapshot = Snapshot(
            config=config,
            status=memory.status,
            observed=observed,
            uplinks=uplinks,
            allowed=allowed,
            refused=refused,
            desired=desired,
            known=seating.known,
            seats=seating.seats,
            emergency=emergency,
            check=check,
        )
        return desired

    def _mind_clock(self) -> float:
        """Seconds by which the clock was set since we looked; our own memory moves along."""
        jump = self._time.jumped()
        self._memory.shift(jump)
        self._joining.shift(jump)
        self._reporting.shift(jump)
        self._climbing.shift(jump)
        self._signing_in.shift(jump)
        return jump

    def closed(self) -> tuple[Firewall, ...]:
        spaces = (self._machine.field, self._machine.outside)
        return tuple(Firewall(namespace=x, ruleset=boot()) for x in spaces)

    def after(self, observed: Observed, settled: bool) -> None:
        snapshot = self._snapshot
        if snapshot is None:
            return
        self._aim(snapshot)
        self._update(snapshot)
        self._letters.tell_courier(
            hub=hub_address(self._config) if snapshot.desired.tunnel is not None else "",
            reports=self._config.assignment is not None,
            fetch=self._updating.fetch(gently=bool(observed.laptops)),
        )
        self._joining.write(self._letters, self._machine.model, observed.now)
        if self._config.assignment and self._report_due(self._tools.clock.now()) <= 0.05:
            self._reporting.write(snapshot, self._memory.milestones)
        self._prove_at_activation(snapshot)
        self._proving.turned(settled)

    def next_time(self, now: float) -> float:
        if self._config.assignment is None:
            retry = min(30.0, self._air.until_retry(), self._dialling.until_retry())
            return LOOK_WHILE_SEARCHING if self._joining.invited else retry
        pause = min(
            self._air.until_retry(),
            self._dialling.until_retry(),
            self._report_due(now),
            self._time.until_handshake(),
            self._signing_in.until_end(now),
        )
        present = self._memory.status
        if self._climbing.searching:
            pause = min(pause, LOOK_WHILE_SEARCHING)
        if self._memory.choice.suspected or (present and present.phase is Phase.CONNECTING):
            pause = min(pause, LOOK_WHILE_CONNECTING)
        mission = self._config.assignment.mission
        moments = (mission.start, mission.end) if mission else ()
        for at in (*moments, self._config.assignment.any_laptop_until):
            if at > now:
                pause = min(pause, at - now)
        return max(0.0, pause)

    def _update(self, snapshot: Snapshot) -> None:
        observed, assignment = snapshot.observed, self._config.assignment
        mission = assignment.mission if assignment else None
        self._updating.look(
            assignment.software if assignment else None,
            snapshot.status,
            laptops=len(observed.laptops),
            mission_runs=mission is not None and mission.start <= observed.now < mission.end,
            now=observed.now,
        )

    def _report_due(self, now: float) -> float:
        return self._reporting.due(self._memory.status, self._snapshot, now)

    def _aim(self, snapshot: Snapshot) -> None:
        tunnel, config = snapshot.desired.tunnel, self._config
        is_open = snapshot.status.phase in OPEN_PHASES
        in_use = is_open and bool(snapshot.observed.laptops)
        pace = pace_for(snapshot.uplinks, in_use=in_use)
        choice, ways = self._memory.choice, self._climbing.endpoints()
        lines = lines_to_ask(config, tunnel, snapshot.uplinks, choice, pace, ways)
        entrance = self._climbing.standing()
        self._tools.aim(
            Target(
                hub=hub_address(config) if tunnel and tunnel.peers else "",
                tunnel_key=tunnel.public_key if tunnel else "",
                endpoint=entrance.first if entrance and tunnel and tunnel.peers else "",
                mark=MARK,
                interval=pace.echo,
                desktops=snapshot.allowed if is_open else (),
                lines=lines,
                search=self._climbing.search(lines),
                questions=self._climbing.questions() if tunnel else NO_QUESTIONS,
                line=path_mtu.line_to_measure(snapshot.uplinks),
                portal=snapshot.check,
                gauged=gauged(config, snapshot.desired, in_use=in_use),
            )
        )

    # -------------------------------------------------------------------------------------- letters

    def _read_letter(self, answer: dict[str, Any], handshake: float) -> None:
        """HQ's answer, by way of the courier."""
        config = self._config
        if isinstance(answer.get("clock"), str):
            self._time.read(answer["clock"], config.signing_key, handshake)
        if isinstance(answer.get("damaged"), str) and config.assignment:
            self._updating.damaged(answer["damaged"], config.assignment.software)
        assignment = self._joining.hear(answer)
        if assignment is not None:
            self._time.at_least(assignment.hub_time)

    # ----------------------------------------------------------------------------------------- door

    def changes(self, request: dict[str, Any]) -> bool:
        return request["ask"] in CHANGES

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        snapshot = self._snapshot
        if snapshot is None:
            raise Refused("unreachable")
        match request["ask"]:
            case "status":
                return self._status(snapshot, request)
            case "read-ticket":
                code, now = text(request, "ticket"), self._tools.clock.now()
                ticket = commands.check_ticket(snapshot.config, code, now, self._time.mark)
                return {"site": ticket.site, "hq_name": ticket.hq_name, "expires": ticket.expires}
            case "rdp-file":
                found = dict(snapshot.config.assignment.rdp_files) if snapshot.config.assignment else {}
                if text(request, "desktop") not in found:
                    raise Refused("unknown-desktop")
                who = self._visitor(snapshot, request)
                if who is not None and not who.may(text(request, "desktop")):
                    raise Refused("not-registered")
                return {"file": found[text(request, "desktop")]}
            case "prove":
                self._start_proof(snapshot)
                return {}
            case "snapshot" if uid == 0:
                return shown(snapshot.config, snapshot.observed, snapshot.desired)
        raise Refused("bad-request")

    def obey(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        match request["ask"]:
            case "redeem":
                code, keys = text(request, "ticket"), self._tools.new_keys()
                self._time.phone(moment(request, "clock"))
                self._mind_clock()
                now = self._tools.clock.now()
                self._kept.save(commands.redeem(self._config, code, keys, now, self._time.mark))
                self._memory.milestones.setdefault("ticket-accepted", now)
                self._joining.redeemed()
                joining = self._config.joining
                return {"site": joining.ticket.site if joining else ""}
            case "wish-line":
                link, wish = text(request, "link"), text(request, "wish")
                self._kept.save(commands.wish_line(self._config, self._machine, link, wish))
                self._memory.choice = replace(self._memory.choice, eager=True)
                return {}
            case "set-air":
                self._kept.save(commands.set_air(self._config, text(request, "place"), text(request, "band")))
                return {}
            case "join-wifi":
                ssid, key = text(request, "ssid"), text(request, "key")
                self._kept.save(wifi_line.with_network(self._config, ssid, key))
                return {}
            case "set-apn":
                self._kept.save(network_told(self._config, request))
                return {}
            case "show-wifi":
                self._air.show_networks()
                return {}
            case "start-over":
                self._kept.save(commands.start_over(self._config))
                self._memory.milestones.pop("ticket-accepted", None)
                return {}
            case "sign-in" | "end-sign-in":
                now, assignment = self._tools.clock.now(), self._config.assignment
                self._signing_in.obey(request, assignment, self._snapshot, now)
                return {}
        raise Refused("bad-request")

    def _visitor(self, snapshot: Snapshot, request: Mapping[str, Any]) -> devices.Visitor | None:
        """Whom a page is for; None where the box itself asks."""
        if "visitor" not in request:
            return None
        return devices.visitor(
            text(request, "visitor"),
            snapshot.observed.laptops,
            snapshot.seats,
            snapshot.known,
            snapshot.emergency,
        )

    def _status(self, snapshot: Snapshot, request: Mapping[str, Any]) -> dict[str, Any]:
        view = health.status_view(
            snapshot.config,
            snapshot.status,
            snapshot.observed,
            snapshot.uplinks,
            snapshot.allowed,
            snapshot.refused,
            self._memory.milestones,
            self._proving.proof,
            self._visitor(snapshot, request),
            self._climbing.ways(),
        )
        address = str(request.get("visitor", ""))
        hq = snapshot.check.address if snapshot.check else ""
        sign_in = self._signing_in.view(snapshot.config.assignment, snapshot.status, address, hq)
        wifi = self._air.view(snapshot.observed, self._machine.outside)
        sockets = self._sockets.view(self._machine, snapshot.observed, wifi["link"])
        own = {
            "access_point": self._air.shown(),
            "wifi": wifi,
            "wifi_line": self._air.line_view(snapshot.config, snapshot.observed),
            "modem": self._dialling.view(snapshot.config),
            "sockets": sockets,
            "software": self._updating.view(),
        }
        return {**view, **own, "now": self._tools.clock.now(), "sign_in": sign_in}

    # ---------------------------------------------------------------------------------------- proof

    def _prove_at_activation(self, snapshot: Snapshot) -> None:
        """Each time a mission opens the desktops: the negative tests of this activation."""
        assignment = self._config.assignment
        mission = assignment.mission if assignment else None
        opened = snapshot.status.phase is Phase.PROTECTED or snapshot.status.reason is Reason.DESKTOP_SILENT
        if mission and opened and self._memory.proved_mission != mission.start:
            self._memory.proved_mission = mission.start
            self._start_proof(snapshot)

    def _start_proof(self, snapshot: Snapshot) -> None:
        self._proving.start(lambda mac: self._tools.prove(snapshot, mac))
