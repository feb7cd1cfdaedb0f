"""`noroshi hq init`: a working HQ from three answers. Makes HQ's keys once, and never again over old ones."""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.core.enrolment import is_entrance, is_host, is_name
from appliance.core.fleet import sound_endpoints
from appliance.core.model import Entrance, HubConfig
from appliance.core.programs import REGISTER_GROUP
from appliance.host import files, rdp_signature, relay_certificate, surroundings, wireguard
from appliance.hub import people, register
from appliance.hub.role import write_first_config

ALREADY = "ここにはもう本部があります / There is an HQ here already"


class Bad(ValueError):
    """An answer that cannot be used; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    endpoints: tuple[str, ...]
    public_key: str
    password: str


def initialize(
    *,
    name: str,
    endpoint: str,
    desktops_network: str,
    admin: str,
    password: str,
    staff_address: str,
    udp_ports: tuple[int, ...] = (),
    relay_port: int = 0,
    relay_name: str = "",
) -> Made:
    """Raises Bad; then nothing was written."""
    machine = surroundings.machine()
    state = Path(machine.state)
    path = state / "hub.json"
    if path.exists():
        raise Bad(ALREADY)
    if not is_name(name):
        raise Bad("本部の名前は1〜60文字です / HQ's name has 1 to 60 characters")
    try:
        network = str(ipaddress.IPv4Network(desktops_network))
        endpoints, names = entrances(endpoint, 51820)
        port = int(endpoints[0].rpartition(":")[2])
    except (OSError, ValueError, IndexError) as error:
        raise Bad(f"使えない値です / cannot be used: {error}") from error
    entrance = Entrance(
        ports=tuple(x for x in udp_ports if x and x != port),
        relay_port=relay_port,
        relay_pin="0" * 64 if relay_port else "",
        relay_name=(relay_name or (names[0] if names else "")) if relay_port else "",
        names=names,
    )
    if not sound_endpoints(endpoints) or not is_entrance(entrance):
        raise Bad(f"入口の住所が使えません / not an endpoint: {endpoint}")
    files.make_folder(state, 0o755)
    private, public = wireguard.new_key()
    signing_private, signing_public = wireguard.new_signing_key()
    if relay_port:
        folder, moment = state / "relay", time.time()
        pin = relay_certificate.make(folder, entrance.relay_name, machine.relay_uid, moment)
        entrance = replace(entrance, relay_pin=pin)
    publisher = rdp_signature.make_publisher(name, time.time())
    config = HubConfig(
        name=name,
        endpoints=endpoints,
        listen_port=port,
        private_key=private,
        public_key=public,
        signing_private=signing_private,
        signing_key=signing_public,
        publisher_key=publisher.key,
        publisher=publisher.certificate,
        desktops_network=network,
        entrance=entrance,
    )
    from appliance.serve import database_url

    url = database_url(machine)
    register.prepare(url, web_uid=machine.hq_uid, group=REGISTER_GROUP)
    try:
        made = people.init(url, admin, password)
    except people.PeopleProblem as error:
        raise Bad(f"管理者の名前かパスワードが使えません / administrator: {error}") from error
    register.prepare(url, web_uid=machine.hq_uid, group=REGISTER_GROUP)
    if staff_address:
        _remember_staff_address(state / "machine.json", staff_address)
    write_first_config(path, config)
    return Made(endpoints=endpoints, public_key=public, password=made)


def entrances(text: str, port: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """HOST[:PORT][,HOST[:PORT]…] → literal endpoints, and the names among the hosts. Boxes get the addresses: they
    look the names up only when none of those answers any more."""
    endpoints: list[str] = []
    names: list[str] = []
    for x in text.split(","):
        host, separator, given = x.strip().rpartition(":")
        if not separator or not given.isdecimal():
            host, given = x.strip(), str(port)
        host = host.strip("[]").lower()
        found = {y[4][0] for y in socket.getaddrinfo(host, int(given), type=socket.SOCK_DGRAM)}
        addresses = sorted((ipaddress.ip_address(y) for y in found), key=lambda y: (y.version, int(y)))
        endpoints += [f"{y}:{given}" if y.version == 4 else f"[{y}]:{given}" for y in addresses]
        if is_host(host):
            names.append(host)
    return tuple(dict.fromkeys(endpoints)), tuple(dict.fromkeys(names))


def _remember_staff_address(path: Path, address: str) -> None:
    import json

    data = json.loads(path.read_text()) if path.exists() else {}
    data["corporate"] = str(ipaddress.IPv4Address(address))
    files.write_atomically(path, json.dumps(data, indent=1))
