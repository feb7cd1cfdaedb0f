"""Noroshi: the box and the hub, without a browser."""

VERSION = "0.1.0"
