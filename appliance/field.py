"""The box's role: what is asked of it, what it remembers between turns, and what its letters mean."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.air import OnAir
from appliance.climbing import Climbing
from appliance.core import commands, devices, health, path_mtu, wifi_line
from appliance.core.air import radio_on
from appliance.core.clock import moved
from appliance.core.codec import Invalid, dump_private, load
from appliance.core.desired import field_box, hub_address
from appliance.core.desktops import refusals
from appliance.core.enrolment import open_signed
from appliance.core.firewall import boot
from appliance.core.identity import Identity
from appliance.core.machine import Desired, Firewall, Machine, Observed
from appliance.core.marks import MARK
from appliance.core.model import (
    OPEN_PHASES,
    Assignment,
    Config,
    JoinStage,
    Phase,
    Reason,
)
from appliance.core.names import NO_QUESTIONS
from appliance.core.phase import HANDSHAKE_FRESH, HUB_ANSWERED, facts_of, judge, status
from appliance.core.plan import shown
from appliance.core.policy import at_line, carried, judged
from appliance.core.portal import check_wanted
from appliance.core.queues import decide, shapers, shortened
from appliance.core.uplinks import NO_POLICY, choose, lines_to_ask, mark_active, pace_for, uplinks_of
from appliance.core.words import Refused
from appliance.host import files
from appliance.host.bundles import Bundles
from appliance.host.gauge import gauged
from appliance.host.probe import Target
from appliance.letters import Letters
from appliance.memory import NEVER, Memory
from appliance.proving import Proving
from appliance.request import moment, text
from appliance.seating import Seating
from appliance.signing_in import SigningIn
from appliance.snapshot import Snapshot, Tools
from appliance.sockets import Sockets
from appliance.timekeeper import Timekeeper
from appliance.updating import Updating

NEW_KEY_PATIENCE = 20.0  # seconds an own key may stay silent before the invitation is tried again
LETTER_AGAIN = 15.0  # seconds until an unanswered enrolment is written again
LAST_WORD = 30.0  # seconds a revoked box may still tell HQ that it read the notice
NEWS_INTERVAL = 0.3  # seconds between two reports at least, however often the phase changes
LOOK_WHILE_CONNECTING = 1.0  # seconds, or in doubt about a line; the probes wake the loop long before
CHANGES = frozenset(
    {"redeem", "start-over", "wish-line", "set-air", "join-wifi", "show-wifi", "sign-in", "end-sign-in"}
)
LOOK_WHILE_SEARCHING = 0.5  # seconds, while a line is silent and every door is asked


class FieldRole:
    """The box. `path` is its private file."""

    def __init__(self, machine: Machine, tools: Tools, identity: Identity) -> None:
        self._place = self._machine = machine
        self._tools = tools
        self._run, self._state = Path(machine.run), Path(machine.state)
        self._path = self._state / "config.json"
        self._memory = Memory()
        self._boot = secrets.token_hex(8)
        self._letters = Letters(self._run, self._state, self._boot, tools.ring_courier)
        self._damaged = False
        self._snapshot: Snapshot | None = None
        self._proving = Proving(tools.wake)
        self._signing_in = SigningIn()
        self._seating = Seating(self._state / "seats.json")
        self._climbing = Climbing(self._state / "lines.json")
        self._sockets = Sockets(self._state, identity)
        self._air = OnAir(identity, tools.clock.monotonic)
        self._updating = Updating(
            tools.machinery, Bundles(self._state, machine.courier_uid), self._state, tools.wake
        )
        self._config = self._load(identity.serial)
        held = self._config.assignment
        self._time = Timekeeper(tools.clock, self._state / "clock.mark", held.hub_time if held else 0.0)
        self._invitation_public = ("", "")

    # --------------------------------------------------------------------------------------- config

    def _load(self, serial: str) -> Config:
        try:
            data = files.read_private(self._path)
            return load(Config, data, newer=True) if data is not None else Config(serial=serial)
        except (files.Damaged, Invalid) as error:
            sys.stderr.write(f"noroshi: {error}\n")
            self._damaged = True
            return Config(serial=serial)

    def _save(self, config: Config) -> None:
        """The new configuration counts only once it is on the disk; else the old one stays, whole."""
        if config == self._config:
            return
        if self._damaged:
            raise Refused("config-damaged")
        try:
            files.write_private(self._path, dump_private(config))
        except OSError as error:
            raise Refused("disk-full") from error
        self._config = config

    # ---------------------------------------------------------------------------------------- turns

    def judge(self, observed: Observed) -> Desired:
        memory = self._memory
        observed = replace(observed, config_damaged=self._damaged)
        if self._mind_clock():
            self._time.distrust()
        for answer in self._letters.answers():
            self._read_letter(answer, health.handshake_of(observed))
        observed = moved(observed, self._mind_clock())
        self._take_up(observed)
        now, config = observed.now, self._config
        self._machine = machine = self._air.fitted(
            self._sockets.look(self._place, observed), config, observed
        )
        if config.assignment:
            self._sockets.obey(config.assignment.blue, self._place)
        policy = config.assignment.policy if config.assignment else NO_POLICY
        uplinks = judged(uplinks_of(machine, observed, config.lines, policy), config.assignment)
        uplinks = self._air.refused(uplinks)
        hub, lines = observed.hub, observed.lines
        memory.choice = choose(
            uplinks, memory.choice, hub, lines, memory.silence(observed), now, both=policy.both_lines
        )
        uplinks = mark_active(uplinks, memory.choice)
        memory.mtu = path_mtu.size_of(observed.paths, path_mtu.line_of(uplinks), memory.mtu)
        climbing, invited = self._climbing, config.joining and config.joining.stage is JoinStage.INVITED
        climbing.look(config, uplinks, observed, memory.asked_since, alone=bool(invited))
        assignment = config.assignment
        running = assignment.mission if assignment else None
        allowed, refused = refusals(
            assignment.desktops if assignment else (),
            radio_on=radio_on(self._air.identity, config, observed.radios),
            mission=running.kind if running else None,
            carried=carried(uplinks),
        )
        waited = now - memory.asked_since if memory.asked_since else 0.0
        hole = self._signing_in.look(assignment, uplinks, observed)
        unheard = now - max(observed.hub.last_answer, memory.asked_since) if memory.asked_since else 0.0
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
            invitation_public=self._public_invitation(),
            standing=climbing.standing(),
            begun=memory.begun,
            told=reason is Reason.REVOKED and now - memory.status.since > LAST_WORD,
            seats=(*seating.rules(allowed), *self._proving.seat(assignment, allowed)),
            hosts=seating.hosts(),
            any_laptop=emergency,
            check=check,
            hole=hole,
            mtu=memory.mtu,
            point=self._air.point,
            client=self._air.client,
        )
        desired = self._air.with_radios(desired, config, observed)
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
        memory.mark(config, now, usable=any(x.usable for x in uplinks))
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
        joining = self._config.joining
        if joining and joining.stage is JoinStage.INVITED:
            self._write_enrolment(observed.now)
        if self._config.assignment and self._report_due(self._tools.clock.now()) <= 0.05:
            self._report(snapshot)
        self._prove_at_activation(snapshot)
        self._proving.turned(settled)

    def next_time(self, now: float) -> float:
        if self._config.assignment is None:
            joining = self._config.joining
            searching = joining and joining.stage is JoinStage.INVITED
            return LOOK_WHILE_SEARCHING if searching else min(30.0, self._air.until_retry())
        pause = min(
            self._air.until_retry(),
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
        """Seconds until the next report: every ten, and at once when HQ's picture of this box is wrong."""
        memory = self._memory
        present = memory.status and (memory.status.phase, memory.status.reason)
        interval = health.REPORT_INTERVAL if present == memory.reported else NEWS_INTERVAL
        due = memory.reported_at + interval - now
        seen = self._snapshot.observed if self._snapshot else None
        if seen is not None and seen.hub.last_answer and seen.now - seen.hub.last_answer < HUB_ANSWERED:
            due = min(due, self._time.until_question())
        return due

    def _take_up(self, observed: Observed) -> None:
        """What the tunnel's state means for joining."""
        memory, config, now = self._memory, self._config, observed.now
        tunnel = observed.tunnel
        shaken = tunnel is not None and health.handshake_of(observed) > 0
        memory.begun = shaken
        memory.shaken_key = tunnel.public_key if tunnel is not None and shaken else ""
        asked = config.assignment is not None or config.joining is not None
        memory.asked_since = (memory.asked_since or now) if asked else 0.0
        joining, keys = config.joining, config.keys
        if joining is None or keys is None or config.assignment is None or not memory.choice.link:
            memory.key_since = now
        if joining is None or keys is None:
            return
        own = joining.stage is JoinStage.ASSIGNED
        if own and memory.shaken_key == keys.tunnel_public:
            self._try_save(commands.joined(config))
        elif shaken and not own:
            memory.key_since = now
        elif now - memory.key_since > NEW_KEY_PATIENCE:
            memory.key_since = now
            self._try_save(commands.new_key_silent(config) if own else commands.invitation_silent(config))

    def _try_save(self, config: Config) -> None:
        try:
            self._save(config)
        except Refused as error:
            sys.stderr.write(f"noroshi: the configuration could not be saved: {error}\n")

    def _public_invitation(self) -> str:
        joining = self._config.joining
        if joining is None:
            return ""
        if self._invitation_public[0] != joining.ticket.id:
            public = self._tools.public_of(joining.ticket.invitation_key)
            self._invitation_public = (joining.ticket.id, public)
        return self._invitation_public[1]

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

    def _write_enrolment(self, now: float) -> None:
        if now - self._memory.letter_at < LETTER_AGAIN:
            return
        self._memory.letter_at = now
        self._letters.write_enrolment(self._config, self._machine.model)

    def _read_letter(self, answer: dict[str, Any], handshake: float) -> None:
        """HQ's answer, by way of the courier: nothing in it counts unless HQ signed it, but a refusal."""
        envelope, error = answer.get("assignment"), answer.get("error")
        config = self._config
        if isinstance(answer.get("clock"), str):
            self._time.read(answer["clock"], config.signing_key, handshake)
        if isinstance(answer.get("damaged"), str) and config.assignment:
            self._updating.damaged(answer["damaged"], config.assignment.software)
        if isinstance(envelope, str):
            try:
                assignment = load(Assignment, open_signed(envelope, config.signing_key), newer=True)
            except Invalid as problem:
                sys.stderr.write(f"noroshi: an assignment was not accepted: {problem}\n")
                return
            accepted = commands.accept_assignment(config, self._without_foreign_files(assignment))
            if accepted is not config:
                self._time.at_least(assignment.hub_time)
            config = accepted
        elif isinstance(error, dict) and error.get("code") in (
            "ticket-expired",
            "ticket-used",
            "ticket-unknown",
        ):
            config = commands.join_refused(config, str(error["code"]))
        if config != self._config:
            self._try_save(config)

    def _without_foreign_files(self, assignment: Assignment) -> Assignment:
        """A desktop file that the publisher did not sign, or that redirects anything, is not handed out."""
        good = tuple(
            (name, text)
            for name, text in assignment.rdp_files
            if self._tools.verify_rdp(text, assignment.publisher)
        )
        return replace(assignment, rdp_files=good)

    def _report(self, snapshot: Snapshot) -> None:
        memory, observed = self._memory, snapshot.observed
        if self._config.keys is None:
            return
        memory.reported_at = observed.now
        memory.reported = (snapshot.status.phase, snapshot.status.reason)
        memory.sequence += 1
        report = health.report(
            self._config,
            snapshot.status,
            observed,
            snapshot.uplinks,
            memory.milestones,
            self._untold_proof(),
            self._boot,
            memory.sequence,
            time.monotonic(),
            self._time.question(),
            snapshot.known,
            self._climbing.ways(),
            self._updating.view(),
            self._tools.journal(),
        )
        lasting = observed.now - observed.hub.last_answer > 3 * health.REPORT_INTERVAL
        self._letters.write_report(self._config, report, observed.now, lasting=lasting)

    def _untold_proof(self) -> dict[str, Any] | None:
        """A proof goes to HQ once; every report would be four times its size with it."""
        proof = self._proving.proof
        if proof is None or proof["running"] or proof["at"] == self._memory.told_proof:
            return None
        self._memory.told_proof = proof["at"]
        return proof

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
                self._save(commands.redeem(self._config, code, keys, now, self._time.mark))
                self._memory.milestones.setdefault("ticket-accepted", now)
                self._memory.letter_at = NEVER
                joining = self._config.joining
                return {"site": joining.ticket.site if joining else ""}
            case "wish-line":
                link, wish = text(request, "link"), text(request, "wish")
                self._save(commands.wish_line(self._config, self._machine, link, wish))
                self._memory.choice = replace(self._memory.choice, eager=True)
                return {}
            case "set-air":
                self._save(commands.set_air(self._config, text(request, "place"), text(request, "band")))
                return {}
            case "join-wifi":
                ssid, key = text(request, "ssid"), text(request, "key")
                self._save(wifi_line.with_network(self._config, ssid, key))
                return {}
            case "show-wifi":
                self._air.show_networks()
                return {}
            case "start-over":
                self._save(commands.start_over(self._config))
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
