"""Being in another namespace is a thread's affair, and always comes to an end."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from appliance.host import namespaces
from tests.host.spaces import needs_root, spaces

pytestmark = needs_root


def _here() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def test_a_namespace_is_made_once_and_removed_once() -> None:
    with spaces(1) as (name,):
        inode = (namespaces.RUN / name).stat().st_ino
        namespaces.make(name)
        assert (namespaces.RUN / name).stat().st_ino == inode
        assert name in namespaces.names()
        namespaces.remove(name)
        namespaces.remove(name)
        assert name not in namespaces.names()


def test_inside_comes_home_after_an_error_too() -> None:
    home = _here()
    with spaces(1) as (name,):
        with pytest.raises(ZeroDivisionError), namespaces.inside(name):
            assert _here() != home
            raise ZeroDivisionError
        assert _here() == home


def test_no_name_means_where_we_are() -> None:
    home = _here()
    with namespaces.inside(""):
        assert _here() == home


def test_an_unknown_name_is_an_error_and_moves_nobody() -> None:
    home = _here()
    with pytest.raises(FileNotFoundError), namespaces.inside("nth-no-such"):
        pass
    assert _here() == home


def test_only_the_calling_thread_moves_and_a_socket_stays_where_it_was_born() -> None:
    home, seen = _here(), []
    with spaces(1) as (name,):
        with namespaces.inside(name):
            thread_home = threading.Thread(target=lambda: seen.append(_here()))
            born = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            inner = _here()
        thread_home.start()
        thread_home.join()
        with born, pytest.raises(OSError, match="unreachable"):  # in there is no route to anywhere
            born.connect(("192.0.2.1", 9))
        assert seen == [home]
        assert inner != home
