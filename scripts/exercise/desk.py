"""The desktop at HQ: xrdp with one session that is already logged on, as an office PC is at night.

All of it lives in namespaces of its own (network, processes, mounts): the login user exists only in there,
and ending the first process ends every other. The host's own user list and xrdp are never touched.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import PACE, Place
from scripts.exercise.processes import run, within

ADDRESS = "10.10.0.20"
PORT = 3389
BACKGROUND = (36, 84, 142)  # what the session paints its desktop with; `screen` looks for it
SIZE = (1024, 768)
USER = "noroshi-desk"

# RFC 1006 / MS-RDPBCGR 2.2.1.1: TPKT, X.224 connection request, negotiation request asking for TLS.
GREETING = bytes.fromhex("03000013" + "0ee00000000000" + "0100080001000000")
CONFIRM = 0xD0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a laptop needs to open the desktop. The password is thrown away with the exercise."""

    address: str
    port: int
    user: str
    password: str
    fingerprint: str  # SHA-256 of the TLS certificate, lower-case hex without colons


def start(place: Place, *, patience: float = 30.0, session: bool = True) -> Desk:
    """Start xrdp, wait for its greeting, and log the user's session on. Returns when it can be opened. Without a
    session it only greets, which is all that a box looks at."""
    folder = place.folder("desk", mode=0o700)
    password = secrets.token_urlsafe(12)
    run(
        *(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "3",
            "-subj",
            "/CN=desk.example",
        ),
        *(
            "-addext",
            f"subjectAltName=IP:{ADDRESS}",
            "-keyout",
            f"{folder}/key.pem",
            "-out",
            f"{folder}/cert.pem",
        ),
    )
    certificate = ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())
    desk = Desk(
        address=ADDRESS,
        port=PORT,
        user=USER,
        password=password,
        fingerprint=hashlib.sha256(certificate).hexdigest(),
    )
    secret = folder / "desk.json"
    secret.touch(mode=0o600)
    secret.write_text(json.dumps(asdict(desk)))
    (folder / "hash").write_text(run("openssl", "passwd", "-6", "-stdin", text=password).strip())
    shown = f"{password} {SIZE[0]}x{SIZE[1]} #{bytes(BACKGROUND).hex()}"
    (folder / "start").write_text(shown if session else "")
    inside = (
        *(
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ),
        *(sys.executable, "-B", str(Path(__file__).with_name("desk_inside.py")), str(folder)),
    )
    processes.start(place, "desk", within(place.namespace("desk"), inside, mounts=False))
    wait_until_it_greets(place, "desk", patience=patience)
    if session:
        _wait_for_session(place, folder, patience)
    return desk


def stop(place: Place) -> None:
    """End the desktop and every process of its sessions: they are in its process namespace."""
    # `unshare` waits for its child and ignores SIGTERM by design; its end is the end of the whole namespace.
    processes.end(place, "desk", patience=0.0)
    deadline = time.monotonic() + 5.0
    while _inhabitants(place) and time.monotonic() < deadline:
        time.sleep(0.02)


def _inhabitants(place: Place) -> tuple[str, ...]:
    """Processes of the desktop's process namespace; it ends with its first process, a moment later."""
    return tuple(run("ip", "netns", "pids", place.namespace("desk"), check=False).split())


def read(place: Place) -> Desk:
    """The running desktop's access, for whoever did not start it."""
    return Desk(**json.loads((place.root / "desk" / "desk.json").read_text()))


def greets(
    place: Place, machine: str, address: str = ADDRESS, port: int = PORT, seconds: float = 1.0
) -> bool:
    """True if RDP answers the X.224 greeting when asked from `machine`."""
    with socket_in(place.namespace(machine)) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((address, port))
            asking.sendall(GREETING)
            answer = asking.recv(64)
        except OSError:
            return False
    return len(answer) >= 7 and answer[0] == 3 and answer[5] == CONFIRM


def wait_until_it_greets(place: Place, machine: str, *, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience * PACE
    while not greets(place, machine):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the desktop did not greet {machine} in {patience:.0f} s: see logs/desk.log")
        time.sleep(0.05)


def _wait_for_session(place: Place, folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience * PACE
    while not (folder / "painted").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the desktop's session did not start in {patience:.0f} s: see logs/desk.log")
        time.sleep(0.05)
