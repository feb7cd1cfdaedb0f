"""What HQ's people ask about the registers of desktops and laptops, the policy for lines and updates: configuration +
request → configuration. Nothing is written here; whoever asks saves it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.core import devices, fleet, policy, waves
from appliance.core.codec import dump_masked
from appliance.core.desktop_profiles import BadDesktop, Profile
from appliance.core.desktops import add_desktop, desktop_from_profile
from appliance.core.model import DesktopKind, HubConfig, NetworkClass
from appliance.core.software import Bundle
from appliance.core.words import Refused
from appliance.request import choice, number, text, texts

Answer = tuple[HubConfig, dict[str, Any]]


def change(config: HubConfig, profiles: dict[str, Profile], request: dict[str, Any], now: float) -> Answer:
    """The configuration as asked, and what the asker is told. Raises Refused with a code of words.py."""
    match request["ask"]:
        case "add-desktop":
            return _with_desktop(config, profiles, request), {}
        case "remove-desktop":
            return fleet.remove_desktop(config, text(request, "name")), {}
        case "add-device":
            words = (text(request, "name"), text(request, "title"))
            device = devices.device_from(config, *words, texts(request, "macs"), texts(request, "desktops"))
            return devices.add_device(config, device), {}
        case "remove-device":
            return devices.remove_device(config, text(request, "name")), {}
        case "import-devices":
            return _imported(config, text(request, "text"))
    return _boxes(config, request, now)


def _boxes(config: HubConfig, request: dict[str, Any], now: float) -> Answer:
    match request["ask"]:
        case "emergency":
            box, hours, by = text(request, "box"), number(request, "hours"), text(request, "by")
            return devices.set_emergency(config, box, hours, by, now), {}
        case "declare-blue":
            numbers = request.get("blue")
            if not isinstance(numbers, list) or not all(type(x) is int for x in numbers):
                raise Refused("bad-request")
            return fleet.declare_blue(config, text(request, "box"), tuple(numbers)), {}
        case "set-phone":
            return fleet.set_phone(config, text(request, "phone")), {}
        case "set-policy":
            changes = request.get("changes")
            if not (changes is None or isinstance(changes, dict)):
                raise Refused("bad-request")
            return policy.set_policy(config, text(request, "box"), changes), {}
    return _updates(config, request, now)


def _updates(config: HubConfig, request: dict[str, Any], now: float) -> Answer:
    match request["ask"]:
        case "add-bundle":
            words = {x: text(request, x) for x in ("version", "image", "sha256")}
            return waves.add_bundle(config, Bundle(**words, size=int(number(request, "size")))), {}
        case "remove-version":
            return waves.remove_version(config, text(request, "version")), {}
        case "set-oldest":
            return waves.set_oldest(config, text(request, "version")), {}
        case "start-update":
            version, boxes = text(request, "version"), texts(request, "boxes")
            if not boxes:
                boxes = waves.next_wave(config, version, int(number(request, "percent")), now)
            config = waves.start(config, version, boxes, now=request.get("now") is True)
            return config, {"boxes": list(boxes)}
        case "stop-update":
            return waves.stop(config, texts(request, "boxes")), {}
    raise Refused("bad-request")


def _imported(config: HubConfig, listed: str) -> Answer:
    config, rows, problems = devices.import_devices(config, listed)
    return config, {"rows": rows, "problems": dump_masked(problems), "devices": len(config.devices)}


def _with_desktop(config: HubConfig, profiles: dict[str, Profile], request: dict[str, Any]) -> HubConfig:
    profile = profiles.get(text(request, "profile"))
    hosts = request.get("hosts")
    if profile is None or not isinstance(hosts, dict) or not all(isinstance(x, list) for x in hosts.values()):
        raise Refused("bad-value")
    try:
        desktop = desktop_from_profile(
            profile,
            name=text(request, "name"),
            title=text(request, "title"),
            kind=choice(request, "kind", DesktopKind),
            network=choice(request, "network", NetworkClass),
            hosts={str(k): tuple(str(y) for y in v) for k, v in hosts.items()},
            desktops_network=config.desktops_network,
            certificate=str(request.get("certificate", "")),
        )
        desktop = replace(desktop, drill=request.get("drill") is True)
        return fleet.set_desktops(config, add_desktop(config.desktops, desktop))
    except BadDesktop as error:
        raise Refused(error.fault.value) from error
