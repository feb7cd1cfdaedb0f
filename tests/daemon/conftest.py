"""A world for each test, and its sockets closed behind it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.world import World


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: every change is synced to the disk, and a real disk takes its time."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if os.access(place, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def make(memory: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def one(**options: Any) -> World:
        made.append(World(memory / f"world{len(made)}", **options))
        return made[-1]

    yield one
    for world in made:
        world.close()


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()
