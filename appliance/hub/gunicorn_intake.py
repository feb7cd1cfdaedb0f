"""gunicorn's settings for the intake: `gunicorn -c python:appliance.hub.gunicorn_intake`.

One process writes (SQLite has one writer anyway), threads wait for slow tunnels. A slow box cannot hold a
thread for ever: the post is small, and gthread reads it before a thread is taken.
"""

import os

from appliance.hub.register import close_stores

wsgi_app = "appliance.hub.intake:from_environment()"
bind = os.environ.get("NOROSHI_INTAKE_BIND", "10.210.0.1:8470")
umask = 0o007  # the register is shared with the HQ web through their group
worker_class = "gthread"
workers = 1
threads = 8
worker_connections = 2000
backlog = 1024
keepalive = 15  # a box posts every ten seconds
timeout = 60
graceful_timeout = 5
limit_request_line = 1024
limit_request_fields = 32
limit_request_field_size = 2048
accesslog = None
errorlog = "-"
loglevel = "warning"
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn's heartbeat file
control_socket_disable = True  # nobody steers it from outside; the daemon restarts it


def worker_exit(_arbiter: object, worker: object) -> None:
    """Whoever closes the register last folds SQLite's log into it: a copy of the one file is then whole."""
    close_stores(getattr(worker, "wsgi", None))
