"""gunicorn's settings for the HQ web: `gunicorn -c python:webui.hq.gunicorn_hq`.

One process: the board is drawn once for everybody. Not preloaded, so that the house-keeping thread and the
database connections are the worker's own.
"""

import os

from appliance.hub.register import close_stores

wsgi_app = "webui.hq.wsgi:app"
bind = os.environ.get("NOROSHI_HQ_BIND", "10.10.0.1:8080")
umask = 0o007  # the register is shared with the intake through their group
worker_class = "gthread"
workers = 1
threads = 8
worker_connections = 500
keepalive = 5
timeout = 60
graceful_timeout = 5
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
accesslog = None
errorlog = "-"
loglevel = "warning"
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn's heartbeat file
control_socket_disable = True  # nobody steers it from outside; the daemon restarts it


def worker_exit(_arbiter: object, worker: object) -> None:
    """Whoever closes the register last folds SQLite's log into it: a copy of the one file is then whole."""
    close_stores(getattr(worker, "wsgi", None))
