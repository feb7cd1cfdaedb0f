"""What gunicorn loads: `gunicorn --config webui/gunicorn_field.py webui.field.wsgi:app`."""

from webui.field import app_from_environment

app = app_from_environment()
