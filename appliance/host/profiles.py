"""Reads the desktop profiles: the ones that came with this version, or HQ's own copy. Decides nothing."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from appliance.core.desktop_profiles import BadDesktop, Fault, Profile, load_profiles

MOST_BYTES = 1 << 18


def packaged_profiles() -> dict[str, Profile]:
    """The product table of this version."""
    return load_profiles(profile_text())


def profile_text() -> str:
    """The packaged table as text, to start an own copy from."""
    return resources.files("appliance.core").joinpath("desktop_profiles.toml").read_text("utf-8")


def profiles(own: Path) -> dict[str, Profile]:
    """HQ's own copy where there is one, else the packaged table; raises `BadDesktop`."""
    try:
        with own.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return packaged_profiles()
    if len(raw) > MOST_BYTES:
        raise BadDesktop(Fault.PROFILES_DAMAGED, f"{own}: more than {MOST_BYTES} bytes")
    try:
        return load_profiles(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadDesktop(Fault.PROFILES_DAMAGED, f"{own}: not UTF-8") from error
