"""gunicorn's settings for the intake: `gunicorn -c python:appliance.hub.gunicorn_intake`.

One process writes (SQLite has one writer anyway), threads wait for slow tunnels. A slow box cannot hold a
thread for ever: the post is small, and gthread reads it before a thread is taken.
"""

import os

from appliance.gunicorn_settings import *  # noqa: F403 - every name in it is a setting
from appliance.hub.register import worker_exit  # noqa: F401 - gunicorn's hook

wsgi_app = "appliance.hub.intake:from_environment()"
bind = os.environ.get("NOROSHI_INTAKE_BIND", "10.210.0.1:8470")
umask = 0o007  # the register is shared with the HQ web through their group
worker_class = "gthread"
workers = 1
threads = 8
worker_connections = 2000
backlog = 1024
timeout = 60
limit_request_line = 1024
limit_request_fields = 32
limit_request_field_size = 2048
