"""The product table as it lies on disk: the packaged one, HQ's own copy, and a damaged copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.desktop_profiles import BadDesktop, Fault
from appliance.host.profiles import MOST_BYTES, packaged_profiles, profile_text, profiles


def test_without_an_own_copy_the_packaged_table_counts(tmp_path: Path) -> None:
    assert profiles(tmp_path / "missing.toml") == packaged_profiles()


def test_hqs_own_copy_counts_instead(tmp_path: Path) -> None:
    own = tmp_path / "desktops.toml"
    own.write_text(profile_text().replace("profile.vnc", "profile.linux-desk"), "utf-8")
    assert set(profiles(own)) ^ set(packaged_profiles()) == {"vnc", "linux-desk"}


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", profile_text().encode()[:900], b"#" * (MOST_BYTES + 1)], ids=len
)
def test_a_damaged_copy_is_refused_and_never_half_read(raw: bytes, tmp_path: Path) -> None:
    own = tmp_path / "desktops.toml"
    own.write_bytes(raw)
    with pytest.raises(BadDesktop) as caught:
        profiles(own)
    assert caught.value.fault is Fault.PROFILES_DAMAGED
