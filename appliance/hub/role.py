"""The hub's role: HQ's decisions behind the door, with HQ's private file behind them. The same loop turns it."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from appliance.core import clock, devices, fleet, peers, policy, portal, scout
from appliance.core.codec import Invalid, dump_masked, dump_private, load
from appliance.core.desired_hub import hub as desired_hub
from appliance.core.desired_hub import invitation_is_open
from appliance.core.desktop_profiles import Profile
from appliance.core.enrolment import sign, ticket_text
from appliance.core.fleet import Newcomer, NewTicket
from appliance.core.machine import Desired, Firewall, Machine, Observed, Peer
from appliance.core.model import BoxRecord, HubConfig, MissionKind, Ticket
from appliance.core.plan import shown
from appliance.core.rdp_file import FileRefused, rdp_text
from appliance.core.words import Refused
from appliance.host import files, rdp_signature, wireguard
from appliance.hub import registers
from appliance.request import choice, number, text

E = TypeVar("E", bound=StrEnum)

STAFF = frozenset(
    {
        "fleet", "issue-ticket", "show-ticket", "withdraw-ticket", "start-mission", "end-mission", "revoke",
        "add-desktop", "remove-desktop", "devices", "add-device", "remove-device", "import-devices", "emergency",
        "set-policy", "set-phone", "declare-blue", "set-oldest", "start-update", "stop-update",
    }
)  # fmt: skip
INTAKE = frozenset({"enrol", "whois", "assignment", "time", "sign-check"})
READING = frozenset(
    {"fleet", "devices", "show-ticket", "whois", "assignment", "time", "sign-check", "snapshot", "status"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    config: HubConfig
    observed: Observed
    desired: Desired
    handshakes: Mapping[str, float]  # public key → the last one seen


class HubRole:
    """HQ's entrance. `staff` and `intake` are the uids of the two web processes."""

    def __init__(
        self,
        machine: Machine,
        profiles: dict[str, Profile],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._machine, self._profiles = machine, profiles
        self._monotonic, self._now = monotonic, now
        self._path = Path(machine.state) / "hub.json"
        self._config = load_config(self._path)
        self._public: dict[str, str] = {}
        self._scouts: dict[str, tuple[str, ...]] = {}
        self._rdp: tuple[object, tuple[tuple[str, str], ...]] = (None, ())
        self._snapshot: Snapshot | None = None
        self._heard: dict[str, peers.Heard] = {}
        self._handshakes: dict[str, float] = {}  # the last ones, kept beyond a peer's being forgotten
        self._round = 0.0  # when peers without a session are forgotten next
        self._asked: dict[
            str, float
        ] = {}  # public keys of boxes that asked to be forgotten, and when it is due

    # ---------------------------------------------------------------------------------------- turns

    def judge(self, observed: Observed) -> Desired:
        shaken = [x.public_key for x in observed.tunnel.peers if x.handshake] if observed.tunnel else []
        try:
            self._save(fleet.spend_invitations(self._config, shaken))
        except Refused as error:  # a full disk must not end the hub: the ticket is spent at a later turn
            sys.stderr.write(f"noroshi: the configuration could not be saved: {error}\n")
        desired = desired_hub(
            self._config,
            self._machine,
            observed.now,
            self._invitation_keys(observed.now),
            self._scout_keys(),
        )
        desired = replace(desired, forget=self._to_forget(desired, observed))
        self._snapshot = Snapshot(
            config=self._config, observed=observed, desired=desired, handshakes=dict(self._handshakes)
        )
        return desired

    def _to_forget(self, desired: Desired, observed: Observed) -> tuple[Peer, ...]:
        """Whose session and timestamp go now: of everybody without a session, and of who asked for it."""
        if observed.tunnel is None or desired.tunnel is None:
            return ()
        now, states = self._monotonic(), observed.tunnel.peers
        self._heard = peers.listen(self._heard, states, now)
        known = {x.public_key: self._handshakes.get(x.public_key, 0.0) for x in states}
        scouts = peers.scouts_of_the_renewed(known, states, self._scouts)
        self._handshakes = {x.public_key: x.handshake or known[x.public_key] for x in states}
        keys = frozenset(x for x, due in self._asked.items() if due <= now)
        self._asked = {x: due for x, due in self._asked.items() if due > now}
        if now >= self._round:
            self._round = now + peers.until_next_round(states, self._heard, now, observed.now)
            keys |= peers.deaf(states, self._heard, now, observed.now)
        return peers.wished(desired.tunnel.peers, keys | scouts)

    def closed(self) -> tuple[Firewall, ...]:
        """No box reaches anything, and HQ's own machine stays reachable for whoever mends it."""
        ended = replace(self._config, boxes=(), invitations=())
        return desired_hub(ended, self._machine, 0.0, {}).firewalls

    def after(self, observed: Observed, settled: bool) -> None:
        """A hub reports to nobody."""

    def next_time(self, now: float) -> float:
        """Missions and tickets begin and end by themselves; a box's first handshake makes no event."""
        config = self._config
        waiting = any(x.redeemed_by and not x.spent for x in config.invitations)
        moments = [x.ticket.expires for x in config.invitations if not x.spent]
        moments += [y for x in config.boxes if x.mission for y in (x.mission.start, x.mission.end)]
        coming = min((x - now for x in moments if x > now), default=60.0)
        monotonic = self._monotonic()
        if config.boxes or config.invitations:
            coming = min(coming, self._round - monotonic)
        coming = min(coming, *(x - monotonic for x in self._asked.values()), 60.0)
        return max(0.0, min(coming, 1.0 if waiting else 60.0))

    def _scout_keys(self) -> dict[str, tuple[str, ...]]:
        for x in self._config.boxes:
            if x.tunnel_public not in self._scouts:
                private = self._config.private_key
                keys = [scout.public_key(private, x.tunnel_public, number) for number in range(scout.KEYS)]
                self._scouts[x.tunnel_public] = tuple(keys)
        return self._scouts

    def _invitation_keys(self, now: float) -> dict[str, str]:
        for x in self._config.invitations:
            if invitation_is_open(x, now) and x.ticket.id not in self._public:
                self._public[x.ticket.id] = wireguard.public_of(x.ticket.invitation_key)
        return self._public

    def _save(self, config: HubConfig) -> None:
        if config == self._config:
            return
        try:
            files.write_private(self._path, dump_private(config))
        except OSError as error:
            raise Refused("disk-full") from error
        self._config = config

    # ----------------------------------------------------------------------------------------- door

    def changes(self, request: dict[str, Any]) -> bool:
        return request["ask"] not in READING or request.get("forget") is True

    def answer(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        snapshot = self._snapshot
        if snapshot is None:
            raise Refused("unreachable")
        self._may(request["ask"], uid)
        config, now = snapshot.config, snapshot.observed.now
        match request["ask"]:
            case "fleet":
                return fleet_view(snapshot)
            case "devices":
                return {"devices": dump_masked(config.devices)}
            case "show-ticket":
                invitation = fleet.find_invitation(config, text(request, "id"))
                if fleet.invitation_state(invitation, now) != "open":
                    raise Refused("unknown-ticket")
                return self._ticket(invitation.ticket)
            case "whois":
                box = fleet.box_at(config, text(request, "address"))
                return {"box": box.name, "report_public": box.report_public, "version": box.version}
            case "assignment":
                return self._assignment(fleet.find_box(config, text(request, "box")), now)
            case "time" | "sign-check":
                return self._time(request, forgets=False)
            case "snapshot":
                return shown(config, snapshot.observed, snapshot.desired)
        raise Refused("bad-request")

    def _may(self, ask: str, uid: int) -> None:
        """Each web process may ask its own part, root all of it."""
        allowed = {self._machine.hq_uid: STAFF, self._machine.intake_uid: INTAKE}.get(uid, frozenset())
        if uid != 0 and ask not in allowed:
            raise Refused("not-allowed")

    def obey(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        self._may(request["ask"], uid)
        now = self._now()
        match request["ask"]:
            case "issue-ticket":
                return self._issue(request, now)
            case "withdraw-ticket":
                self._save(fleet.withdraw_ticket(self._config, text(request, "id")))
            case "start-mission":
                kind = choice(request, "kind", MissionKind)
                hours = number(request, "hours")
                box, site = text(request, "box"), text(request, "site")
                self._save(fleet.start_mission(self._config, box, kind, site, hours, now))
            case "end-mission":
                self._save(fleet.end_mission(self._config, text(request, "box"), now))
            case "revoke":
                self._save(fleet.revoke(self._config, text(request, "box")))
            case "enrol":
                return self._enrol(request, now)
            case "time":
                asking = fleet.find_box(self._config, text(request, "box"))
                self._asked.setdefault(asking.tunnel_public, self._monotonic() + clock.FORGET_DELAY)
                return self._time(request, forgets=True)
            case _:
                config, answer = registers.change(self._config, self._profiles, request, now)
                self._save(config)
                return answer
        return {}

    def _issue(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        wished = request.get("mission")
        mission = None
        if isinstance(wished, dict):
            mission = (choice(wished, "kind", MissionKind), int(number(wished, "days")))
        private, _ = wireguard.new_key()
        new = NewTicket(id=secrets.token_hex(8), invitation_private=private)
        config, ticket = fleet.issue_ticket(
            self._config,
            text(request, "site"),
            int(number(request, "days")),
            text(request, "by"),
            mission,
            new,
            now,
        )
        self._save(config)
        return self._ticket(ticket)

    def _ticket(self, ticket: Ticket) -> dict[str, Any]:
        code = ticket_text(ticket, self._config.signing_private)
        return {"id": ticket.id, "text": code, "site": ticket.site, "expires": ticket.expires}

    def _enrol(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        names = ("ticket", "tunnel_public", "report_public", "serial", "model", "address")
        newcomer = Newcomer(**{x: text(request, x) for x in names})
        config, box = fleet.enrol(self._config, newcomer, now)
        self._save(config)
        return self._assignment(box, now)

    def _assignment(self, box: BoxRecord, now: float) -> dict[str, Any]:
        assignment = fleet.assignment_of(self._config, box, now, self._rdp_files())
        return {"assignment": sign(dump_private(assignment), self._config.signing_private)}

    def _time(self, request: dict[str, Any], *, forgets: bool) -> dict[str, Any]:
        """Our time, signed over a box's question: no recording of it says anything to anybody later."""
        nonce = text(request, "nonce")
        if not clock.is_nonce(nonce):
            raise Refused("bad-value")
        if request["ask"] == "sign-check":  # for whoever asks from anywhere: a paper that says nothing else
            return {"paper": sign(dump_private(portal.CheckPaper(check=nonce)), self._config.signing_private)}
        paper = clock.Paper(nonce=nonce, time=self._now(), forgets=forgets)
        return {"paper": sign(dump_private(paper), self._config.signing_private)}

    def _rdp_files(self) -> tuple[tuple[str, str], ...]:
        """Signed once for each set of desktops: an RSA signature is not for every report."""
        config = self._config
        if self._rdp[0] != config.desktops:
            publisher = rdp_signature.Publisher(certificate=config.publisher, key=config.publisher_key)
            found = []
            for desktop in config.desktops:
                profile = self._profiles.get(desktop.profile)
                if profile is None or not profile.rdp_file:
                    continue
                try:
                    found.append((desktop.name, rdp_signature.sign(rdp_text(desktop), publisher)))
                except FileRefused as error:
                    sys.stderr.write(f"noroshi: no file for {desktop.name}: {error}\n")
            self._rdp = (config.desktops, tuple(found))
        return self._rdp[1]


def load_config(path: Path) -> HubConfig:
    """Raises files.Damaged, codec.Invalid, or FileNotFoundError where HQ was never set up."""
    data = files.read_private(path)
    if data is None:
        raise FileNotFoundError(path)
    try:
        return load(HubConfig, data)
    except Invalid as error:
        raise files.Damaged(str(error)) from error


def fleet_view(snapshot: Snapshot) -> dict[str, Any]:
    """What HQ's web shows of the fleet; no secret in it."""
    config, now = snapshot.config, snapshot.observed.now
    tunnel = snapshot.observed.tunnel
    endpoints = {x.public_key: x.endpoint for x in tunnel.peers} if tunnel else {}
    boxes = []
    for x in config.boxes:
        boxes.append(
            {
                "name": x.name,
                "serial": x.serial,
                "model": x.model,
                "site": x.site,
                "state": x.state.value,
                "version": x.version,
                "joined": x.joined,
                "lan": x.lan,
                "tunnel_address": x.tunnel_address,
                "mission": dump_masked(x.mission),
                "emergencies": dump_masked(x.emergencies),
                "any_laptop_until": devices.emergency_end(x.emergencies),
                "policy": dump_masked(policy.of_box(config, x)),
                "own_policy": x.policy is not None,
                "blue": list(x.blue),
                "update_to": x.update_to,
                "update_now": x.update_now,
                "update_order": x.update_order,
                "handshake": snapshot.handshakes.get(x.tunnel_public, 0.0),
                "endpoint": endpoints.get(x.tunnel_public, ""),
            }
        )
    invitations = [
        {
            "id": x.ticket.id,
            "site": x.ticket.site,
            "issued": x.issued,
            "issued_by": x.issued_by,
            "expires": x.ticket.expires,
            "state": fleet.invitation_state(x, now),
            "box": x.redeemed_by,
        }
        for x in config.invitations
    ]
    return {
        "name": config.name,
        "signing_key": config.signing_key,
        "publisher": config.publisher,
        "desktops": dump_masked(config.desktops),
        "boxes": boxes,
        "invitations": invitations,
        "policy": dump_masked(config.policy),
        "bundles": dump_masked(config.bundles),
        "oldest_version": config.oldest_version,
        "phone": config.phone,
    }


def write_first_config(path: Path, config: HubConfig) -> None:
    files.write_private(path, json.loads(json.dumps(dump_private(config))))
