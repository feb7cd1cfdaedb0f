"""The text that phones and laptops read from a QR code as "join this Wi-Fi"; T:WPA serves WPA2 and WPA3."""

from __future__ import annotations

import re


def wifi_code(ssid: str, passphrase: str) -> str:
    return f"WIFI:T:WPA;S:{_escaped(ssid)};P:{_escaped(passphrase)};;"


def _escaped(text: str) -> str:
    return re.sub(r'([\\;,":])', r"\\\1", text)
