"""What this machine is: read once at the start from `machine.json` in the state folder. Where that does not name the
sockets, they follow from the hardware (core/sockets.py)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from appliance.core.codec import load
from appliance.core.machine import Machine

IMAGE = Path("/usr/lib/noroshi/machine.json")  # what the image says of every machine it runs on
LEASE_SCRIPT = str(Path(__file__).with_name("lease_script.py"))


def folders() -> tuple[Path, Path]:
    """(state, run): where things last, and where they do not."""
    state = Path(os.environ.get("NOROSHI_STATE_DIR", "/var/lib/noroshi"))
    run = Path(os.environ.get("NOROSHI_RUN_DIR", "/run/noroshi"))
    return state, run


def machine() -> Machine:
    """Raises codec.Invalid when `machine.json` says something unknown."""
    state, run = folders()
    told = state / "machine.json"
    data = json.loads(told.read_text()) if told.exists() else {}
    here = {"state": str(state), "run": str(run), "python": sys.executable, "lease_script": LEASE_SCRIPT}
    image = json.loads(IMAGE.read_text()) if IMAGE.exists() else {}
    follows = {} if {"uplinks", "ports"} & set(data) else {"follows": True, "uplinks": [], "ports": []}
    return load(Machine, {**here, **follows, "model": _model(), **image, **data})


def _model() -> str:
    for path in ("/proc/device-tree/model", "/sys/class/dmi/id/product_name"):
        try:
            text = Path(path).read_text(errors="replace").strip("\0\n ")
        except OSError:
            continue
        if text.isprintable() and text:
            return text[:60]
    return "PC"


def serial() -> str:
    """A name for this machine that lasts: its own serial number, else its machine id's end; "" where it has none."""
    for path in ("/proc/device-tree/serial-number", "/etc/machine-id"):
        try:
            text = Path(path).read_text(errors="replace").strip("\0\n ")
        except OSError:
            continue
        if text.isalnum():
            return text[-12:]
    return ""
