"""`noroshi`: the table of verbs. Each is one small function in `box.py` or `hq.py`; they talk to the door, or start
what stands behind it."""

from __future__ import annotations

import click

from appliance import VERSION
from appliance.cli import box, hq
from appliance.cli.card import card
from appliance.cli.image import image
from appliance.cli.mobile import mobile
from appliance.cli.table import Table

main = Table(
    name="noroshi",
    help="Noroshi (狼煙): a box that opens a field office, and the hub it reports to.",
    epilog="Each verb explains itself / 各項目の説明: noroshi VERB --help",
    sections={
        "Look / 見る": (box.status, box.doctor, box.plan, box.prove, box.identity),
        "Use / 使う": (box.join, box.line, box.wifi, mobile, hq.hq),
        "Prepare / 準備する": (image, card),
        "Run (the image and systemd do it) / 動かす": (box.daemon, box.block, box.screen),
    },
)
click.version_option(VERSION, prog_name="noroshi")(main)
