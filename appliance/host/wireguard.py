"""WireGuard through wireguard-tools, for the kernel's device and wireguard-go alike: `wg syncconf` writes,
`wg show dump` reads. Keys travel on standard input only. Why no Python binding: docs/decisions.md."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.core.machine import Peer, PeerState, Tunnel, TunnelState
from appliance.core.model import BoxKeys, Secret
from appliance.host.run import Failed, run

SOCKETS = Path("/run/wireguard")
AT_ONCE = 200  # peers named on one command line
READY_WITHIN = 3.0  # seconds for wireguard-go to open its socket; 23 ms is usual


def new_key() -> tuple[Secret, str]:
    """A private key and its public half, base64 (RFC 7748)."""
    key = X25519PrivateKey.generate()
    return Secret(_text(key.private_bytes_raw())), _text(key.public_key().public_bytes_raw())


def public_of(private: Secret) -> str:
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private.reveal()))
    return _text(key.public_key().public_bytes_raw())


def new_signing_key() -> tuple[Secret, str]:
    """An Ed25519 seed and its public key, base64 (RFC 8032)."""
    key = Ed25519PrivateKey.generate()
    return Secret(_text(key.private_bytes_raw())), _text(key.public_key().public_bytes_raw())


def new_box_keys() -> BoxKeys:
    tunnel_private, tunnel_public = new_key()
    report_private, report_public = new_signing_key()
    return BoxKeys(
        tunnel_private=tunnel_private,
        tunnel_public=tunnel_public,
        report_private=report_private,
        report_public=report_public,
    )


def show(name: str, namespace: str) -> TunnelState | None:
    """The device as it is, or None where there is none (wg(8), "show dump")."""
    try:
        lines = run(["wg", "show", name, "dump"], namespace=namespace).splitlines()
    except Failed:
        return None
    if not lines:
        return None
    _, public, port, mark = lines[0].split("\t")
    return TunnelState(
        name=name,
        namespace=namespace,
        public_key=public,
        listen_port=int(port),
        mark=0 if mark == "off" else int(mark, 0),
        peers=tuple(_peer(x) for x in lines[1:]),
    )


def synchronize(tunnel: Tunnel) -> None:
    """Make the device's keys and peers the wished ones; sessions that stay wished are kept."""
    run(["wg", "syncconf", tunnel.name, "/dev/stdin"], namespace=tunnel.namespace, text=settings(tunnel))


def forget_source(name: str, namespace: str) -> None:
    """The device keeps sending from the address that was good last; after a change of line that address is gone,
    and it would notice only after fifteen seconds (its own handshake timer). Naming the endpoints again makes it
    ask the routes anew; sessions are kept."""
    state = show(name, namespace)
    named = [(x.public_key, x.endpoint) for x in state.peers if x.endpoint] if state else []
    if named:
        peers = [part for key, endpoint in named for part in ("peer", key, "endpoint", endpoint)]
        run(["wg", "set", name, *peers], namespace=namespace)


def forget_peers(name: str, namespace: str, peers: Iterable[Peer]) -> None:
    """Take peers off and put them on again, in one transaction each: sessions, the last handshake's timestamp and
    the address they came from are forgotten. Peers that are not on the device (any more) stay away."""
    state = show(name, namespace)
    there = {x.public_key for x in state.peers} if state else set()
    wanted = [x for x in peers if x.public_key in there]
    for start in range(0, len(wanted), AT_ONCE):
        parts: list[str] = []
        for peer in wanted[start : start + AT_ONCE]:
            parts += ["peer", peer.public_key, "remove", "peer", peer.public_key]
            parts += ["allowed-ips", ",".join(peer.allowed)]
            parts += ["endpoint", peer.endpoint] if peer.endpoint else []
            parts += ["persistent-keepalive", str(peer.keepalive)] if peer.keepalive else []
        run(["wg", "set", name, *parts], namespace=namespace)


def settings(tunnel: Tunnel) -> str:
    """The configuration text of wg(8)."""
    lines = ["[Interface]", f"PrivateKey = {tunnel.private_key.reveal()}"]
    if tunnel.listen_port:
        lines.append(f"ListenPort = {tunnel.listen_port}")
    if tunnel.mark:
        lines.append(f"FwMark = {tunnel.mark:#x}")
    for peer in tunnel.peers:
        lines += ["[Peer]", f"PublicKey = {peer.public_key}"]
        if peer.allowed:  # a scout's key reaches nothing
            lines.append(f"AllowedIPs = {', '.join(peer.allowed)}")
        if peer.endpoint:
            lines.append(f"Endpoint = {peer.endpoint}")
        lines.append(f"PersistentKeepalive = {peer.keepalive or 'off'}")
    return "\n".join(lines) + "\n"


def forget_socket(name: str) -> None:
    """A socket left by a wireguard-go that was killed keeps the next one from starting."""
    (SOCKETS / f"{name}.sock").unlink(missing_ok=True)


def wait_for_socket(name: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not (SOCKETS / f"{name}.sock").exists():
        if time.monotonic() > deadline:
            raise Failed("wireguard-go did not start")
        time.sleep(0.005)


def _peer(line: str) -> PeerState:
    public, _, endpoint, allowed, handshake, received, sent, keepalive = line.split("\t")
    return PeerState(
        public_key=public,
        endpoint="" if endpoint == "(none)" else endpoint,
        allowed=() if allowed == "(none)" else tuple(allowed.split(",")),
        handshake=float(handshake),
        received=int(received),
        sent=int(sent),
        keepalive=0 if keepalive == "off" else int(keepalive),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
