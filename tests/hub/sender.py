"""A box's courier for tests: makes reports, signs them as a box does, posts them to the intake."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Sender:
    def __init__(self, box: str, address: str, boot: str = "boot-a") -> None:
        self.box, self.address, self.boot = box, address, boot
        self.key = Ed25519PrivateKey.generate()
        self.seq = 0
        self.uptime = 100.0

    @property
    def public(self) -> str:
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    def body(self, **changes: Any) -> dict[str, Any]:
        self.seq += 1
        told: dict[str, Any] = {
            "box": self.box,
            "seq": self.seq,
            "boot_id": self.boot,
            "uptime": self.uptime,
            "made_at": 1_000_000.0 + self.uptime,
            "phase": "PROTECTED",
            "reason": "all-well",
            "since": 1_000_000.0 + self.uptime - 30,
            "policy": 3,
            "uplink": {"link": "eth0", "kind": "ethernet"},
            "round_trip": 0.03,
            "loss": 0.0,
            "handshake_age": 20.0,
            "laptops": 2,
            "load": 0.1,
            "memory": 0.4,
            "disk": 0.2,
            "temperature": None,
            "version": "0.1.0",
            "desktops": {"desk": "answers"},
            "milestones": {},
            "proof": None,
        }
        return told | changes

    def sign(self, body: dict[str, Any] | str) -> dict[str, str]:
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        signature = self.key.sign(text.encode(errors="surrogatepass"))
        return {"body": text, "signature": base64.b64encode(signature).decode()}

    def post(self, *reports: dict[str, str], **changes: Any) -> dict[str, Any]:
        """The envelope around signed reports."""
        return {"boot_id": self.boot, "uptime": self.uptime, "reports": list(reports)} | changes
