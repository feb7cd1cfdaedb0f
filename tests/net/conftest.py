"""One world for the whole session; each test gets a box as it left the factory, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net.world import World, build, demolish

NEEDED = ("ip", "nft", "wg", "wireguard-go", "udhcpc", "dnsmasq", "tayga", "xrdp")


def pytest_configure(config: pytest.Config) -> None:
    missing = [x for x in NEEDED if shutil.which(x) is None and not Path("/usr/sbin", x).exists()]
    if os.geteuid() == 0 and missing:
        raise pytest.UsageError(f"scripts/setup was not run: {', '.join(missing)} missing")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """HQ, its desktop and all cables. The prefix is ours alone, so that a demo may run at the same time."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    prefix = f"nt{os.getpid() % 10000}"
    demolish(prefix)
    try:
        yield build(prefix)
    finally:
        demolish(prefix)


@pytest.fixture
def box(world: World) -> Iterator[World]:
    """The same world, with a box that knows nothing yet and has no power."""
    world.forget()
    yield world
    world.unhush_desk()
    world.forget()
