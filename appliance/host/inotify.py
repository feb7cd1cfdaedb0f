"""A folder as a bell: readable whenever something in it was written, made or taken away (inotify(7))."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x8, 0x80, 0x100, 0x200
WRITTEN = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO
COMES_AND_GOES = IN_CREATE | IN_DELETE
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Reads like a socket, for the loop."""

    def __init__(self, folder: Path, wanted: int = WRITTEN) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or _libc.inotify_add_watch(self._fd, os.fsencode(folder), wanted) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))

    def fileno(self) -> int:
        return int(self._fd)

    def recv(self, size: int) -> bytes:
        return os.read(self._fd, size)

    def close(self) -> None:
        os.close(self._fd)
