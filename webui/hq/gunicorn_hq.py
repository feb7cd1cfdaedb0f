"""gunicorn's settings for the HQ web: `gunicorn -c python:webui.hq.gunicorn_hq`.

One process: the board is drawn once for everybody. Not preloaded, so that the house-keeping thread and the
database connections are the worker's own.
"""

import os

from appliance.gunicorn_settings import *  # noqa: F403 - every name in it is a setting
from appliance.hub.register import worker_exit  # noqa: F401 - gunicorn's hook

wsgi_app = "webui.hq.wsgi:app"
bind = os.environ.get("NOROSHI_HQ_BIND", "10.10.0.1:8080")
umask = 0o007  # the register is shared with the intake through their group
worker_class = "gthread"
workers = 1
threads = 8
worker_connections = 500
timeout = 60
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
