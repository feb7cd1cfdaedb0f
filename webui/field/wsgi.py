"""What gunicorn loads: `gunicorn --config webui/gunicorn_field.py webui.field.wsgi:app`.

Every screen is compiled here, before the worker is forked: once for both processes, and not under the first
visitor's hands.
"""

from webui.field import app_from_environment

app = app_from_environment()
for name in app.jinja_env.list_templates():
    if name.startswith("field/") or name == "base.html":
        app.jinja_env.get_template(name)
