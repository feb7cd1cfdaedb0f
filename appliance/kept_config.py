"""The box's configuration: a new one counts only once it is on the disk; until then the old one stays, whole."""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.core.codec import Invalid, dump_private, load
from appliance.core.model import Config
from appliance.core.words import Refused
from appliance.host import files


class KeptConfig:
    """In the private file `path`. One that cannot be understood is `damaged`: kept for whoever mends it, never replaced."""

    def __init__(self, path: Path, serial: str) -> None:
        self.path = path
        self.damaged = False
        self.config = self._load(serial)

    def save(self, config: Config) -> None:
        """Raises Refused; then nothing has changed."""
        if config == self.config:
            return
        if self.damaged:
            raise Refused("config-damaged")
        try:
            files.write_private(self.path, dump_private(config))
        except OSError as error:
            raise Refused("disk-full") from error
        self.config = config

    def try_save(self, config: Config) -> None:
        """For a step that nobody waits for: it is tried again by whatever made it necessary."""
        try:
            self.save(config)
        except Refused as error:
            sys.stderr.write(f"noroshi: the configuration could not be saved: {error}\n")

    def _load(self, serial: str) -> Config:
        try:
            data = files.read_private(self.path)
            return load(Config, data, newer=True) if data is not None else Config(serial=serial)
        except (files.Damaged, Invalid) as error:
            sys.stderr.write(f"noroshi: {error}\n")
            self.damaged = True
            return Config(serial=serial)
