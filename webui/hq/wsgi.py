"""For gunicorn: NOROSHI_RUN_DIR has the door, NOROSHI_DATABASE_URL names the register, NOROSHI_WEB_HOSTS the
names of these pages. A thread turns silence into flips also when nobody looks."""

import os
import threading
import time
from pathlib import Path

from webui.hq import create_app
from webui.hq.desk import Desk

EVERY = 5.0  # seconds
PRUNE_EVERY = 3600.0

app = create_app(
    Path(os.environ["NOROSHI_RUN_DIR"]) / "door",
    os.environ["NOROSHI_DATABASE_URL"],
    os.environ.get("NOROSHI_WEB_HOSTS", "").replace(",", " ").split(),
)


def _keep_house(desk: Desk) -> None:
    pruned = 0.0
    while True:
        time.sleep(EVERY)
        prune = time.monotonic() - pruned >= PRUNE_EVERY
        try:
            desk.keep_house(time.time(), prune)
        except Exception:  # a busy register must not end the timer
            app.logger.exception("keeping house failed")
            continue
        pruned = time.monotonic() if prune else pruned


threading.Thread(
    target=_keep_house, args=(app.extensions["noroshi-desk"],), name="house", daemon=True
).start()
