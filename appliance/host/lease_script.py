#!/usr/bin/python3 -IS
"""What udhcpc calls: writes down what a router said, raw, and rings the daemon. Decides nothing; runs without the
project so that it starts in a moment."""

import json
import os
import socket
import sys
from pathlib import Path

KEYS = ("interface", "ip", "mask", "subnet", "router", "dns", "lease", "serverid", "opt114")


def main() -> None:
    run = Path(os.environ["NOROSHI_RUN_DIR"])
    link = os.environ.get("interface", "")  # noqa: SIM112 - udhcpc writes it in small letters
    if not link.replace("-", "").replace(".", "").replace("_", "").isalnum():
        return
    path = run / "leases" / f"{link}.json"
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what in ("bound", "renew"):
        said = {key: os.environ.get(key, "")[:300] for key in KEYS}
        scratch = path.with_name(f".{link}")
        scratch.write_text(json.dumps(said))
        scratch.replace(path)
    elif what in ("deconfig", "leasefail", "nak"):
        path.unlink(missing_ok=True)
    else:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        try:
            bell.sendto(b"!", str(run / "wake"))
        except OSError:
            return


if __name__ == "__main__":
    main()
