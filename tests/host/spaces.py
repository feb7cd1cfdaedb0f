"""Network namespaces for one test, gone afterwards whatever happened."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.host import namespaces

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")


@contextmanager
def spaces(count: int) -> Iterator[list[str]]:
    names = [f"nth-{secrets.token_hex(3)}" for _ in range(count)]
    try:
        for name in names:
            namespaces.make(name)
        yield names
    finally:
        for name in names:
            namespaces.remove(name)
