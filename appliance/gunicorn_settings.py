"""What gunicorn's three webs have in common; each settings file takes all of it and adds its own limits."""

from __future__ import annotations

import os

keepalive = 15  # seconds: longer than a page's pace and a box's ten, so that both keep their one connection
graceful_timeout = 5
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn's heartbeat file
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # nobody steers it from outside; the daemon restarts it
