"""How gunicorn runs the field web: one small worker, a few threads, and nobody may hold one for long.

    gunicorn --config python:webui.gunicorn_field

Runs as an unprivileged user inside the field namespace; port 80 is theirs to bind there
(`net.ipv4.ip_unprivileged_port_start`, or CAP_NET_BIND_SERVICE).
"""

from __future__ import annotations

import gc
import os

from appliance.gunicorn_settings import *  # noqa: F403 - every name in it is a setting

wsgi_app = "webui.field.wsgi:app"
bind = os.environ.get("NOROSHI_WEB_BIND", "0.0.0.0:80")
worker_class = "webui.patience.PatientWorker"
workers = 1  # the session's key lives in this process
threads = 6
preload_app = True  # the worker shares the master's pages
worker_connections = 64
backlog = 64
timeout = 30  # a worker that stopped turning, not a slow request
limit_request_line = 2048
limit_request_fields = 40
limit_request_field_size = 4096


def pre_fork(_arbiter: object, _worker: object) -> None:
    """What was loaded stays shared between master and worker: the collector is not to touch it again."""
    gc.collect()
    gc.freeze()
