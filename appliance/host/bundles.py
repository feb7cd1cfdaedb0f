"""Bundles as files on the data partition: the courier's folder, where they grow, and the daemon's own, where they are
checked and installed from. Never in memory: a box with 512 MB of it has no room for one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from appliance.host.files import make_folder

GROWING = ".part"


class Bundles:
    """`state`/update belongs to the courier, `state`/bundle to root."""

    def __init__(self, state: Path, courier: int) -> None:
        self._state, self._courier = state, courier
        self.coming, self.own = state / "update", state / "bundle"

    def prepare(self) -> None:
        make_folder(self.coming, 0o700, self._courier, self._courier)
        make_folder(self.own, 0o700)

    def held(self, sha256: str) -> tuple[int, bool]:
        """Octets of a bundle that came so far, and whether whoever brought it calls it whole."""
        whole = (self._seized(sha256), self.coming / sha256)
        for path in (*whole, self.coming / (sha256 + GROWING)):
            with contextlib.suppress(OSError):
                return path.lstat().st_size, path in whole
        return 0, False

    def room(self) -> int:
        """Octets that are free. Raises OSError."""
        found = os.statvfs(self._state)
        return found.f_bavail * found.f_frsize

    def seize(self, sha256: str) -> Path:
        """Out of the courier's reach, as it is; there it stays until it is installed or thrown away. Raises OSError."""
        target = self._seized(sha256)
        if not target.exists():
            (self.coming / sha256).replace(target)
        return target

    def _seized(self, sha256: str) -> Path:
        return self.own / f"{sha256}.raucb"

    def is_right(self, path: Path, sha256: str) -> bool:
        """Whether what was seized is a plain file of root's with the octets that HQ named. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            known = os.fstat(descriptor)
            if not stat.S_ISREG(known.st_mode) or known.st_nlink != 1:
                return False
            if os.geteuid() == 0:
                os.fchown(descriptor, 0, 0)
            os.fchmod(descriptor, 0o600)
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def forget(self) -> None:
        """Nothing is wanted any more."""
        for folder in (self.coming, self.own):
            for path in folder.iterdir() if folder.exists() else ():
                with contextlib.suppress(OSError):
                    path.unlink()
