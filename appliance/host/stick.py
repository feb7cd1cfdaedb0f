"""An update from a USB stick: the bundle that HQ wished, found in its root, is laid where the courier would lay it. A stick
brings octets, nothing else: it is mounted read-only, by nobody but this process, and what it says is not believed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from appliance.host import surroundings
from appliance.host.bundles import Bundles
from appliance.host.run import Failed, run

PLACE = Path("/run/noroshi-stick")
CHUNK = 1 << 20
MOST = 64  # files that are looked at
MOUNT_WITHIN = 60.0  # seconds


def carry(stick: Path, wanted: dict[str, Any], bundles: Bundles, courier: int) -> bool:
    """Whether the wished bundle was there, whole. Raises OSError."""
    target = bundles.coming / str(wanted["sha256"])
    for path in sorted(stick.glob("*.raucb"))[:MOST]:
        if target.exists() or not _copied(path, wanted, bundles.own / ".stick"):
            continue
        os.chown(bundles.own / ".stick", courier, courier)
        (bundles.own / ".stick").replace(target)
    return target.exists()


def _copied(path: Path, wanted: dict[str, Any], scratch: Path) -> bool:
    """A file of the wished size is copied, and stays where its octets are the wished ones."""
    found = hashlib.sha256()
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            known = os.fstat(descriptor)
            if not stat.S_ISREG(known.st_mode) or known.st_size != wanted["size"]:
                return False
            with scratch.open("wb") as copy:
                while part := source.read(CHUNK):
                    found.update(part)
                    copy.write(part)
                copy.flush()
                os.fsync(copy.fileno())
    if found.hexdigest() == wanted["sha256"]:
        return True
    scratch.unlink(missing_ok=True)
    return False


def main() -> None:
    """`stick DEVICE`, in a mount namespace of its own, which ends with it."""
    machine = surroundings.machine()
    told = json.loads((Path(machine.run) / "courier.json").read_text())
    if not told.get("fetch"):
        sys.exit("HQ wishes no update of this box, or it has it already")
    PLACE.mkdir(exist_ok=True)
    try:
        how = ["-o", "ro,nosuid,nodev,noexec"]
        run(["mount", *how, "--", sys.argv[1], str(PLACE)], timeout=MOUNT_WITHIN)
    except Failed as error:
        sys.exit(f"the stick cannot be read: {error}")
    bundles = Bundles(Path(machine.state), machine.courier_uid)
    if not carry(PLACE, told["fetch"], bundles, machine.courier_uid):
        sys.exit("the update that HQ wishes is not on this stick")


if __name__ == "__main__":
    main()
